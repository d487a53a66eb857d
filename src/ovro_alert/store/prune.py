"""Letting go of what is old, a little at a time, while the relay goes on.

What goes: events last spoken of before a moment, with their alerts, raw bytes, decisions, entries in their
sender's slot, and what the feed tells of them; what senders said that was no alert; what was set aside; what
the feed tells of sources; and keys of writes that were done once.

What stays for good: every command, whoever asked for it, what the feed tells of it, and every event that led
to one, whole: what a telescope was asked, and why. The newest entry of each slot stays as well, with its
event, for clients of today ask for it and others find by it that their place in the log is still there; and
the last that was set aside. So no number is given twice, and whoever follows goes on from any number.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    CursorResult,
    Engine,
    Table,
    and_,
    delete,
    exists,
    func,
    or_,
    select,
    tuple_,
)

from ovro_alert.command import Kind
from ovro_alert.store import entries as slot_log
from ovro_alert.store.feed import Happened
from ovro_alert.store.figures import SLOT
from ovro_alert.store.schema import (
    alerts,
    counters,
    decisions,
    entries,
    event_names,
    events,
    feed,
    idempotency,
    raw,
    setaside,
)

PAGE = 100  # of each sort in one transaction: the relay's writes wait for it
Keys = list[tuple[Any, ...]]
Act = Callable[[Connection, Table, ColumnElement[bool]], int]


@dataclass(frozen=True)
class _Sort:
    """One sort of what may go: the next page of it after a key, and how a page of it goes."""

    find: Callable[[Connection, datetime, tuple[Any, ...] | None], Keys]
    remove: Callable[[Connection, datetime, Keys, Act], Counter[str]]


def prune(reading: Engine, writing: Engine, before: datetime) -> Iterator[Counter[str]]:
    """Removes what is older than a moment; yields after each transaction how many rows of each table it took.

    What is looked for is looked for without the lock that writers take.
    """
    for sort in SORTS:
        for page in _pages(sort, reading, before):
            with writing.begin() as connection:
                removed = sort.remove(connection, before, page, _delete)
            yield removed


def count(reading: Engine, before: datetime) -> Counter[str]:
    """How many rows of each table `prune` would take."""
    total: Counter[str] = Counter()
    for sort in SORTS:
        for page in _pages(sort, reading, before):
            with reading.connect() as connection:
                total += sort.remove(connection, before, page, _count)
    return total


def _pages(sort: _Sort, reading: Engine, before: datetime) -> Iterator[Keys]:
    last: tuple[Any, ...] | None = None
    while True:
        with reading.connect() as connection:
            page = sort.find(connection, before, last)
        if not page:
            return
        yield page
        last = page[-1]


def _delete(connection: Connection, table: Table, where: ColumnElement[bool]) -> int:
    result: CursorResult[Any] = connection.execute(delete(table).where(where))
    return result.rowcount


def _count(connection: Connection, table: Table, where: ColumnElement[bool]) -> int:
    return connection.scalar(select(func.count()).select_from(table).where(where)) or 0


def _newest(connection: Connection) -> list[Any]:
    """The newest entries of all slots: of each the last, and the last that is news to clients of today."""
    found: list[Any] = []
    for name in connection.scalars(select(counters.c.name).where(counters.c.name.startswith(SLOT))).all():
        slot = name.removeprefix(SLOT)
        last = select(entries.c.id, entries.c.event_id).where(entries.c.slot == slot)
        found += connection.execute(last.order_by(entries.c.seq.desc()).limit(1))
        if news := slot_log.newest(connection, slot):
            found.append(news)
    return found


LED_TO_COMMANDS = exists().where(entries.c.event_id == events.c.event_id, entries.c.state.is_not(None))


def _find_events(connection: Connection, before: datetime, last: tuple[Any, ...] | None) -> Keys:
    kept = {entry.event_id for entry in _newest(connection)}
    at, event_id = events.c.last_at, events.c.event_id
    query = select(at, event_id).where(at < before, ~LED_TO_COMMANDS, event_id.not_in(kept - {None}))
    if last is not None:
        query = query.where(or_(at > last[0], and_(at == last[0], event_id > last[1])))
    return [tuple(row) for row in connection.execute(query.order_by(at, event_id).limit(PAGE))]


def _remove_events(connection: Connection, before: datetime, page: Keys, act: Act) -> Counter[str]:
    # A command comes with an alert, and that is noted on its event. Asked again, now that nobody else writes.
    still = events.c.event_id.in_([event_id for _, event_id in page]) & (events.c.last_at < before)
    old = connection.scalars(select(events.c.event_id).where(still)).all()
    theirs = select(alerts.c.alert_id).where(alerts.c.event_id.in_(old))
    return Counter(
        {
            table.name: act(connection, table, where)
            for table, where in (
                (decisions, decisions.c.alert_id.in_(theirs)),
                (raw, raw.c.alert_id.in_(theirs)),
                (entries, entries.c.event_id.in_(old)),
                (feed, feed.c.event_id.in_(old)),
                (event_names, event_names.c.event_id.in_(old)),
                (alerts, alerts.c.event_id.in_(old)),
                (events, events.c.event_id.in_(old)),
            )
        }
    )


def _rows_of(
    table: Table, old: Callable[[Connection, datetime], Sequence[ColumnElement[bool]]], *order: str
) -> _Sort:
    """Rows that go by themselves, found in the order of a key of theirs."""
    by = [table.c[name] for name in order]

    def find(connection: Connection, before: datetime, last: tuple[Any, ...] | None) -> Keys:
        query = select(*by).where(*old(connection, before))
        if last is not None:
            query = query.where(tuple_(*by) > tuple_(*last))
        return [tuple(row) for row in connection.execute(query.order_by(*by).limit(PAGE))]

    def remove(connection: Connection, before: datetime, page: Keys, act: Act) -> Counter[str]:
        return Counter({table.name: act(connection, table, tuple_(*by).in_(page))})

    return _Sort(find, remove)


def _old_keys(_: Connection, before: datetime) -> Sequence[ColumnElement[bool]]:
    return (idempotency.c.at < before,)


def _old_words(connection: Connection, before: datetime) -> Sequence[ColumnElement[bool]]:
    """What senders said that was no alert. A bare command is a command: it stays."""
    kept = [entry.id for entry in _newest(connection)]
    return (
        entries.c.kind == Kind.EVENT,
        # Has no event; said so that no index answers it, and the entries are gone through once, by their ids.
        func.coalesce(entries.c.event_id, "") == "",
        entries.c.queued_at < before,
        entries.c.id.not_in(kept),
    )


def _old_aside(_: Connection, before: datetime) -> Sequence[ColumnElement[bool]]:
    # SQLite numbers a row by the greatest there is: the last one keeps the numbers of those that went.
    return setaside.c.at < before, setaside.c.n < select(func.max(setaside.c.n)).scalar_subquery()


def _old_news_of_nothing_kept(_: Connection, before: datetime) -> Sequence[ColumnElement[bool]]:
    return feed.c.kind.in_([Happened.SETASIDE, Happened.DEAF, Happened.HEARS]), feed.c.at < before


# Keys first: none outlives its entry.
SORTS = (
    _rows_of(idempotency, _old_keys, "holder", "key"),
    _Sort(_find_events, _remove_events),
    _rows_of(entries, _old_words, "id"),
    _rows_of(setaside, _old_aside, "n"),
    _rows_of(feed, _old_news_of_nothing_kept, "n"),
)
