"""Which alerts may be asked for from another, and how they are put before the rules. Pure."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Protocol

from ovro_alert.alert import Alert, Role
from ovro_alert.policy.event_functions import speaks
from ovro_alert.policy.functions import Other
from ovro_alert.policy.rules import Policy


class Told(Protocol):
    """An alert, and its event, which may be known by another name than it says."""

    @property
    def alert(self) -> Alert: ...

    @property
    def event_id(self) -> str: ...


def is_asked_for(policy: Policy, alert: Alert) -> bool:
    """Whether rules ask for events of who sent an alert."""
    return any(speaks(name, alert) for name in policy.asks_for)


def are_near(one: Alert, other: Alert, seconds: float) -> bool:
    """Whether what they tell of happened within so many s."""
    if one.event_time is None or other.event_time is None:
        return False
    return abs(one.event_time - other.event_time) <= timedelta(seconds=seconds)


def sees(one: Alert, other: Alert) -> bool:
    """A test sees what is real, and what is real sees no tests."""
    return one.role is Role.TEST or other.role is not Role.TEST


def by_event(found: Iterable[Told]) -> Iterator[Other]:
    """Alerts, the newest first, by their events."""
    events: dict[str, list[Alert]] = {}
    for one in found:
        events.setdefault(one.event_id, []).append(one.alert)
    return (Other(event_id, tuple(alerts)) for event_id, alerts in events.items())


def seen_from(alert: Alert, found: Iterable[Told]) -> tuple[Other, ...]:
    """What an alert sees of others, by event."""
    return tuple(by_event(one for one in found if sees(alert, one.alert)))
