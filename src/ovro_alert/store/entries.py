"""The slots' logs: appending to one and following it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select

from ovro_alert.command import Entry, Kind, State
from ovro_alert.store import feed, numbers
from ovro_alert.store.log import Transaction
from ovro_alert.store.schema import counters, entries

ON_WIRE = [entries.c[name] for name in Entry.model_fields]


def append(
    tx: Transaction,
    slot: str,
    kind: Kind,
    command: str,
    args: Mapping[str, Any],
    command_mjd: float,
    *,
    event_id: str | None = None,
    alert_id: str | None = None,
    rule: str | None = None,
    deadline: datetime | None = None,
) -> Entry:
    """Puts an entry at the end of a slot's log; a command is queued there, and the feed says so."""
    # Numbered within this log, and marked with it: a log begun anew gives no id that a telescope has seen.
    mark = tx.connection.execute(select(counters.c.value).where(counters.c.name == numbers.LOG)).scalar_one()
    entry = Entry(
        id=mark << 32 | numbers.next_number(tx, numbers.ENTRIES),
        seq=numbers.next_number(tx, f"slot:{slot}"),
        slot=slot,
        kind=kind,
        command=command,
        args=dict(args),
        command_mjd=command_mjd,
        state=State.QUEUED if kind is Kind.COMMAND else None,
        event_id=event_id,
        deadline=deadline,
    )
    row = entry.model_dump() | {"alert_id": alert_id, "rule": rule, "queued_at": tx.now}
    tx.connection.execute(insert(entries).values(row))
    tx.changed.add(slot)
    if kind is Kind.COMMAND:
        data = entry.model_dump(mode="json", include={"slot", "seq", "command", "args", "deadline"})
        feed.append(
            tx,
            feed.Happened.QUEUED,
            data | {"rule": rule},
            event_id=event_id,
            alert_id=alert_id,
            command_id=entry.id,
        )
    return entry


def to_entry(row: RowMapping) -> Entry:
    return Entry.model_validate(dict(row))


def newest(connection: Connection, slot: str) -> Entry | None:
    """The last entry of a slot's log; None while it is empty."""
    query = select(*ON_WIRE).where(entries.c.slot == slot).order_by(entries.c.seq.desc()).limit(1)
    row = connection.execute(query).mappings().first()
    return to_entry(row) if row else None


def after(connection: Connection, slot: str, seq: int, limit: int) -> list[Entry]:
    """The entries of a slot after number `seq`, in order, at most `limit` of them."""
    query = select(*ON_WIRE).where(entries.c.slot == slot, entries.c.seq > seq).order_by(entries.c.seq)
    return [to_entry(row) for row in connection.execute(query.limit(limit)).mappings()]
