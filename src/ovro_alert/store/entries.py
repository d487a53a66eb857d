"""The slots' logs: appending to one and following it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, insert, select

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
    entry = Entry(
        # Numbered in this log and marked with it: a log begun anew gives no id that a telescope has seen.
        id=tx.log_mark << 32 | numbers.next_number(tx, numbers.ENTRIES),
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
    tx.connection.execute(ADD, row)
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
    """The last entry of a slot's log that is news to clients of today; None while there is none."""
    row = connection.execute(NEWEST, {"which": slot}).mappings().first()
    return to_entry(row) if row else None


def after(connection: Connection, slot: str, seq: int, limit: int) -> list[Entry]:
    """The entries of a slot after number `seq`, in order, at most `limit` of them."""
    rows = connection.execute(AFTER, {"which": slot, "after": seq, "most": limit})
    return [to_entry(row) for row in rows.mappings()]
