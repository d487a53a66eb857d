"""What one alert sets going, as one write: kept, decided upon, its commands queued or cancelled."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ovro_alert.alert import Alert
from ovro_alert.command import Entry, Kind, State, to_mjd
from ovro_alert.formats.slot import to_slot
from ovro_alert.people.summary import summary
from ovro_alert.policy.decide import Decision, History, Sent, Verdict, decide
from ovro_alert.policy.rules import Policy
from ovro_alert.store import alerts, commands, entries, events
from ovro_alert.store.entries import NewEntry
from ovro_alert.store.log import Transaction


@dataclass(frozen=True)
class Said:
    """How an alert stands in its sender's slot."""

    command: str
    args: Mapping[str, Any]
    command_mjd: float


@dataclass(frozen=True)
class Taken:
    """What an alert has led to, whether it was known before, and its entry in its sender's slot, if new."""

    answer: alerts.Answer
    duplicate: bool
    entry: Entry | None


def take(
    tx: Transaction,
    policy: Policy,
    slots: Mapping[str, Any],
    alert: Alert,
    content: bytes,
    arrival: alerts.Arrival,
    said: Said | None = None,
) -> Taken:
    """Logs an alert and all that follows from it.

    An alert that is known changes nothing. `said` is what its sender has PUT, for one that came so.
    """
    known = alerts.answer(tx.connection, alert.alert_id)
    if known is None:
        event_id = events.resolve(tx, alert)
        line = summary(alert.model_copy(update={"event_id": event_id}))
        events.note(tx, event_id, alert, line)
        alerts.append(tx, alert, event_id, line, content, arrival)
    else:
        event_id = known.event_id
    if known is not None:
        return Taken(known, True, None if said is None else _say(tx, alert, event_id, said))
    past = events.past(tx.connection, event_id)
    history = History(past.retracted_by, tuple(_sent(one) for one in past.sent))
    decisions = decide(policy, alert, history, tx.now)
    verdicts = [alerts.Verdict(one.rule, one.verdict, one.reasons) for one in decisions]
    alerts.decide(tx, alert.alert_id, event_id, verdicts)
    if said is None and alert.source in slots:
        acted_on = any(one.verdict is Verdict.YES for one in decisions)
        said = Said(*to_slot(alert, acted_on=acted_on), to_mjd(tx.now))
    entry = None if said is None else _say(tx, alert, event_id, said)
    queued = [each for decision in decisions for each in _carry_out(tx, decision, alert, event_id)]
    return Taken(alerts.Answer(alert.alert_id, event_id, verdicts, queued), False, entry)


def _say(tx: Transaction, alert: Alert, event_id: str, said: Said) -> Entry:
    """Puts the alert into its sender's slot, where clients of today look for it."""
    return entries.append(
        tx,
        NewEntry(
            alert.source,
            Kind.EVENT,
            said.command,
            said.args,
            said.command_mjd,
            event_id=event_id,
            alert_id=alert.alert_id,
        ),
    )


def _sent(one: events.Sent) -> Sent:
    return Sent(one.id, f"/{one.slot} #{one.seq} {one.command}", one.rule, State(one.state))


def _carry_out(tx: Transaction, decision: Decision, alert: Alert, event_id: str) -> list[int]:
    for command_id in decision.cancels:
        # Refused where it is over by the time: that it expired is noticed only now and then.
        commands.cancel(tx, command_id, f"retracted by {alert.alert_id}")
    new = [
        NewEntry(
            command.slot,
            Kind.COMMAND,
            command.command,
            command.args,
            command.command_mjd,
            event_id=event_id,
            alert_id=alert.alert_id,
            rule=decision.rule,
            deadline=command.deadline,
        )
        for command in decision.commands
    ]
    return [entry.id for entry in entries.append_many(tx, new)] if new else []
