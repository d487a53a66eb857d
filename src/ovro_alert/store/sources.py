"""How each source is heard, by the last word of its receiver."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from ovro_alert.hearing import Report, Source
from ovro_alert.store import feed
from ovro_alert.store.feed import Happened
from ovro_alert.store.log import Transaction
from ovro_alert.store.schema import sources

MOST = 200  # an observatory has some dozen; a receiver gone wrong must not fill the log
ALL = select(sources).order_by(sources.c.source)
FIND = select(sources.c.heard_at, sources.c.expected_at).where(sources.c.source == bindparam("which"))
CHANGE = update(sources).where(sources.c.source == bindparam("which"))
ADD = insert(sources)


class TooMany(Exception):
    """One source more would be more than a log keeps."""


def listed(connection: Connection) -> list[Source]:
    """All sources, by name."""
    return [Source(**row) for row in connection.execute(ALL).mappings()]


def expect(tx: Transaction, names: Iterable[str]) -> None:
    """Waits for sources from now on; for those that are known already it has been waited before."""
    known = set(tx.connection.scalars(select(sources.c.source)))
    for name in sorted(set(names) - known):
        tx.connection.execute(ADD, vars(Source(name, tx.now)))


def report(tx: Transaction, name: str, said: Report) -> None:
    """Writes down what a receiver says of its source. What one before it has heard, was heard.

    Raises
        TooMany
    """
    before = tx.connection.execute(FIND, {"which": name}).first()
    row = {
        "reported_at": tx.now,
        "transport": said.transport,
        "reporter": said.reporter,
        "connected": said.connected,
        "since": _moment(tx, said.since_s),
        "trouble": said.why,
        "heard_at": _later(before and before.heard_at, _moment(tx, said.heard_s)),
        "expected_at": _later(before and before.expected_at, _moment(tx, said.expected_s)),
        "behind": said.behind,
        "waiting": said.waiting,
    }
    if before is not None:
        tx.connection.execute(CHANGE, {"which": name, **row})
        return
    if (tx.connection.scalar(select(func.count()).select_from(sources)) or 0) >= MOST:
        raise TooMany(f"there are {MOST} sources already")
    tx.connection.execute(ADD, {"source": name, "watched_at": tx.now, **row})


def turn(tx: Transaction, source: Source, is_deaf: bool, why: str) -> None:
    """Tells people that a source is deaf from now on, or hears again."""
    deaf_at = tx.now if is_deaf else None
    tx.connection.execute(CHANGE, {"which": source.source, "deaf_at": deaf_at})
    about = {"source": source.source, "why": why, "deaf_at": (deaf_at or source.deaf_at)}
    feed.append(tx, Happened.DEAF if is_deaf else Happened.HEARS, about)


def forget(tx: Transaction, name: str) -> bool:
    """Lets go of a source until it is reported again; whether it was known."""
    return tx.connection.execute(delete(sources).where(sources.c.source == name)).rowcount > 0


def _moment(tx: Transaction, ago_s: float | None) -> datetime | None:
    return None if ago_s is None else tx.now - timedelta(seconds=ago_s)


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((each for each in (one, other) if each is not None), default=None)
