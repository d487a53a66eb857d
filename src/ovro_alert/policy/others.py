"""Which alerts may be asked for from another, and how they are put before the rules. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Protocol

from ovro_alert.alert import Alert, AlertType, Role
from ovro_alert.policy.event_functions import speaks
from ovro_alert.policy.functions import Other, Scope, World
from ovro_alert.policy.language import NO_VALUE, Expression
from ovro_alert.policy.rules import Policy, Rule


class Told(Protocol):
    """An alert, and its event, which may be known by another name than it says."""

    @property
    def alert(self) -> Alert: ...

    @property
    def event_id(self) -> str: ...


def quiet(policy: Policy, alert: Alert) -> frozenset[str] | None:
    """Sources on whose alerts no rule asks for events of who sent an alert; None where none ever does."""
    asked = [policy.quiet[name] for name in policy.asks_for if speaks(name, alert)]
    return frozenset.intersection(*asked) if asked else None


def asks_on(policy: Policy, alert: Alert, now: datetime, world: World) -> frozenset[str]:
    """Whose events rules may ask for on an alert."""
    scope = Scope(alert, now, world)
    rules = (rule for rule in policy.rules if rule.asks and may_ask(rule, scope))
    return frozenset(asked.speaker for rule in rules for asked in rule.asks)


def asking_for(policy: Policy, alert: Alert) -> Policy:
    """The rules that ask for events of who sent an alert: only what they say may change with it."""
    asking = (rule for rule in policy.rules if any(speaks(asked.speaker, alert) for asked in rule.asks))
    return replace(policy, rules=tuple(asking))


def may_ask(rule: Rule, scope: Scope) -> bool:
    """Whether a rule comes to ask for other events on an alert.

    It does not, whenever it is asked, where a condition before does not hold that goes by the alert alone;
    and never on a retraction, of which no rule is asked.
    """
    if scope.alert.alert_type is AlertType.RETRACTION:
        return False
    for condition in rule.when:
        if condition.asks:
            return True
        if condition.is_lasting and not _holds(condition, scope):
            return False
    return bool(rule.asks)


def _holds(condition: Expression, scope: Scope) -> bool:
    try:
        return bool(condition.value(scope))
    except NO_VALUE:
        return False


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


@dataclass(frozen=True)
class Seen:
    """What an alert sees of others, by event; worked out when a rule asks for it, which few do."""

    alert: Alert
    found: Iterable[Told]

    def __iter__(self) -> Iterator[Other]:
        return iter(self._events)

    @cached_property
    def _events(self) -> tuple[Other, ...]:
        return tuple(by_event(one for one in self.found if sees(self.alert, one.alert)))
