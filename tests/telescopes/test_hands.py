"""Which hands carry out which command."""

from collections.abc import Callable
from datetime import UTC, datetime

from ovro_alert.acting import Outcome, Plan, Trace, Word
from ovro_alert.command import Entry, State
from ovro_alert.telescopes.hands import ByWord

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Mine:
    def find(self, entry: Entry) -> Trace | None:
        return Trace("mine", NOW)

    def plan(self, entry: Entry, now: datetime) -> Plan | Outcome:
        return Plan({"message": "mine"})

    def carry_out(self, entry: Entry, plan: Plan) -> Trace:
        return Trace("mine", NOW)

    def follow(self, entry: Entry, trace: Trace, word: Word) -> Outcome:
        return Outcome(State.DONE, {"message": "mine"})


def test_by_the_word_in_any_case_and_test_moves_nothing(command: Callable[..., Entry]) -> None:
    hands = ByWord({"trigger": Mine(), "powerbeam": Mine()})
    assert hands.find(command(" Trigger ")) == Trace("mine", NOW)
    assert hands.plan(command("TRIGGER"), NOW) == Plan({"message": "mine"})
    assert hands.find(command("test")) is None
    assert hands.plan(command("Test"), NOW) == Outcome(State.DONE, {"message": "a test: nothing was moved"})
    assert hands.find(command("repoint")) is None
    assert hands.plan(command("repoint"), NOW) == Outcome(
        State.REFUSED,
        {"message": "command: 'repoint' is not known here; known are trigger, powerbeam, test"},
    )
