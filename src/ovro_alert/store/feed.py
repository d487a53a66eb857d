"""Everything that happened, in order: what people, desks and follow-up go by."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select

from ovro_alert.store import numbers
from ovro_alert.store.log import Transaction
from ovro_alert.store.schema import feed

ADD = insert(feed)
AFTER = select(feed).where(feed.c.n > bindparam("after")).order_by(feed.c.n).limit(bindparam("most"))


class Happened(StrEnum):
    LOGGED = "logged"
    DECIDED = "decided"
    PENDING = "pending"  # a command that waits for a person's approval
    APPROVED = "approved"
    DENIED = "denied"
    QUEUED = "queued"
    CLAIMED = "claimed"
    REPORTED = "reported"
    PROGRESS = "progress"  # how far a command is that runs
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    LAPSED = "lapsed"  # a claim whose lease ran out: the command is queued again
    SETASIDE = "setaside"
    POLICY = "policy"  # it was changed, or cannot be
    FAILS = "fails"  # a rule that is right by its types has no value on some alert
    DEAF = "deaf"  # a source
    HEARS = "hears"  # again


def append(
    tx: Transaction,
    kind: Happened,
    data: Mapping[str, Any],
    *,
    event_id: str | None = None,
    alert_id: str | None = None,
    command_id: int | None = None,
) -> int:
    """Adds to the feed; returns its number there."""
    about = {"event_id": event_id, "alert_id": alert_id, "command_id": command_id}
    return append_many(tx, [about | {"kind": kind, "data": dict(data)}])[0]


def append_many(tx: Transaction, rows: list[dict[str, Any]]) -> range:
    """Adds many, each with its kind, ids and `data`; returns their numbers."""
    taken = numbers.next_numbers(tx, numbers.FEED, len(rows))
    tx.connection.execute(ADD, [{"n": n, "at": tx.now, **row} for n, row in zip(taken, rows, strict=True)])
    tx.changed.add(numbers.FEED)
    return taken


def after(connection: Connection, n: int, limit: int) -> list[dict[str, Any]]:
    """What happened after number n, at most `limit` of it."""
    return [dict(row) for row in connection.execute(AFTER, {"after": n, "most": limit}).mappings()]
