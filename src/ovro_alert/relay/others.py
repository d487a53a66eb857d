"""Other events at about the time of an alert: those that its rules ask for, and those whose rules ask for it.

Whichever comes first, and however late the other: what a rule says of an alert it says again when one comes
that it asks for, is updated or retracted. So the commands of an event do not go by the order of arrival.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from ovro_alert.alert import Alert, AlertType
from ovro_alert.policy import decide
from ovro_alert.policy.event_functions import speaks
from ovro_alert.policy.functions import Other, World
from ovro_alert.policy.others import Seen, are_near, asking_for, asks_on, by_event, quiet, sees
from ovro_alert.policy.rules import Policy
from ovro_alert.relay.decided import Used, asked
from ovro_alert.store import alerts as alert_log
from ovro_alert.store import commands, entries, events
from ovro_alert.store.log import Transaction
from ovro_alert.store.near import is_any_near, near, times


@dataclass(frozen=True)
class Interest:
    """An alert, whose events it asks for, and the sources of which none asks for it (None: nobody does)."""

    alert: Alert
    asks: frozenset[str]
    quiet: frozenset[str] | None

    @property
    def is_told_again(self) -> bool:
        """Whether what it takes back may have been asked for."""
        return self.quiet is not None and self.alert.alert_type is AlertType.RETRACTION

    def concerns(self, other: "Interest", seconds: float) -> bool:
        """Whether one of the two asks for the other."""
        asks = any(speaks(name, other.alert) for name in self.asks)
        is_asked = any(speaks(name, self.alert) for name in other.asks)
        return (asks or is_asked) and are_near(self.alert, other.alert, seconds)


def interests(policy: Policy, world: World, now: datetime, alerts: Sequence[Alert]) -> list[Interest]:
    """What each alert has to do with others."""
    return [Interest(one, asks_on(policy, one, now, world), quiet(policy, one)) for one in alerts]


def apart(tx: Transaction, policy: Policy, found: Sequence[Interest]) -> int:
    """How many of the first alerts may be taken together: one, or more that have to do with no other event.

    All of them where the policy asks for no other events.
    """
    if not policy.asks_for:
        return len(found)
    is_calm = not _are_any_near(tx, policy, found)
    lonely: list[Interest] = []
    for one in found:
        if one.is_told_again or (not is_calm and _are_any_near(tx, policy, [one])):
            break
        if any(one.concerns(other, policy.within_s) for other in (lonely if one.asks else _asking(lonely))):
            break
        lonely.append(one)
    return max(len(lonely), 1)


def _asking(found: Iterable[Interest]) -> Iterator[Interest]:
    return (one for one in found if one.asks)


def _are_any_near(tx: Transaction, policy: Policy, found: Sequence[Interest]) -> bool:
    """Whether the log has an event at about the time of one of some alerts that it asks for, or that asks."""
    found = [one for one in found if one.alert.event_time is not None]
    moments = [one.alert.event_time for one in found if one.alert.event_time]
    if not found:
        return False
    but = found[0].alert.event_id if len(found) == 1 else ""
    asks = frozenset().union(*(one.asks for one in found))
    unheard = [one.quiet for one in found if one.quiet is not None]
    near_them = partial(is_any_near, tx.connection, moments, policy.within_s, but=but)
    return bool(
        (asks and near_them(speakers=asks))
        or (unheard and near_them(without=frozenset.intersection(*unheard)))
    )


def seen_by(tx: Transaction, policy: Policy, world: World, event_id: str, alert: Alert) -> Iterable[Other]:
    """The other events that the rules may ask for on an alert."""
    asks = asks_on(policy, alert, tx.now, world) if alert.event_time else frozenset()
    if not asks or alert.event_time is None:
        return ()
    return Seen(alert, near(tx.connection, [alert.event_time], policy.within_s, but=event_id, speakers=asks))


def reconsider(tx: Transaction, policy: Policy, world: World, event_id: str, alert: Alert) -> None:
    """Asks rules again of alerts of others that may ask for this one, logged by now; does what they say."""
    is_told_of = alert.event_time is not None or alert.alert_type is AlertType.RETRACTION
    unheard = quiet(policy, alert)
    moments = times(tx.connection, event_id) if unheard is not None and is_told_of else []
    if unheard is None or not moments:
        return
    policy = asking_for(policy, alert)
    within = policy.within_s
    around = near(tx.connection, moments, within, but=event_id, without=unheard)
    seen = near(tx.connection, moments, 2 * within, speakers=policy.asks_for) if around else []
    affected = [one for one in by_event(around) if sees(one.alerts[0], alert)][::-1]
    pasts = events.pasts(tx.connection, [one.event_id for one in affected])
    used = Used(tx.connection, policy, tx.now)
    for other in affected:
        newest = other.alerts[0]
        close = (one for one in seen if are_near(one.alert, newest, within))
        not_own = (one for one in close if one.event_id != other.event_id)
        theirs = replace(world, others=Seen(newest, not_own))
        history = used.history(pasts[other.event_id])
        for which, decision in decide.reconsider(policy, other.alerts[::-1], history, tx.now, theirs):
            used.note(decision)
            _do(tx, decision, other.event_id, which, alert)


def _do(tx: Transaction, decision: decide.Decision, event_id: str, of: Alert, since: Alert) -> None:
    why = f"asked again after {since.alert_id}"
    said = alert_log.Verdict(decision.rule, decision.verdict, (why, *decision.reasons))
    alert_log.decide_again(tx, of.alert_id, event_id, said)
    for command_id in decision.cancels:
        commands.cancel(tx, command_id, why)
    entries.append_many(tx, list(asked(decision, event_id, of.alert_id)))
