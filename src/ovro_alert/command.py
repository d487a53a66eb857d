"""The vocabulary of what is asked: a command, its life, and the entry that it is in a slot's log."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from ovro_alert.alert import Finite, Part, Role, Utc

MJD_EPOCH = datetime(1858, 11, 17, tzinfo=UTC)


def to_mjd(moment: datetime) -> float:
    """Modified Julian Date (UTC days, good to about 1 µs) of an aware moment."""
    return (moment - MJD_EPOCH) / timedelta(days=1)


def from_mjd(mjd: float) -> datetime:
    """The UTC moment of a Modified Julian Date; OverflowError outside the years 1 to 9999."""
    return MJD_EPOCH + timedelta(days=mjd)


class Kind(StrEnum):
    """What an entry of a slot is: what a sender said, or what a telescope is asked."""

    EVENT = "event"
    COMMAND = "command"


class State(StrEnum):
    """The life of a command."""

    PENDING = "pending approval"
    QUEUED = "queued"
    CLAIMED = "claimed"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


# Every step that a command may take; whatever is not here is refused. When the lease of a claim runs out
# the command is queued again; one that was running may have been carried out, so it stays running and never
# expires: the next client claims it, looks for its trace at the telescope and says what became of it.
STEPS: dict[State, frozenset[State]] = {
    State.PENDING: frozenset({State.QUEUED, State.REFUSED, State.CANCELLED, State.EXPIRED}),
    State.QUEUED: frozenset({State.CLAIMED, State.CANCELLED, State.EXPIRED}),
    State.CLAIMED: frozenset(
        {State.QUEUED, State.RUNNING, State.DONE, State.FAILED, State.REFUSED, State.CANCELLED}
    ),
    State.RUNNING: frozenset({State.DONE, State.FAILED, State.REFUSED}),
}
REPORTABLE = frozenset({State.RUNNING, State.DONE, State.FAILED, State.REFUSED})


def may_step(before: State, after: State) -> bool:
    """Whether a command may go from one state to the other; a report of RUNNING may be repeated."""
    return after in STEPS.get(before, frozenset()) or before == after == State.RUNNING


def is_over(state: State) -> bool:
    """Whether nothing more can happen to a command in this state."""
    return state not in STEPS


class Command(Part):
    """One thing asked of one telescope, before it is in the log."""

    slot: str
    command: str
    args: dict[str, Any]
    command_mjd: Finite
    deadline: Utc | None = None  # after this moment it is useless
    margin_s: Finite | None = None  # how long before that it was asked
    priority: int = 0  # the greater goes first
    approval: bool = False  # whether a person is asked before the telescope is
    role: Role = Role.OBSERVATION  # of the alert that it answers


class Entry(BaseModel):
    """One entry of a slot's log as it goes over the wire; a client ignores what it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: int  # unique for all time, not only in one log; below 2⁵³, so that every JSON reader keeps it
    seq: int  # its place in the slot, from 1, without gaps; 0 while it waits for a person's approval
    slot: str
    kind: Kind
    command: str
    args: dict[str, Any]
    command_mjd: Finite
    state: State | None  # None for an event: nobody carries it out
    event_id: str | None
    deadline: Utc | None
    priority: int = 0  # the greater goes first
    margin_s: Finite | None = None  # how long before its deadline it was asked
    approved_by: str | None = None  # the person, where one had to
    role: Role = Role.OBSERVATION  # of the alert that it answers: a test is never to be taken for the sky's

    @property
    def word(self) -> str:
        """What it asks, whatever its case."""
        return self.command.strip().casefold()
