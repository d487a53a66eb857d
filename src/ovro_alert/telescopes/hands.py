"""Which hands carry out a command: by its word."""

from collections.abc import Mapping
from datetime import datetime

from ovro_alert.acting import Hands, Outcome, Plan, Trace, Word, refused
from ovro_alert.command import Entry, State


class ByWord:
    """Hands that leave each command to those of its word, in any case; `test` moves nothing."""

    def __init__(self, hands: Mapping[str, Hands]) -> None:
        self._hands = hands

    def find(self, entry: Entry) -> Trace | None:
        """The trace of a word that is known; the others leave none."""
        hands = self._of(entry)
        return hands.find(entry) if hands else None

    def plan(self, entry: Entry, now: datetime) -> Plan | Outcome:
        """Their plan; a word that is not known is refused and told the known ones."""
        if hands := self._of(entry):
            return hands.plan(entry, now)
        if entry.word == "test":
            return Outcome(State.DONE, {"message": "a test: nothing was moved"})
        known = ", ".join([*self._hands, "test"])
        return refused(f"command: {entry.word[:50]!r} is not known here; known are {known}")

    def forbid(self, entry: Entry, why: str) -> bool:
        """By those of its word; nobody else acts on any other."""
        hands = self._of(entry)
        return hands.forbid(entry, why) if hands else True

    def carry_out(self, entry: Entry, plan: Plan) -> Trace:
        """By those who planned it."""
        return self._hands[entry.word].carry_out(entry, plan)

    def follow(self, entry: Entry, trace: Trace, word: Word) -> Outcome:
        """By those who found its trace."""
        return self._hands[entry.word].follow(entry, trace, word)

    def _of(self, entry: Entry) -> Hands | None:
        return self._hands.get(entry.word)
