"""The life of a command in the log: claimed with a lease, reported, cancelled, expired.

Every step of it passes `_step`, which takes none that the life does not have. A claim's token is a fencing
token: each is greater than all before it, and only the newest is listened to.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from sqlalchemy import Connection, RowMapping, bindparam, or_, select, update

from ovro_alert.command import REPORTABLE, Entry, State, is_over, may_step
from ovro_alert.store import entries as slot_log
from ovro_alert.store import events, feed, numbers
from ovro_alert.store.feed import Happened
from ovro_alert.store.log import Transaction
from ovro_alert.store.schema import entries

P = ParamSpec("P")
T = TypeVar("T")
Row = Mapping[Any, Any]  # of the table of entries, by column
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
    retracted_by: str | None = None  # the alert that has taken its event back, also while it runs


def _refusal_is_an_answer(verb: Callable[P, T]) -> Callable[P, T | Refused]:
    """Gives a refusal back: raised, it would undo what the log has just noticed, such as that it expired."""

    @wraps(verb)
    def answer(*args: P.args, **kwargs: P.kwargs) -> T | Refused:
        try:
            return verb(*args, **kwargs)
        except Refused as refused:
            return refused

    return answer


def find(connection: Connection, command_id: int) -> RowMapping:
    """The whole row of an entry. Raises Unknown."""
    row = connection.execute(FIND, {"which": command_id}).mappings().first()
    if row is None:
        raise Unknown(f"there is no command {command_id}")
    return row


@_refusal_is_an_answer
def claim(tx: Transaction, command_id: int, client: str, lease: timedelta, token: int | None = None) -> Claim:
    """Gives a command to one client until the lease runs out; with the token of a claim, renews that.

    Raises Unknown.
    """
    row, state = _now(tx, command_id)
    held = state in (State.CLAIMED, State.RUNNING) and row["lease_until"] > tx.now
    if token is not None:
        if not held or token != row["token"]:
            raise Refused(f"it is {state}: token {token} holds no claim on it", state)
        _change(tx, row, lease_until=tx.now + lease)
        return Claim(token, tx.now + lease, _retracted_by(tx, row))
    if held:
        raise Refused(f"{row['client']} has claimed it until {row['lease_until']:%H:%M:%S} UTC", state)
    # What was running may have been carried out, and stays so in whosever hands.
    to = State.RUNNING if state is State.RUNNING else State.CLAIMED
    _may(state, to)
    new = Claim(numbers.next_number(tx, numbers.TOKENS), tx.now + lease, _retracted_by(tx, row))
    _step(tx, row, to, client=client, token=new.token, lease_until=new.expires, claimed_at=tx.now)
    _tell(tx, row, Happened.CLAIMED, client=client, expires=new.expires.isoformat())
    return new


@_refusal_is_an_answer
def report(tx: Transaction, command_id: int, token: int, state: State, detail: Any) -> Entry:
    """Writes down what a client says of its claim; the same report again changes nothing.

    Of what runs another word is how far it is. Raises Unknown.
    """
    row, before = _now(tx, command_id)
    if state not in REPORTABLE:
        raise Refused(f"{state} cannot be reported of it", before)
    if token != row["token"]:
        raise Refused(f"it is {before}: token {token} is not that of the newest claim", before)
    if before == state:
        if before is State.RUNNING and detail != row["detail"]:
            row = _change(tx, row, detail=detail)
            _tell(tx, row, Happened.PROGRESS, state=state, detail=detail)
        return slot_log.to_entry(row)
    moment = "over_at" if is_over(state) else "running_at"
    row = _step(tx, row, state, detail=detail, **{moment: tx.now})
    _tell(tx, row, Happened.REPORTED, state=state, detail=detail)
    return slot_log.to_entry(row)


@_refusal_is_an_answer
def cancel(tx: Transaction, command_id: int, reason: str) -> Entry:
    """Cancels a command that has not begun. Raises Unknown."""
    row, _ = _now(tx, command_id)
    row = _step(tx, row, State.CANCELLED, over_at=tx.now, detail={"message": reason})
    _tell(tx, row, Happened.CANCELLED, reason=reason)
    return slot_log.to_entry(row)


@_refusal_is_an_answer
def approve(tx: Transaction, command_id: int, by: str) -> Entry:
    """Queues a command that waited for a person: it takes its place at the end of its slot's log.

    Raises Unknown.
    """
    row, state = _now(tx, command_id)
    if state is not State.PENDING:
        raise Refused(f"it is {state}: there is nothing to approve", state)
    seq = numbers.next_number(tx, f"slot:{row['slot']}")
    row = _step(tx, row, State.QUEUED, seq=seq, queued_at=tx.now, approved_by=by)
    tx.changed.add(row["slot"])
    _tell(tx, row, Happened.APPROVED, by=by)
    return slot_log.to_entry(row)


@_refusal_is_an_answer
def deny(tx: Transaction, command_id: int, by: str, reason: str) -> Entry:
    """Refuses a command that waited for a person. Raises Unknown."""
    row, state = _now(tx, command_id)
    if state is not State.PENDING:
        raise Refused(f"it is {state}: there is nothing to deny", state)
    row = _step(tx, row, State.REFUSED, over_at=tx.now, detail={"message": f"denied by {by}: {reason}"})
    _tell(tx, row, Happened.DENIED, by=by, reason=reason)
    return slot_log.to_entry(row)


def is_due(connection: Connection, now: datetime) -> bool:
    """Whether `sweep` has anything to do."""
    return connection.execute(select(entries.c.id).where(_due(now)).limit(1)).first() is not None


def sweep(tx: Transaction) -> None:
    """Expires what nobody claimed in time, and queues again what was claimed but not begun in time."""
    for row in tx.connection.execute(select(entries).where(_due(tx.now))).mappings().all():
        _age(tx, row)


def _due(now: datetime) -> Any:
    lapsed = (entries.c.state == State.CLAIMED) & (entries.c.lease_until <= now)
    late = entries.c.state.in_([State.QUEUED, State.PENDING]) & (entries.c.deadline <= now)
    return or_(lapsed, late)


def _now(tx: Transaction, command_id: int) -> tuple[Row, State]:
    """A command as time has left it, whether it was swept since or not. Raises Unknown, and Refused."""
    found = find(tx.connection, command_id)
    if found["state"] is None:
        raise Refused("it is an event: nobody's to claim, report or cancel", None)
    row = _age(tx, found)
    return row, State(row["state"])


def _age(tx: Transaction, row: Row) -> Row:
    """Takes the steps that a command owes to the time."""
    if row["state"] == State.CLAIMED and row["lease_until"] <= tx.now:
        row = _step(tx, row, State.QUEUED)
        _tell(tx, row, Happened.LAPSED, client=row["client"])
    waits = row["state"] in (State.QUEUED, State.PENDING)
    if waits and row["deadline"] is not None and row["deadline"] <= tx.now:
        reason = f"its deadline passed {(tx.now - row['deadline']).total_seconds():.1f} s ago"
        row = _step(tx, row, State.EXPIRED, over_at=tx.now, detail={"message": reason})
        _tell(tx, row, Happened.EXPIRED, reason=reason)
    return row


def _retracted_by(tx: Transaction, row: Row) -> str | None:
    return None if row["event_id"] is None else events.retracted_by(tx.connection, row["event_id"])


def _may(before: State, after: State) -> None:
    """Raises Refused unless a command may go from one state to the other."""
    if not may_step(before, after):
        raise Refused(f"it is {before}: it cannot become {after}", before)


def _step(tx: Transaction, row: Row, to: State, **values: Any) -> Row:
    """Takes a command from its state to another, and gives the row as it is then. Raises Refused.

    The one place where a command's state is written after it was queued.
    """
    _may(State(row["state"]), to)
    return _change(tx, row, state=to, **values)


def _change(tx: Transaction, row: Row, **values: Any) -> Row:
    tx.connection.execute(CHANGE, values | {"which": row["id"]})
    return {**row, **values}


def _tell(tx: Transaction, row: Row, kind: Happened, **more: Any) -> None:
    feed.append(
        tx,
        kind,
        {"slot": row["slot"], "seq": row["seq"], "command": row["command"]} | more,
        event_id=row["event_id"],
        alert_id=row["alert_id"],
        command_id=row["id"],
    )
