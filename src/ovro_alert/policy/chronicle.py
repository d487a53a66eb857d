"""What a replay remembers as the log would: events by name, alerts by time, what rules have used."""

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from operator import attrgetter

from ovro_alert.alert import Alert, AlertType
from ovro_alert.command import Command, State
from ovro_alert.policy.compared import Did, Purpose
from ovro_alert.policy.event_functions import speaks
from ovro_alert.policy.history import Sent, Use

DAY = timedelta(days=1)
MOST = 300  # alerts around a moment; in a storm the newest


@dataclass
class Issued:
    """A command that the policy would have sent."""

    id: int
    rule: str
    command: Command
    did: Did | None  # its like that was really sent
    is_cancelled: bool = False

    def sent(self, now: datetime) -> Sent:
        """As rules are told of it."""
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


@dataclass(slots=True, eq=False)
class Event:
    """What is known of an event; of one that proved to be another, which."""

    event_id: str
    number: int  # the smaller, the older
    retracted_by: str | None = None
    issued: list[Issued] = field(default_factory=list)
    moments: list[datetime] = field(default_factory=list)  # when its alerts say that it happened
    proved: "Event | None" = None

    def whole(self) -> "Event":
        """The event that it is."""
        return self if self.proved is None else self.proved.whole()

    def take_in(self, other: "Event") -> None:
        """Makes another one's story its own."""
        self.retracted_by = other.retracted_by or self.retracted_by
        self.issued = sorted(self.issued + other.issued, key=attrgetter("id"))
        self.moments += other.moments
        other.proved, other.issued = self, []


class Events:
    """Events by each of their names."""

    def __init__(self) -> None:
        self._by_name: dict[str, Event] = {}
        self._numbers = count(1)

    def of(self, alert: Alert) -> Event:
        """The event of an alert; alerts that share a name with two events make them one."""
        names = {alert.event_id, alert.alert_id, *alert.event_names}
        held = {self._by_name[name].whole() for name in names if name in self._by_name}
        event, *others = sorted(held, key=attrgetter("number")) or [
            Event(alert.event_id, next(self._numbers))
        ]
        for other in others:
            event.take_in(other)
        self._by_name.update(dict.fromkeys(names, event))
        return event


@dataclass(frozen=True)
class Told:
    """An alert of an event; the greater its number, the newer."""

    alert: Alert
    number: int
    event: Event
    speaks: frozenset[str]  # of those that rules ask for, who it is
    asking: frozenset[str]  # the rules that may ask for others on it

    @property
    def event_id(self) -> str:
        return self.event.whole().event_id


class Times:
    """Alerts by when what they tell of happened."""

    def __init__(self, speakers: Collection[str]) -> None:
        self._speakers = speakers  # that rules ask for
        self._told: list[tuple[datetime, int, Told]] = []

    def add(self, alert: Alert, event: Event, asking: frozenset[str]) -> None:
        """Adds an alert, if it says when; a retraction says nothing of its own of what it is about."""
        if alert.event_time is None:
            return
        event.moments.append(alert.event_time)
        if alert.alert_type is not AlertType.RETRACTION:
            who = frozenset(name for name in self._speakers if speaks(name, alert))
            told = Told(alert, len(self._told), event, who, asking)
            insort(self._told, (alert.event_time, told.number, told))

    def near(
        self,
        moments: Sequence[datetime],
        seconds: float,
        *,
        but: Event | None = None,
        speakers: Collection[str] | None = None,
    ) -> list[Told]:
        """As `store.near` has it: of events that were not retracted, the newest first.

        `speakers` are some of those that rules ask for.
        """
        span = timedelta(seconds=seconds)
        begin = bisect_left(self._told, min(moments) - span, key=lambda one: one[0])
        end = bisect_right(self._told, max(moments) + span, key=lambda one: one[0])
        found = [
            told
            for _, _, told in self._told[begin:end]
            if (speakers is None or not told.speaks.isdisjoint(speakers))
            and (event := told.event.whole()) is not but
            and event.retracted_by is None
        ]
        return sorted(found, key=attrgetter("number"), reverse=True)[:MOST]


class Used:
    """When rules have asked for what."""

    def __init__(self) -> None:
        self._at: dict[Purpose, deque[datetime]] = {}

    def note(self, purpose: Purpose, now: datetime) -> None:
        """Counts one more."""
        self._at.setdefault(purpose, deque()).append(now)

    def within_a_day(self, now: datetime) -> dict[Purpose, Use]:
        """What was asked in the 24 h before."""
        for at in self._at.values():
            while at and at[0] <= now - DAY:
                at.popleft()
        return {purpose: Use(at[-1], len(at)) for purpose, at in self._at.items() if at}
