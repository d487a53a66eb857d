"""The telescope as a client sees it: what the simulated twin and the real control have in common."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from ovro_alert.command import Entry
from ovro_alert.telescopes.lwa.commands import Action
from ovro_alert.telescopes.lwa.session import Sessions


class Unreachable(Exception):
    """The telescope gave no answer: what was asked may have been taken or not."""


class NotTaken(Exception):
    """The telescope certainly did not take what was asked, and why."""


@dataclass(frozen=True)
class Trace:
    """What shows at the telescope that a command was acted on: under which name, and when it was given."""

    name: str
    at: datetime


class Telescope(Protocol):
    """What a client needs of a telescope; it must answer or give up well within the client's lease."""

    def find(self, entry: Entry) -> Trace | None:
        """The command's own trace; None where it was never acted on. Raises Unreachable."""

    def sessions(self) -> Sessions:
        """What it shows of the sessions that it has taken. Raises Unreachable."""

    def carry_out(self, action: Action, document: Path) -> Trace:
        """Act, and see that it was taken; `document` is the action's, whole and on disk.

        Raises
            NotTaken: it was dropped or refused.
            Unreachable: whether it was taken, `find` may tell later.
        """
