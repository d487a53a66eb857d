"""Alerts in the log: each once, with its raw bytes, and the decisions on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, insert, select

from ovro_alert.alert import Alert
from ovro_alert.store import feed
from ovro_alert.store.log import Transaction
from ovro_alert.store.schema import alerts, decisions, entries, raw

WHICH: BindParameter[str] = bindparam("which")
EVENT_OF = select(alerts.c.event_id).where(alerts.c.alert_id == WHICH)
SAID_OF = (
    select(decisions.c.rule, decisions.c.verdict, decisions.c.reasons)
    .where(decisions.c.alert_id == WHICH)
    .order_by(decisions.c.n)
)
SENT_BY = (
    select(entries.c.id)
    .where(entries.c.alert_id == WHICH, entries.c.state.is_not(None))
    .order_by(entries.c.id)
)
RAW_OF = select(raw.c.bytes).where(raw.c.alert_id == WHICH)
ADD_ALERT, ADD_RAW, ADD_DECISIONS = insert(alerts), insert(raw), insert(decisions)


@dataclass(frozen=True)
class Arrival:
    """How an alert came: what its transport knew, and when."""

    transport: Mapping[str, Any]
    arrived_at: datetime | None  # at the receiver
    received_at: datetime  # at the relay


@dataclass(frozen=True)
class Verdict:
    """A decision as the log keeps it."""

    rule: str
    verdict: str
    reasons: Sequence[str]


@dataclass(frozen=True)
class Answer:
    """What an alert has led to."""

    alert_id: str
    event_id: str
    decisions: list[Verdict]
    commands: list[int]


def answer(connection: Connection, alert_id: str) -> Answer | None:
    """What was done about an alert; None while it is unknown."""
    which = {"which": alert_id}
    event_id = connection.scalar(EVENT_OF, which)
    if event_id is None:
        return None
    said = [Verdict(*row) for row in connection.execute(SAID_OF, which)]
    return Answer(alert_id, event_id, said, list(connection.scalars(SENT_BY, which)))


def append(
    tx: Transaction, alert: Alert, event_id: str, summary: str, content: bytes, arrival: Arrival
) -> None:
    """Logs an alert that is not in the log yet, under the event that it belongs to."""
    row = {
        "alert_id": alert.alert_id,
        "event_id": event_id,
        "source": alert.source,
        "role": alert.role,
        "alert_type": alert.alert_type,
        "summary": summary,
        "body": alert.model_dump(mode="json", exclude_defaults=True),
        "transport": dict(arrival.transport),
        "arrived_at": arrival.arrived_at,
        "received_at": arrival.received_at,
        "logged_at": tx.now,
    }
    tx.connection.execute(ADD_ALERT, row)
    tx.connection.execute(ADD_RAW, {"alert_id": alert.alert_id, "bytes": content})
    said = {key: row[key] for key in ("source", "role", "alert_type", "summary")}
    said |= {"via": arrival.transport.get("via"), "arrived_at": arrival.arrived_at}
    feed.append(
        tx,
        feed.Happened.LOGGED,
        said | {"stage": alert.stage, "name": alert.name},
        event_id=event_id,
        alert_id=alert.alert_id,
    )


def decide(tx: Transaction, alert_id: str, event_id: str, said: Sequence[Verdict]) -> None:
    """Keeps the decisions on an alert."""
    rows = [
        {
            "alert_id": alert_id,
            "rule": one.rule,
            "verdict": one.verdict,
            "reasons": list(one.reasons),
            "decided_at": tx.now,
        }
        for one in said
    ]
    if rows:
        tx.connection.execute(ADD_DECISIONS, rows)
    told = [{key: row[key] for key in ("rule", "verdict", "reasons")} for row in rows]
    feed.append(tx, feed.Happened.DECIDED, {"decisions": told}, event_id=event_id, alert_id=alert_id)


def content(connection: Connection, alert_id: str) -> bytes | None:
    """An alert's raw bytes; None where it is unknown."""
    found: bytes | None = connection.scalar(RAW_OF, {"which": alert_id})
    return found
