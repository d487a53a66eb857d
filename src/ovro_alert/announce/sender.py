"""What one way to tell the world has to offer, whichever it is."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from ovro_alert.acting import Trace, Unreachable
from ovro_alert.announce.detection import Detection
from ovro_alert.command import Entry


class Unsent(Unreachable):
    """There is no answer, and the other side certainly has not got it: it may be sent again at once."""


@dataclass(frozen=True)
class Message:
    """What is sent: its name, where to, whether as a test, its bytes, and what else people see.

    After `until` nobody can do anything with it; `why` is what is over then. `settles` is how long it may
    still come to the other side after a try that nobody has an answer to: so long it is only looked for.
    None: to send it twice does no harm.
    """

    name: str
    to: str
    test: bool
    raw: bytes
    about: dict[str, Any] = field(default_factory=dict)
    until: datetime | None = None
    why: str = ""
    settles: timedelta | None = None

    def summary(self, now: datetime) -> dict[str, Any]:
        """What to tell people, in JSON; with the margin, in s, where there is one."""
        what = f"{self.name}, a test," if self.test else self.name
        said = {"message": f"{what} to {self.to}", "to": self.to, "test": self.test, **self.about}
        if self.until is None:
            return said
        margin = (self.until - now).total_seconds()
        said["message"] += f", {margin / 60:.1f} minutes before {self.why} at {self.until:%H:%M:%SZ}"
        return said | {"until": self.until.isoformat(), "margin_s": round(margin, 1)}


class Sender(Protocol):
    """A way to tell the world. It is asked from several threads."""

    def message(self, entry: Entry, detection: Detection) -> Message:
        """What to send: the same bytes for the same command. Unfit where a field or setting is missing.

        Raises
            Unreachable: it could not be written just now.
        """

    def find(self, message: Message) -> Trace | None:
        """Whether the other side has it already, as far as it tells. Raises Unreachable."""

    def send(self, message: Message) -> dict[str, Any]:
        """Sends it, and returns what the other side acknowledged, in JSON with a `said`.

        Raises
            Unsent: there is no answer, and it has not got it.
            Unreachable: there is no answer; it may have it or not.
            NotTaken: it does not take it, and why.
        """

    def reach(self) -> str:
        """What is seen of the other side, without sending anything. Raises Unreachable."""
