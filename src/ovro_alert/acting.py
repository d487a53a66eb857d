"""What it is to act on a command: the words that clients and telescopes share.

A client claims a command, looks for its trace at the telescope, and only where there is none plans it and
carries it out; then it follows what was begun to its end. Whatever dies between two of these steps, the next
client to claim the command finds the trace and goes on from there.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from ovro_alert.command import Entry, State


class Unreachable(Exception):
    """The telescope gave no answer: what was asked may have been taken or not. It is asked again."""


class NotTaken(Exception):
    """The telescope certainly did not take what was asked, and why."""


class Later(Exception):
    """It cannot be done at this moment, and why; it may be in a few seconds, until its deadline."""


@dataclass(frozen=True)
class Trace:
    """What shows at the telescope that a command was acted on: under which name, and when it was given."""

    name: str
    at: datetime


def _nothing() -> None:
    """Is to be done."""


@dataclass(frozen=True)
class Plan:
    """What a command comes to: for people, in JSON with a `message`; and whatever carrying it out needs.

    `before` makes room for it, which may take its time: whether it is still right to act is asked again then.
    It may be called again, and may raise NotTaken.
    """

    summary: dict[str, Any]
    what: Any = field(default=None, compare=False)
    before: Callable[[], None] = field(default=_nothing, compare=False)


@dataclass(frozen=True)
class Outcome:
    """How a command ended: DONE, FAILED or REFUSED, and for people in JSON, with a `message`, why."""

    state: State
    detail: dict[str, Any]


def refused(reason: str) -> Outcome:
    """A command that cannot be carried out as it stands; the reason names the field that is wrong."""
    return Outcome(State.REFUSED, {"message": reason})


class Word(Protocol):
    """What is heard of a command and said of it while it runs."""

    @property
    def retracted_by(self) -> str | None:
        """The alert that has taken its event back since."""

    def say(self, detail: dict[str, Any]) -> None:
        """Tells people how far it is; it may be lost where the relay is away."""

    def check(self) -> None:
        """Before the telescope is touched again: raises what ends it unless the command is surely ours."""

    def wait(self, seconds: float) -> None:
        """Waits; raises what ends the client where that is told to stop, or has lost the command."""


class Hands(Protocol):
    """What a client needs of a telescope. Every method may raise Unreachable, and is tried again then."""

    def find(self, entry: Entry) -> Trace | None:
        """The command's own trace at the telescope; None where it was never acted on."""

    def plan(self, entry: Entry, now: datetime) -> Plan | Outcome:
        """What to do; or how it ends without anything being moved. Raises Later. Writes nothing."""

    def forbid(self, entry: Entry, why: str) -> bool:
        """Sees that nobody acts on it any more, who planned it and was held up; False where one has.

        Asked before a command that may have begun is ended without its trace. `find` raises NotTaken from
        then on, with the reason.
        """

    def carry_out(self, entry: Entry, plan: Plan) -> Trace:
        """Acts, at most once by the telescope's own account; the next in turn waits. Raises NotTaken."""

    def follow(self, entry: Entry, trace: Trace, word: Word) -> Outcome:
        """Waits for the end of what was begun, now or before a restart, and says how it ended.

        That it was taken is seen here at the latest. Where `word` says that its event was taken back, what
        can be stopped is.
        """
