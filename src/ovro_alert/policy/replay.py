"""What a policy would have done with alerts that have come before, and how that differs from what was done.

Alerts are taken one after the other, each at the moment at which it came, over a history that the replay
makes itself: the commands that the policy would have sent. One that was really sent has the life that it
really had, until an alert cancels it here. Of one that never was nobody knows: it is taken to have been
carried out at once, or, where a person is asked, to wait for one until its deadline.
"""

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import count
from typing import Any

from ovro_alert.alert import Alert, AlertType
from ovro_alert.command import Command, State
from ovro_alert.policy.decide import Decision, History, Sent, Use, Verdict, decide
from ovro_alert.policy.functions import OVRO, World
from ovro_alert.policy.rules import Policy

DAY = timedelta(days=1)
Purpose = tuple[str, str, str]  # the rule that asks, the slot that it asks, and the command


@dataclass(frozen=True)
class Did:
    """A command that an alert has really led to, and when it went on."""

    purpose: Purpose
    args: Mapping[str, Any]
    deadline: datetime | None
    priority: int
    state: State  # the last that is known
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
    """What a policy says of an alert that came before."""

    past: Past
    decisions: Sequence[Decision]
    compared: Sequence[Compared]


@dataclass
class _Issued:
    """A command that the policy would have sent."""

    id: int
    rule: str
    command: Command
    did: Did | None  # its like that was really sent
    is_cancelled: bool = False

    def sent(self, now: datetime) -> Sent:
        name = f"/{self.command.slot} {self.command.command}"
        return Sent(self.id, self.command.slot, self.command.command, name, self.rule, self._state(now))

    def _state(self, now: datetime) -> State:
        if self.is_cancelled:
            return State.CANCELLED
        if self.did is not None:
            return self.did.state_before(now)
        if not self.command.approval:
            return State.DONE
        deadline = self.command.deadline
        return State.PENDING if deadline is None or now < deadline else State.EXPIRED


@dataclass(slots=True)
class _Event:
    """What is known of an event; of one that proved to be another, which."""

    number: int
    retracted_by: str | None = None
    issued: list[_Issued] = field(default_factory=list)
    proved: "_Event | None" = None

    def whole(self) -> "_Event":
        return self if self.proved is None else self.proved.whole()

    def take_in(self, other: "_Event") -> None:
        self.retracted_by = other.retracted_by or self.retracted_by
        self.issued = sorted(self.issued + other.issued, key=lambda one: one.id)
        other.proved, other.issued = self, []


class Replay:
    """Goes through alerts by a policy, in the order in which they came."""

    def __init__(self, policy: Policy, world: World = OVRO) -> None:
        self._policy = policy
        self._world = world
        self._events: dict[str, _Event] = {}  # by each of their names
        self._used: dict[Purpose, deque[datetime]] = {}
        self._numbers = count(1)

    def history(self, past: Past) -> History:
        """What the policy would know before an alert that comes next."""
        event = self._event(past.alert)
        if past.alert.alert_type is AlertType.RETRACTION:
            event.retracted_by = past.alert.alert_id
        used = {purpose: Use(at[-1], len(at)) for purpose, at in self._used_at(past.at)}
        return History(event.retracted_by, tuple(one.sent(past.at) for one in event.issued), used)

    def take(self, past: Past) -> Replayed:
        """Takes the next alert."""
        decisions = decide(self._policy, past.alert, self.history(past), past.at, self._world)
        event = self._event(past.alert)
        cancelled = {id for decision in decisions for id in decision.cancels}
        for issued in event.issued:
            issued.is_cancelled |= issued.id in cancelled
        compared = []
        left = list(past.did or ())
        for decision in decisions:
            for command in decision.commands:
                purpose = (decision.rule, command.slot, command.command)
                did = next((one for one in left if one.purpose == purpose), None)
                if did is not None:
                    left.remove(did)
                compared.append(_compared(purpose, command, did, is_known=past.did is not None))
                event.issued.append(_Issued(next(self._numbers), decision.rule, command, did))
                self._used.setdefault(purpose, deque()).append(past.at)
        said = {decision.rule: decision.reasons[-1] for decision in decisions}
        for did in left:
            why = said.get(did.purpose[0], "there is no such rule")
            compared.append(Compared(Kind.LESS, did.purpose, None, {}, why))
        return Replayed(past, decisions, compared)

    def _event(self, alert: Alert) -> _Event:
        """The event of an alert, by its names; alerts that share one with two events make them one."""
        names = {alert.event_id, alert.alert_id, *alert.event_names}
        held = {
            event.number: event
            for name in names
            if name in self._events
            for event in [self._events[name].whole()]
        }
        event = held[min(held)] if held else _Event(next(self._numbers))
        for other in held.values():
            if other is not event:
                event.take_in(other)
        self._events.update(dict.fromkeys(names, event))
        return event

    def _used_at(self, now: datetime) -> Iterator[tuple[Purpose, deque[datetime]]]:
        """When each purpose was asked in the 24 h before."""
        for purpose, at in self._used.items():
            while at and at[0] <= now - DAY:
                at.popleft()
            if at:
                yield purpose, at


def _compared(purpose: Purpose, command: Command, did: Did | None, *, is_known: bool) -> Compared:
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
        """Counts one more alert."""
        self.alerts += 1
        for one in replayed.compared:
            self._of(one.purpose[0]).commands[one.kind] += 1
        for decision in replayed.decisions:
            if decision.verdict is Verdict.ERROR:
                count = self._of(decision.rule)
                count.errors += 1
                count.error = count.error or f"{replayed.past.alert.alert_id}: {decision.reasons[-1]}"

    def _of(self, rule: str) -> Count:
        return self.rules.setdefault(rule, Count())
