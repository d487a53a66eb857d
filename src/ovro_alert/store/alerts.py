"""Alerts in the log: each once, with its raw bytes, and the decisions on it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, insert, select

from ovro_alert.alert import Alert
from ovro_alert.store import feed
from ovro_alert.store.log import Transaction
from ovro_alert.store.schema import alerts, decisions, entries, raw

WHICH: BindParameter[str] = bindparam("which")
IDS: BindParameter[list[str]] = bindparam("ids", expanding=True)
LOGGED = select(alerts.c.alert_id, alerts.c.event_id).where(alerts.c.alert_id.in_(IDS))
SAID_OF = (
    select(decisions.c.alert_id, decisions.c.rule, decisions.c.verdict, decisions.c.reasons)
    .where(decisions.c.alert_id.in_(IDS))
    .order_by(decisions.c.n)
)
SENT_BY = (
    select(entries.c.alert_id, entries.c.id)
    .where(entries.c.alert_id.in_(IDS), entries.c.state.is_not(None))
    .order_by(entries.c.id)
)
RAW_OF = select(raw.c.bytes).where(raw.c.alert_id == WHICH)
ADD_ALERTS, ADD_RAW, ADD_DECISIONS = insert(alerts), insert(raw), insert(decisions)


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
class NewAlert:
    """An alert that is not in the log yet, the event that it belongs to, and the decisions on it."""

    alert: Alert
    event_id: str
    summary: str
    content: bytes
    arrival: Arrival
    said: Sequence[Verdict]


@dataclass(frozen=True)
class Answer:
    """What an alert has led to."""

    alert_id: str
    event_id: str
    decisions: list[Verdict]
    commands: list[int]


def answers(connection: Connection, alert_ids: Sequence[str]) -> dict[str, Answer]:
    """What was done about alerts, of those among them that are known."""
    if not alert_ids:
        return {}
    which = {"ids": list(alert_ids)}
    found = {id: Answer(id, event_id, [], []) for id, event_id in connection.execute(LOGGED, which)}
    if found:
        for alert_id, *said in connection.execute(SAID_OF, which):
            found[alert_id].decisions.append(Verdict(*said))
        for alert_id, command_id in connection.execute(SENT_BY, which):
            found[alert_id].commands.append(command_id)
    return found


def append_many(tx: Transaction, new: Sequence[NewAlert]) -> None:
    """Logs alerts with the decisions on them, in order."""
    if not new:
        return
    rows = [_row(one, tx.now) for one in new]
    tx.connection.execute(ADD_ALERTS, rows)
    tx.connection.execute(ADD_RAW, [{"alert_id": one.alert.alert_id, "bytes": one.content} for one in new])
    decided = [_said(one.alert.alert_id, said, tx.now) for one in new for said in one.said]
    if decided:
        tx.connection.execute(ADD_DECISIONS, decided)
    feed.append_many(tx, [told for one in new for told in _told(one)])


def decide_again(tx: Transaction, alert_id: str, event_id: str, said: Verdict) -> None:
    """Logs what was decided later on an alert of the log."""
    tx.connection.execute(ADD_DECISIONS, [_said(alert_id, said, tx.now)])
    about = {"decisions": [_as_told(said)]}
    feed.append(tx, feed.Happened.DECIDED, about, event_id=event_id, alert_id=alert_id)


def _said(alert_id: str, said: Verdict, now: datetime) -> dict[str, Any]:
    return _as_told(said) | {"alert_id": alert_id, "decided_at": now}


def _as_told(said: Verdict) -> dict[str, Any]:
    return vars(said) | {"reasons": list(said.reasons)}


def _row(new: NewAlert, now: datetime) -> dict[str, Any]:
    alert, arrival = new.alert, new.arrival
    return {
        "alert_id": alert.alert_id,
        "event_id": new.event_id,
        "source": alert.source,
        "role": alert.role,
        "alert_type": alert.alert_type,
        "summary": new.summary,
        "body": alert.model_dump(mode="json", exclude_defaults=True),
        "transport": dict(arrival.transport),
        "arrived_at": arrival.arrived_at,
        "received_at": arrival.received_at,
        "logged_at": now,
        "event_time": alert.event_time,
    }


def _told(new: NewAlert) -> Iterator[dict[str, Any]]:
    """An alert and the decisions on it as the feed tells of them."""
    alert, arrival = new.alert, new.arrival
    ids = {"event_id": new.event_id, "alert_id": alert.alert_id, "command_id": None}
    about = {name: getattr(alert, name) for name in ("source", "role", "alert_type", "stage", "name")}
    about |= {"summary": new.summary, "via": arrival.transport.get("via"), "arrived_at": arrival.arrived_at}
    yield ids | {"kind": feed.Happened.LOGGED, "data": about}
    yield ids | {"kind": feed.Happened.DECIDED, "data": {"decisions": [_as_told(one) for one in new.said]}}


def content(connection: Connection, alert_id: str) -> bytes | None:
    """An alert's raw bytes; None where it is unknown."""
    found: bytes | None = connection.scalar(RAW_OF, {"which": alert_id})
    return found
