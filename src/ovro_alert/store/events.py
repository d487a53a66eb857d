"""Events: the things in the sky that alerts are about, under all the names that they are given."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, bindparam, delete, insert, select, update
from sqlalchemy.sql.expression import BindParameter, ColumnElement

from ovro_alert.alert import Alert, AlertType, Role
from ovro_alert.store.log import Transaction
from ovro_alert.store.schema import alerts, decisions, entries, event_names, events, feed

T = TypeVar("T")
NAMES: BindParameter[list[str]] = bindparam("names", expanding=True)
HELD = (
    select(event_names.c.name, events.c.first_at, events.c.event_id)
    .join(events, events.c.event_id == event_names.c.event_id)
    .where(event_names.c.name.in_(NAMES))
)
ADD_EVENTS, ADD_NAMES = insert(events), insert(event_names)
WHICH: BindParameter[str] = bindparam("which")
NOTE = update(events).where(events.c.event_id == WHICH)
RETRACTED_BY = select(events.c.retracted_by).where(events.c.event_id == WHICH)
RETRACTED = select(events.c.event_id, events.c.retracted_by).where(events.c.event_id.in_(NAMES))
SENT_FOR = (
    select(*(entries.c[name] for name in ("event_id", "id", "slot", "seq", "command", "state", "rule")))
    .where(entries.c.event_id.in_(NAMES), entries.c.state.is_not(None))
    .order_by(entries.c.id)
)


@dataclass(frozen=True)
class Sent:
    """A command of an event."""

    id: int
    slot: str
    seq: int | None
    command: str
    state: str
    rule: str | None

    @property
    def name(self) -> str:
        """How people call it."""
        return f"/{self.slot} #{self.seq} {self.command}" if self.seq else f"/{self.slot} {self.command}"


@dataclass(frozen=True)
class Past:
    """What the log knows of an event."""

    retracted_by: str | None = None
    sent: Sequence[Sent] = ()


@dataclass(frozen=True)
class Found:
    """The event of an alert, and which of its names are new to the log; all of them where the event is."""

    event_id: str
    is_new: bool
    new_names: frozenset[str]


def find(tx: Transaction, alerts: Sequence[Alert]) -> list[Found]:
    """The events of the first alerts: of as many as are of events apart, of one at least.

    A name that an alert shares with an event makes it that event's. Where it shares names with two (a
    retraction that came first knew only one name, the alert knows both), they were one all along and become
    one: the older keeps its id.
    """
    names = _apart([frozenset({one.event_id, one.alert_id, *one.event_names}) for one in alerts])
    rows = tx.connection.execute(HELD, {"names": sorted(frozenset().union(*names))})
    held = {name: (first_at, event_id) for name, first_at, event_id in rows}
    holders = _apart([frozenset(held[name] for name in its if name in held) for its in names])
    found = []
    for alert, its, theirs in zip(alerts, names, holders, strict=False):
        _, event_id = min(theirs) if theirs else (None, alert.event_id)
        for _, other in theirs:
            if other != event_id:
                _merge(tx, other, event_id)
        found.append(Found(event_id, not theirs, its - held.keys()))
    return found


def _apart(sets: list[frozenset[T]]) -> list[frozenset[T]]:
    """The first of the sets, up to one that shares something with another before it."""
    seen: set[T] = set()
    for n, one in enumerate(sets):
        if not seen.isdisjoint(one):
            return sets[:n]
        seen |= one
    return sets


def note(tx: Transaction, alerts: Sequence[tuple[Found, Alert, str]]) -> None:
    """Notes on each event that an alert of it has come, and what it says in a line."""
    new, names = [], []
    for found, alert, summary in alerts:
        # A test that names a real event does not take it back.
        retracts = alert.alert_type is AlertType.RETRACTION and alert.role is not Role.TEST
        retracted_by = alert.alert_id if retracts else None
        names += [{"name": name, "event_id": found.event_id} for name in found.new_names]
        values = {"last_at": tx.now, "summary": summary}
        if found.is_new:
            row = {"event_id": found.event_id, "source": alert.source, "first_at": tx.now}
            new.append(values | row | {"retracted_by": retracted_by})
        else:
            values |= {"retracted_by": retracted_by} if retracted_by else {}
            tx.connection.execute(NOTE, values | {"which": found.event_id})
    if new:
        tx.connection.execute(ADD_EVENTS, new)
    if names:
        tx.connection.execute(ADD_NAMES, sorted(names, key=itemgetter("name")))


def retracted_by(connection: Connection, event_id: str) -> str | None:
    """The alert that has taken an event back."""
    found: str | None = connection.scalar(RETRACTED_BY, {"which": event_id})
    return found


def _merge(tx: Transaction, event_id: str, into: str) -> None:
    if by := retracted_by(tx.connection, event_id):
        tx.connection.execute(NOTE, {"which": into, "retracted_by": by})
    for table in (event_names, alerts, entries, feed):
        tx.connection.execute(update(table).where(table.c.event_id == event_id).values(event_id=into))
    tx.connection.execute(delete(events).where(events.c.event_id == event_id))


def pasts(connection: Connection, event_ids: Sequence[str]) -> dict[str, Past]:
    """What events have led to so far."""
    if not event_ids:
        return {}
    which = {"names": list(event_ids)}
    sent: dict[str, list[Sent]] = {id: [] for id in event_ids}
    for event_id, *row in connection.execute(SENT_FOR, which):
        sent[event_id].append(Sent(*row))
    return {id: Past(by, sent[id]) for id, by in connection.execute(RETRACTED, which)}


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
