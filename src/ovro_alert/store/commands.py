"""The life of a command in the log: claimed with a lease, reported, cancelled, expired.

A claim's token is a fencing token: each is greater than all before it, and only the newest is listened to.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, or_, select, update

from ovro_alert.command import REPORTABLE, Entry, Kind, State, is_over, may_step
from ovro_alert.store import entries as slot_log
from ovro_alert.store import feed, numbers
from ovro_alert.store.feed import Happened
from ovro_alert.store.log import Transaction
from ovro_alert.store.schema import entries

FIND = select(entries).where(entries.c.id == bindparam("which"))
CHANGE = update(entries).where(entries.c.id == bindparam("which"))


class Unknown(Exception):
    """There is no such command."""


class Refused(Exception):
    """The command's life does not allow it."""

    def __init__(self, reason: str, state: State | None) -> None:
        super().__init__(reason)
        self.state = state


@dataclass(frozen=True)
class Claim:
    token: int
    expires: datetime


def find(connection: Connection, command_id: int) -> RowMapping:
    """The whole row of an entry. Raises Unknown."""
    row = connection.execute(FIND, {"which": command_id}).mappings().first()
    if row is None:
        raise Unknown(f"there is no command {command_id}")
    return row


def claim(
    tx: Transaction, command_id: int, client: str, lease: timedelta, token: int | None = None
) -> Claim | Refused:
    """Gives a command to one client until the lease runs out; with the token of a claim, renews that.

    A refusal is returned, not raised, for it may come with a change of its own: the command has expired.
    """
    row = find(tx.connection, command_id)
    if row["kind"] != Kind.COMMAND:
        return Refused("an event is nobody's to claim", None)
    state = State(row["state"])
    held = state in (State.CLAIMED, State.RUNNING) and row["lease_until"] > tx.now
    if token is not None:
        if not held or token != row["token"]:
            return Refused(f"token {token} holds no claim on it", state)
        _change(tx, row, lease_until=tx.now + lease)
        return Claim(token, tx.now + lease)
    if held:
        return Refused(f"{row['client']} has claimed it until {row['lease_until']:%H:%M:%S} UTC", state)
    if state in (State.QUEUED, State.CLAIMED) and row["deadline"] and row["deadline"] <= tx.now:
        return Refused(_expire(tx, row), State.EXPIRED)
    if state not in (State.QUEUED, State.CLAIMED, State.RUNNING):
        return Refused(f"it is {state}", state)
    new = Claim(numbers.next_number(tx, numbers.TOKENS), tx.now + lease)
    _change(
        tx,
        row,
        # What was running may have been carried out, and stays so in whosever hands.
        state=State.RUNNING if state is State.RUNNING else State.CLAIMED,
        client=client,
        token=new.token,
        lease_until=new.expires,
        claimed_at=tx.now,
    )
    _tell(tx, row, Happened.CLAIMED, client=client, expires=new.expires.isoformat())
    return new


def report(tx: Transaction, command_id: int, token: int, state: State, detail: Any) -> Entry:
    """Writes down what a client says of its claim; the same report again changes nothing.

    Raises
        Unknown, Refused
    """
    row = find(tx.connection, command_id)
    if row["kind"] != Kind.COMMAND or state not in REPORTABLE:
        raise Refused(f"{state} cannot be reported of it", row["state"] and State(row["state"]))
    before = State(row["state"])
    if token != row["token"]:
        raise Refused("the token is not that of the newest claim", before)
    if before == state:
        return slot_log.to_entry(row)
    if not may_step(before, state):
        raise Refused(f"it is {before}: it cannot become {state}", before)
    moment = "over_at" if is_over(state) else "running_at"
    _change(tx, row, state=state, detail=detail, **{moment: tx.now})
    _tell(tx, row, Happened.REPORTED, state=state, detail=detail)
    return slot_log.to_entry(find(tx.connection, command_id))


def cancel(tx: Transaction, command_id: int, reason: str) -> bool:
    """Cancels a command that has not begun; says whether it did."""
    row = find(tx.connection, command_id)
    if not may_step(State(row["state"]), State.CANCELLED):
        return False
    _change(tx, row, state=State.CANCELLED, over_at=tx.now, detail={"message": reason})
    _tell(tx, row, Happened.CANCELLED, reason=reason)
    return True


def is_due(connection: Connection, now: datetime) -> bool:
    """Whether `sweep` has anything to do."""
    return connection.execute(select(entries.c.id).where(_due(now)).limit(1)).first() is not None


def sweep(tx: Transaction) -> None:
    """Expires what nobody claimed in time, and queues again what was claimed but not begun in time."""
    for row in tx.connection.execute(select(entries).where(_due(tx.now))).mappings().all():
        if row["deadline"] and row["deadline"] <= tx.now:
            _expire(tx, row)
        else:
            _lapse(tx, row)


def _due(now: datetime) -> Any:
    lapsed = (entries.c.state == State.CLAIMED) & (entries.c.lease_until <= now)
    late = entries.c.state.in_([State.QUEUED, State.PENDING]) & (entries.c.deadline <= now)
    return or_(lapsed, late)


def _expire(tx: Transaction, row: RowMapping) -> str:
    if row["state"] == State.CLAIMED:
        _lapse(tx, row)
    late = (tx.now - row["deadline"]).total_seconds()
    reason = f"its deadline passed {late:.1f} s ago"
    _change(tx, row, state=State.EXPIRED, over_at=tx.now, detail={"message": reason})
    _tell(tx, row, Happened.EXPIRED, reason=reason)
    return reason


def _lapse(tx: Transaction, row: RowMapping) -> None:
    _change(tx, row, state=State.QUEUED)
    _tell(tx, row, Happened.LAPSED, client=row["client"])


def _change(tx: Transaction, row: RowMapping, **values: Any) -> None:
    tx.connection.execute(CHANGE, values | {"which": row["id"]})


def _tell(tx: Transaction, row: RowMapping, kind: Happened, **more: Any) -> None:
    feed.append(
        tx,
        kind,
        {"slot": row["slot"], "seq": row["seq"], "command": row["command"]} | more,
        event_id=row["event_id"],
        alert_id=row["alert_id"],
        command_id=row["id"],
    )
