"""The slots' logs: appending to one and following it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select

from ovro_alert.alert import AlertType
from ovro_alert.command import Entry, Kind, State
from ovro_alert.store import feed, numbers
from ovro_alert.store.log import Transaction
from ovro_alert.store.schema import entries

ON_WIRE = select(*(entries.c[name] for name in Entry.model_fields)).where(
    entries.c.slot == bindparam("which")
)
# Clients of today take the newest entry of a sender for news of a position; these words are none.
NO_NEWS = (entries.c.kind == Kind.EVENT) & entries.c.command.in_([AlertType.UPDATE, AlertType.RETRACTION])
NEWEST = ON_WIRE.where(~NO_NEWS).order_by(entries.c.seq.desc()).limit(1)
AFTER = ON_WIRE.where(entries.c.seq > bindparam("after")).order_by(entries.c.seq).limit(bindparam("most"))
ADD = insert(entries)


@dataclass(frozen=True)
class NewEntry:
    """What is put at the end of a slot's log."""

    slot: str
    kind: Kind
    command: str
    args: Mapping[str, Any]
    command_mjd: float
    event_id: str | None = None
    alert_id: str | None = None
    rule: str | None = None
    deadline: datetime | None = None


def append(tx: Transaction, new: NewEntry) -> Entry:
    """Puts an entry at the end of its slot's log."""
    return append_many(tx, [new])[0]


def append_many(tx: Transaction, new: list[NewEntry]) -> list[Entry]:
    """Puts entries at the ends of their slots' logs, in order; commands are queued, and the feed says so."""
    if not new:
        return []
    seqs = {
        slot: iter(numbers.next_numbers(tx, f"slot:{slot}", count))
        for slot, count in Counter(one.slot for one in new).items()
    }
    appended = [
        Entry.model_construct(
            # Numbered in this log and marked with it: a log begun anew gives no id that a telescope has seen.
            id=tx.log_mark << 32 | number,
            seq=next(seqs[one.slot]),
            slot=one.slot,
            kind=one.kind,
            command=one.command,
            args=dict(one.args),
            command_mjd=one.command_mjd,
            state=State.QUEUED if one.kind is Kind.COMMAND else None,
            event_id=one.event_id,
            deadline=one.deadline,
        )
        for number, one in zip(numbers.next_numbers(tx, numbers.ENTRIES, len(new)), new, strict=True)
    ]
    rows = [
        {**vars(entry), "alert_id": one.alert_id, "rule": one.rule, "queued_at": tx.now}
        for entry, one in zip(appended, new, strict=True)
    ]
    tx.connection.execute(ADD, rows)
    tx.changed |= seqs.keys()
    if queued := [_told(row) for row in rows if row["state"]]:
        feed.append_many(tx, queued)
    return appended


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    """A queued command as the feed tells of it."""
    data = {name: row[name] for name in ("slot", "seq", "command", "args", "deadline", "rule")}
    ids = {"event_id": row["event_id"], "alert_id": row["alert_id"], "command_id": row["id"]}
    return ids | {"kind": feed.Happened.QUEUED, "data": data}


def to_entry(row: Mapping[Any, Any]) -> Entry:
    return Entry.model_validate(dict(row))


def newest(connection: Connection, slot: str) -> Entry | None:
    """The last entry of a slot's log that is news to clients of today; None while there is none."""
    row = connection.execute(NEWEST, {"which": slot}).mappings().first()
    return to_entry(row) if row else None


def after(connection: Connection, slot: str, seq: int, limit: int) -> list[Entry]:
    """The entries of a slot after number `seq`, in order, at most `limit` of them."""
    rows = connection.execute(AFTER, {"which": slot, "after": seq, "most": limit})
    return [to_entry(row) for row in rows.mappings()]
