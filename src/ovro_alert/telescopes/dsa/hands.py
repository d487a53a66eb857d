"""What the commands of the slot `/dsa` mean at DSA-110: `dump`, `repoint`, `CHIME FRB` and `test`."""

from datetime import UTC, datetime

from pydantic import ValidationError

from ovro_alert.acting import Hands, Outcome, Plan, Trace, Word, refused
from ovro_alert.command import Entry, State
from ovro_alert.telescopes.dsa.arguments import wrong
from ovro_alert.telescopes.dsa.dump import Dumps
from ovro_alert.telescopes.dsa.marks import Clock, Marks
from ovro_alert.telescopes.dsa.monitor import Monitor
from ovro_alert.telescopes.dsa.repoint import Repoint
from ovro_alert.telescopes.dsa.search import Search
from ovro_alert.telescopes.dsa.settings import DsaSettings
from ovro_alert.telescopes.etcd import Keys

TEST = "test"


def utc_now() -> datetime:
    """The clock of a client that runs."""
    return datetime.now(UTC)


class DsaHands:
    """The array as a client moves it; one of `acting.Hands`."""

    def __init__(self, keys: Keys, settings: DsaSettings, clock: Clock = utc_now) -> None:
        monitor = Monitor(keys, settings)
        marks = Marks(keys, settings.marks)
        self._words: dict[str, Hands] = {
            "dump": Dumps(settings, monitor, marks, clock),
            "repoint": Repoint(settings, monitor, marks, clock),
            "chime frb": Search(keys, settings, monitor, clock),
        }

    def find(self, entry: Entry) -> Trace | None:
        """The command's own trace; one that makes no sense has none."""
        hands = self._words.get(_word(entry))
        try:
            return None if hands is None else hands.find(entry)
        except ValueError:
            return None

    def plan(self, entry: Entry, now: datetime) -> Plan | Outcome:
        """What to do, or why not; the reason names the argument that is wrong."""
        word = _word(entry)
        if word == TEST:
            return Outcome(State.DONE, {"message": "a test: nothing was moved"})
        hands = self._words.get(word)
        if hands is None:
            known = ", ".join([*self._words, TEST])
            return refused(f"command: {word[:50]!r} is not known here; known are {known}")
        try:
            return hands.plan(entry, now)
        except ValidationError as error:
            return refused(wrong(error))
        except ValueError as error:
            return refused(f"args.{error}")

    def carry_out(self, entry: Entry, plan: Plan) -> Trace:
        """Acts on what was planned."""
        return self._words[_word(entry)].carry_out(entry, plan)

    def follow(self, entry: Entry, trace: Trace, word: Word) -> Outcome:
        """Waits for its end."""
        return self._words[_word(entry)].follow(entry, trace, word)


def _word(entry: Entry) -> str:
    return " ".join(entry.command.casefold().split())
