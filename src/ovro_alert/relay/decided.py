"""Between decisions and the log: what rules are told of the past, and what is asked for as they say."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection

from ovro_alert.command import Kind, State
from ovro_alert.policy.decide import Decision
from ovro_alert.policy.history import History, Sent, Use
from ovro_alert.policy.rules import Policy
from ovro_alert.store import entries, events
from ovro_alert.store.entries import NewEntry

DAY = timedelta(days=1)


class Used:
    """What the rules of a policy have asked within a day, that which is about to be logged included."""

    def __init__(self, connection: Connection, policy: Policy, now: datetime) -> None:
        self._now = now
        self._used = entries.used(connection, policy.limited, now - DAY)

    def note(self, decision: Decision) -> None:
        """Counts what a decision asks."""
        for command in decision.commands:
            purpose = (decision.rule, command.slot, command.command)
            self._used[purpose] = self._now, self._used.get(purpose, (self._now, 0))[1] + 1

    def history(self, past: events.Past) -> History:
        """What rules are told of an event."""
        sent = (
            Sent(one.id, one.slot, one.command, one.name, one.rule, State(one.state)) for one in past.sent
        )
        used: Mapping[entries.Purpose, Use] = {purpose: Use(*use) for purpose, use in self._used.items()}
        return History(past.retracted_by, tuple(sent), used)


def asked(decision: Decision, event_id: str, alert_id: str) -> Iterator[NewEntry]:
    """The commands of a decision on an alert, for their slots."""
    for command in decision.commands:
        yield NewEntry(
            command.slot,
            Kind.COMMAND,
            command.command,
            command.args,
            command.command_mjd,
            event_id=event_id,
            alert_id=alert_id,
            rule=decision.rule,
            deadline=command.deadline,
            margin_s=command.margin_s,
            priority=command.priority,
            approval=command.approval,
            role=command.role,
        )
