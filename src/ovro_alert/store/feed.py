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
    QUEUED = "queued"
    CLAIMED = "claimed"
    REPORTED = "reported"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    LAPSED = "lapsed"  # a claim whose lease ran out: the command is queued again
    SETASIDE = "setaside"


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
    n = numbers.next_number(tx, numbers.FEED)
    row = {"n": n, "at": tx.now, "kind": kind, "data": dict(data)}
    about = {"event_id": event_id, "alert_id": alert_id, "command_id": command_id}
    tx.connection.execute(ADD, row | about)
    tx.changed.add(numbers.FEED)
    return n


def after(connection: Connection, n: int, limit: int) -> list[dict[str, Any]]:
    """What happened after number n, at most `limit` of it."""
    return [dict(row) for row in connection.execute(AFTER, {"after": n, "most": limit}).mappings()]
