"""What the log says of itself, for those who watch over it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, text

from ovro_alert.command import State
from ovro_alert.store.feed import Happened
from ovro_alert.store.numbers import FEED
from ovro_alert.store.schema import alerts, counters, entries, feed, setaside

SLOT = "slot:"
SPAN = 5000  # numbers of the feed that are looked at in one query
SIZE = {
    "sqlite": text("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"),
    "postgresql": text("SELECT pg_database_size(current_database())"),
}
OLDEST_QUEUED = (
    select(entries.c.slot, func.min(entries.c.queued_at))
    .where(entries.c.state == State.QUEUED)
    .group_by(entries.c.slot)
)
# A hop's second moment is that of the feed; its first stands with the command or the alert.
HOPS = (
    select(feed.c.kind, feed.c.at, alerts.c.received_at, entries.c.queued_at, entries.c.claimed_at)
    .outerjoin(entries, feed.c.command_id == entries.c.id)
    .outerjoin(alerts, (feed.c.alert_id == alerts.c.alert_id) & (feed.c.kind == Happened.LOGGED))
    .where(
        feed.c.n > bindparam("after"),
        feed.c.n <= bindparam("last"),
        feed.c.kind.in_([Happened.LOGGED, Happened.CLAIMED])
        | ((feed.c.kind == Happened.REPORTED) & (feed.c.data["state"].as_string() != State.RUNNING)),
    )
)


@dataclass(frozen=True)
class Figures:
    """The log at one moment."""

    oldest_queued: dict[str, datetime]  # by slot: since when its oldest queued command waits
    entries: dict[str, int]  # by slot: how many it was ever given
    set_aside: int
    size: int  # bytes


def told(connection: Connection) -> int:
    """The last number of the feed."""
    return connection.scalar(select(counters.c.value).where(counters.c.name == FEED)) or 0


def figures(connection: Connection) -> Figures:
    """The log as it is now."""
    given = dict(connection.execute(select(counters.c.name, counters.c.value)).all())
    return Figures(
        oldest_queued=dict(connection.execute(OLDEST_QUEUED).all()),
        entries={name.removeprefix(SLOT): n for name, n in given.items() if name.startswith(SLOT)},
        set_aside=connection.scalar(select(func.count()).select_from(setaside)) or 0,
        size=connection.scalar(SIZE[connection.dialect.name]) or 0,
    )


def hops(connection: Connection, after: int, last: int) -> Iterator[tuple[str, float]]:
    """The hops that ended in the feed after number `after` until `last`: which, and how many s each took."""
    for start in range(after, last, SPAN):
        span = {"after": start, "last": min(start + SPAN, last)}
        for kind, at, received, queued, claimed in connection.execute(HOPS, span):
            yield from _took(kind, at, received, queued, claimed)


def _took(kind: str, at: datetime, *began: Any) -> Iterator[tuple[str, float]]:
    received, queued, claimed = began
    name, since = {
        Happened.LOGGED: ("received to logged", received),
        Happened.CLAIMED: ("logged to claimed", queued),  # what an alert asks for is queued as it is logged
        Happened.REPORTED: ("claimed to over", claimed),
    }[Happened(kind)]
    if since is not None:
        yield name, (at - since).total_seconds()
