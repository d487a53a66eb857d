"""Other events at about the time of an alert: those that its rules ask for, and those whose rules ask for it.

Whichever comes first, and however late the other: what a rule says of an alert it says again when one comes
that it asks for, is updated or retracted. So the commands of an event do not go by the order of arrival.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ovro_alert.alert import Alert, AlertType
from ovro_alert.policy import decide
from ovro_alert.policy.functions import Other, World
from ovro_alert.policy.others import Seen, are_near, asking_for, by_event, is_asked_for, sees
from ovro_alert.policy.rules import Policy
from ovro_alert.relay.decided import Used, asked
from ovro_alert.store import alerts as alert_log
from ovro_alert.store import commands, entries, events
from ovro_alert.store.log import Transaction
from ovro_alert.store.near import is_any_near, near, times


def apart(tx: Transaction, policy: Policy, alerts: Sequence[Alert]) -> int:
    """How many of the first alerts may be taken together: one, or more that no other event is near to.

    All of them where the policy asks for no other events.
    """
    if not policy.asks_for:
        return len(alerts)
    lonely: list[Alert] = []
    for alert in alerts:
        if not _is_lonely(tx, policy, alert, lonely):
            break
        lonely.append(alert)
    return max(len(lonely), 1)


def seen_by(tx: Transaction, policy: Policy, event_id: str, alert: Alert) -> Iterable[Other]:
    """The other events that the rules may ask for on an alert."""
    if not policy.asks_for or alert.event_time is None:
        return ()
    moments, within, speakers = [alert.event_time], policy.within_s, policy.asks_for
    return Seen(alert, near(tx.connection, moments, within, but=event_id, speakers=speakers))


def reconsider(tx: Transaction, policy: Policy, world: World, event_id: str, alert: Alert) -> None:
    """Asks rules again of alerts of others that may ask for this one, logged by now; does what they say."""
    is_told_of = alert.event_time is not None or alert.alert_type is AlertType.RETRACTION
    policy = asking_for(policy, alert)
    moments = times(tx.connection, event_id) if policy.rules and is_told_of else []
    if not moments:
        return
    within = policy.within_s
    around = near(tx.connection, moments, within, but=event_id)
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


def _is_lonely(tx: Transaction, policy: Policy, alert: Alert, before: Iterable[Alert]) -> bool:
    is_asked = is_asked_for(policy, alert)
    if alert.alert_type is AlertType.RETRACTION:
        return not is_asked
    if alert.event_time is None:
        return True
    for one in before:
        if (is_asked or is_asked_for(policy, one)) and are_near(one, alert, policy.within_s):
            return False
    speakers = None if is_asked else policy.asks_for
    moment, within = alert.event_time, policy.within_s
    return not is_any_near(tx.connection, moment, within, but=alert.event_id, speakers=speakers)
