"""Events: the things in the sky that alerts are about, under all the names that they are given."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, insert, select, update
from sqlalchemy.sql.expression import BindParameter, ColumnElement

from ovro_alert.alert import Alert, AlertType
from ovro_alert.store.log import Transaction
from ovro_alert.store.schema import alerts, decisions, entries, event_names, events, feed

NAMES: BindParameter[list[str]] = bindparam("names", expanding=True)
EVENTS_NAMED = (
    select(events.c.event_id)
    .where(events.c.event_id.in_(select(event_names.c.event_id).where(event_names.c.name.in_(NAMES))))
    .order_by(events.c.first_at, events.c.event_id)
)
NAMES_HELD = select(event_names.c.name).where(event_names.c.name.in_(NAMES))
ADD_EVENT, ADD_NAMES = insert(events), insert(event_names)
WHICH: BindParameter[str] = bindparam("which")
NOTE = update(events).where(events.c.event_id == WHICH)
RETRACTED_BY = select(events.c.retracted_by).where(events.c.event_id == WHICH)
SENT_FOR = (
    select(*(entries.c[name] for name in ("id", "slot", "seq", "command", "state", "rule")))
    .where(entries.c.event_id == WHICH, entries.c.state.is_not(None))
    .order_by(entries.c.id)
)


@dataclass(frozen=True)
class Sent:
    """A command of an event."""

    id: int
    slot: str
    seq: int
    command: str
    state: str
    rule: str | None


@dataclass(frozen=True)
class Past:
    """What the log knows of an event."""

    retracted_by: str | None
    sent: list[Sent]


def resolve(tx: Transaction, alert: Alert) -> str:
    """The event that an alert belongs to, new or known; its id.

    A name that the alert shares with an event makes it that event's. Where it shares names with two (a
    retraction that came first knew only one name, the alert knows both), they were one all along and become
    one: the older keeps its id.
    """
    names = sorted({alert.event_id, alert.alert_id, *alert.event_names})
    found = [str(one) for one in tx.connection.scalars(EVENTS_NAMED, {"names": names})]
    if found:
        event_id, *others = found
        for other in others:
            _merge(tx, other, event_id)
    else:
        event_id = alert.event_id
        row = {"event_id": event_id, "source": alert.source, "summary": ""}
        tx.connection.execute(ADD_EVENT, row | {"first_at": tx.now, "last_at": tx.now})
    held = set(tx.connection.scalars(NAMES_HELD, {"names": names})) if found else set()
    if new := [{"name": name, "event_id": event_id} for name in names if name not in held]:
        tx.connection.execute(ADD_NAMES, new)
    return event_id


def note(tx: Transaction, event_id: str, alert: Alert, summary: str) -> None:
    """Notes on an event that an alert of it has come."""
    values: dict[str, Any] = {"last_at": tx.now, "summary": summary}
    if alert.alert_type is AlertType.RETRACTION:
        values["retracted_by"] = alert.alert_id
    tx.connection.execute(NOTE, values | {"which": event_id})


def _merge(tx: Transaction, event_id: str, into: str) -> None:
    if by := tx.connection.scalar(RETRACTED_BY, {"which": event_id}):
        tx.connection.execute(NOTE, {"which": into, "retracted_by": by})
    for table in (event_names, alerts, entries, feed):
        tx.connection.execute(update(table).where(table.c.event_id == event_id).values(event_id=into))
    tx.connection.execute(delete(events).where(events.c.event_id == event_id))


def past(connection: Connection, event_id: str) -> Past:
    """What an event has led to so far."""
    which = {"which": event_id}
    sent = [Sent(*row) for row in connection.execute(SENT_FOR, which)]
    return Past(connection.scalar(RETRACTED_BY, which), sent)


def newest(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """The events last spoken of, newest first."""
    return _rows(connection, events, True, events.c.last_at.desc(), limit)


def whole(connection: Connection, event_id: str) -> dict[str, Any] | None:
    """An event with its alerts, their decisions, and its commands; None where the name is unknown.

    Any of the event's names will do.
    """
    query = select(events).join(event_names).where(event_names.c.name == event_id)
    event = connection.execute(query).mappings().first()
    if event is None:
        return None
    its = event["event_id"]
    said = decisions.c.alert_id.in_(select(alerts.c.alert_id).where(alerts.c.event_id == its))
    sent = (entries.c.event_id == its) & entries.c.state.is_not(None)
    return dict(event) | {
        "alerts": _rows(connection, alerts, alerts.c.event_id == its, alerts.c.n),
        "decisions": _rows(connection, decisions, said, decisions.c.n),
        "commands": _rows(connection, entries, sent, entries.c.id),
    }


def _rows(
    connection: Connection,
    table: Table,
    where: ColumnElement[bool] | bool,
    order: ColumnElement[Any],
    limit: int | None = None,
) -> list[dict[str, Any]]:
    query = select(table).order_by(order).limit(limit)
    if not isinstance(where, bool):
        query = query.where(where)
    return [dict(row) for row in connection.execute(query).mappings()]
