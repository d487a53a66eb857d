"""What would be done beside what was done: of one command, of an alert, and in sum."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from ovro_alert.alert import Alert
from ovro_alert.command import Command, State
from ovro_alert.policy.decide import Decision, Verdict
from ovro_alert.policy.rules import Policy

Purpose = tuple[str, str, str]  # the rule that asks, the slot that it asks, and the command


@dataclass(frozen=True)
class Did:
    """A command that an alert has really led to, and when it went on."""

    purpose: Purpose
    args: Mapping[str, Any]
    deadline: datetime | None
    priority: int
    state: State  # the last that is known
    queued_at: datetime
    claimed_at: datetime | None = None
    running_at: datetime | None = None
    over_at: datetime | None = None

    def state_before(self, moment: datetime) -> State:
        """The state that it had just before; of one that waited for a person, too, that it was queued."""
        if self.over_at is not None and self.over_at < moment:
            return self.state
        if self.running_at is not None and self.running_at < moment:
            return State.RUNNING
        return State.CLAIMED if self.claimed_at is not None and self.claimed_at < moment else State.QUEUED


@dataclass(frozen=True)
class Past:
    """An alert that came at a moment, and what was done; None where nobody knows."""

    alert: Alert
    at: datetime
    did: Sequence[Did] | None


class Kind(StrEnum):
    """How a command that would have been sent compares with what was."""

    SAME = "="
    MORE = "+"  # it was not sent
    LESS = "-"  # it was sent, and would not have been
    OTHER = "~"  # it was sent with other values
    UNKNOWN = "?"  # nobody knows what was done


@dataclass(frozen=True)
class Compared:
    """One command of one rule: what would have been sent beside what was."""

    kind: Kind
    purpose: Purpose
    command: Command | None  # that would have been sent
    values: Mapping[str, tuple[Any, Any]]  # of another: by name, what it was and what it would have been
    why: str = ""  # it would not have been sent


@dataclass(frozen=True)
class Replayed:
    """What a policy says of an alert that came before; or says again, at a later moment."""

    past: Past
    at: datetime
    decisions: Sequence[Decision]
    compared: Sequence[Compared]
    again: bool = False


def compare(purpose: Purpose, command: Command, did: Did | None, *, is_known: bool) -> Compared:
    """A command that would have been sent beside its like that was, if any; unless nobody knows of any."""
    if did is None:
        return Compared(Kind.MORE if is_known else Kind.UNKNOWN, purpose, command, {})
    was = _values(did.args, did.deadline, did.priority)
    would = _values(command.args, command.deadline, command.priority)
    names = [name for name in was | would if was.get(name) != would.get(name)]
    values = {name: (was.get(name), would.get(name)) for name in names}
    return Compared(Kind.OTHER if values else Kind.SAME, purpose, command, values)


def _values(args: Mapping[str, Any], deadline: datetime | None, priority: int) -> dict[str, Any]:
    return {f"args.{name}": value for name, value in args.items()} | {
        "deadline": deadline,
        "priority": priority,
    }


@dataclass
class Count:
    """What a rule comes to over many alerts: its commands by kind, its errors and the first of them."""

    commands: Counter[Kind] = field(default_factory=Counter)
    errors: int = 0
    error: str = ""


class Tally:
    """Counts by rule, of those that were in force or are."""

    def __init__(self, policy: Policy) -> None:
        self.alerts = 0
        self.rules = {rule.name: Count() for rule in policy.rules}

    def add(self, replayed: Replayed) -> None:
        """Counts what is said of an alert, or said again."""
        self.alerts += not replayed.again
        for one in replayed.compared:
            self._of(one.purpose[0]).commands[one.kind] += 1
        for decision in replayed.decisions:
            if decision.verdict is Verdict.ERROR:
                count = self._of(decision.rule)
                count.errors += 1
                count.error = count.error or f"{replayed.past.alert.alert_id}: {decision.reasons[-1]}"

    def _of(self, rule: str) -> Count:
        return self.rules.setdefault(rule, Count())
