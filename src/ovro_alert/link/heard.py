"""What is heard of a command while it is carried out, and said of it: by way of the relay."""

import json
import logging
import threading
from typing import Any

from ovro_alert.command import Entry, State
from ovro_alert.link.lease import Lease, Lost
from ovro_alert.link.relay import Away, Refused, Relay
from ovro_alert.link.retry import Stopped

log = logging.getLogger(__name__)


class Heard:
    """An `acting.Word`: what the relay says with each renewal of the claim, and what it is told."""

    def __init__(self, relay: Relay, entry: Entry, lease: Lease, stop: threading.Event) -> None:
        self._relay = relay
        self._entry = entry
        self._lease = lease
        self._stop = stop
        self.said: dict[str, Any] = {}

    @property
    def retracted_by(self) -> str | None:
        return self._lease.retracted_by

    def report(self, detail: dict[str, Any]) -> None:
        """Says that it runs, and how. Raises Away and Refused."""
        detail = sendable(detail)
        self._relay.report(self._entry.id, self._lease.token, State.RUNNING, detail)
        self.said = detail

    def say(self, detail: dict[str, Any]) -> None:
        try:
            self.report(self.said | detail)
        except (Away, Refused) as error:
            log.warning("command %d: how far it is could not be told: %s", self._entry.id, error)

    def check(self) -> None:
        self._lease.check()

    def wait(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise Stopped
        if self._lease.lost:
            raise Lost(self._lease.lost)


def sendable(detail: dict[str, Any]) -> dict[str, Any]:
    """A detail that JSON can hold, whatever a telescope has said: no half of a character, no NaN."""
    text = json.dumps(detail, ensure_ascii=False).encode(errors="replace")
    sendable: dict[str, Any] = json.loads(text, parse_constant=str)
    return sendable
