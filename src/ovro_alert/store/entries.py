"""The slots' logs: appending to one and following it."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, func, insert, select

from ovro_alert.alert import AlertType, Role
from ovro_alert.command import Entry, Kind, State
from ovro_alert.store import feed, numbers
from ovro_alert.store.log import Transaction
from ovro_alert.store.schema import entries

ON_WIRE = select(*(entries.c[name] for name in Entry.model_fields)).where(
    entries.c.slot == bindparam("which")
)
# Clients of today take the newest entry of a sender for news of a position; these words are none.
NO_NEWS = (entries.c.kind == Kind.EVENT) & entries.c.command.in_([AlertType.UPDATE, AlertType.RETRACTION])
IN_LOG = entries.c.seq.is_not(None)
NEWEST = ON_WIRE.where(~NO_NEWS, IN_LOG).order_by(entries.c.seq.desc()).limit(1)
AFTER = ON_WIRE.where(entries.c.seq > bindparam("after")).order_by(entries.c.seq).limit(bindparam("most"))
RULES: BindParameter[list[str]] = bindparam("rules", expanding=True)
PURPOSE = (entries.c.rule, entries.c.slot, entries.c.command)
USED = (
    select(*PURPOSE, func.max(entries.c.queued_at), func.count())
    .where(entries.c.rule.in_(RULES), entries.c.queued_at > bindparam("since"))
    .group_by(*PURPOSE)
)
ADD = insert(entries)
Purpose = tuple[str, str, str]  # the rule that asks, the slot that it asks, and the command


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
    margin_s: float | None = None
    role: Role = Role.OBSERVATION
    priority: int = 0
    approval: bool = False  # a person is asked first: until then it has no place in its slot


def append(tx: Transaction, new: NewEntry) -> Entry:
    """Puts an entry at the end of its slot's log."""
    return append_many(tx, [new])[0]


def append_many(tx: Transaction, new: list[NewEntry]) -> list[Entry]:
    """Puts entries at the ends of their slots' logs, in order; commands are queued, or wait for a person.

    The feed says which. What waits has no place in its slot's log: whoever follows that is told of it when it
    is queued.
    """
    if not new:
        return []
    seqs = {
        slot: iter(numbers.next_numbers(tx, f"slot:{slot}", count))
        for slot, count in Counter(one.slot for one in new if not one.approval).items()
    }
    appended = [
        Entry.model_construct(
            # Numbered in this log and marked with it: a log begun anew gives no id that a telescope has seen.
            id=tx.log_mark << 32 | number,
            seq=0 if one.approval else next(seqs[one.slot]),
            slot=one.slot,
            kind=one.kind,
            command=one.command,
            args=dict(one.args),
            command_mjd=one.command_mjd,
            state=_state(one),
            event_id=one.event_id,
            deadline=one.deadline,
            priority=one.priority,
            margin_s=one.margin_s,
            approved_by=None,
            role=one.role,
        )
        for number, one in zip(numbers.next_numbers(tx, numbers.ENTRIES, len(new)), new, strict=True)
    ]
    rows = [
        {
            **vars(entry),
            "seq": entry.seq or None,
            "alert_id": one.alert_id,
            "rule": one.rule,
            "queued_at": tx.now,
        }
        for entry, one in zip(appended, new, strict=True)
    ]
    tx.connection.execute(ADD, rows)
    tx.changed |= seqs.keys()
    if queued := [_told(row) for row in rows if row["state"]]:
        feed.append_many(tx, queued)
    return appended


def _state(new: NewEntry) -> State | None:
    if new.kind is Kind.EVENT:
        return None
    return State.PENDING if new.approval else State.QUEUED


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    """A command as the feed tells of it."""
    told = ("slot", "seq", "command", "args", "deadline", "rule", "margin_s", "priority")
    data = {name: row[name] for name in told}
    ids = {"event_id": row["event_id"], "alert_id": row["alert_id"], "command_id": row["id"]}
    kind = feed.Happened.QUEUED if row["state"] is State.QUEUED else feed.Happened.PENDING
    return ids | {"kind": kind, "data": data}


def used(
    connection: Connection, rules: Collection[str], since: datetime
) -> dict[Purpose, tuple[datetime, int]]:
    """What rules have asked since a moment: when last, and how often."""
    if not rules:
        return {}
    rows = connection.execute(USED, {"rules": sorted(rules), "since": since})
    return {(rule, slot, command): (last, count) for rule, slot, command, last, count in rows}


def to_entry(row: Mapping[Any, Any]) -> Entry:
    return Entry.model_validate({**row, "seq": row["seq"] or 0})


def newest(connection: Connection, slot: str) -> Entry | None:
    """The last entry of a slot's log that is news to clients of today; None while there is none."""
    row = connection.execute(NEWEST, {"which": slot}).mappings().first()
    return to_entry(row) if row else None


def after(connection: Connection, slot: str, seq: int, limit: int) -> list[Entry]:
    """The entries of a slot after number `seq`, in order, at most `limit` of them."""
    rows = connection.execute(AFTER, {"which": slot, "after": seq, "most": limit})
    return [to_entry(row) for row in rows.mappings()]
