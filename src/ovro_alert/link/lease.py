"""A claim on a command, held for as long as it is worked on."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ovro_alert.link.relay import Away, Refused, Relay

log = logging.getLogger(__name__)


class Lost(Exception):
    """A command is not surely ours to act on; whoever claims it next goes on from there."""


class Lease:
    """A claim on one command, and how long it is surely ours by this machine's own clock."""

    def __init__(self, relay: Relay, command: int, client: str, lease_s: float) -> None:
        self._relay = relay
        self._command = command
        self._client = client
        self._lease_s = lease_s
        self._token: int | str | None = None
        self._until = 0.0
        self.lost = ""  # why it is another's by now
        self.retracted_by: str | None = None  # the alert that has taken the command's event back

    @property
    def token(self) -> int | str:
        """What proves the claim to the relay."""
        assert self._token is not None, "claimed first"
        return self._token

    def claim(self) -> None:
        """Claim the command, or renew the claim. Raises Away, and Refused where it is not ours."""
        # Counted from before the question: the relay counts from later. Clocks need not agree.
        asked = time.monotonic()
        claim = self._relay.claim(self._command, self._client, self._lease_s, self._token)
        self._token, self.retracted_by = claim.token, claim.retracted_by
        self._until = asked + self._lease_s

    def check(self) -> None:
        """Raises Lost unless there is time left to act in."""
        if self.lost or self._until - time.monotonic() < self._lease_s / 3:
            raise Lost(self.lost or "the lease is about to run out")

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Renew the claim for as long as the body takes."""
        over = threading.Event()

        def renew() -> None:
            while not over.wait(self._lease_s / 3):
                try:
                    self.claim()
                except Away as away:
                    log.warning("command %d: its lease could not be renewed: %s", self._command, away)
                except Refused as refused:
                    if refused.about_the_key:  # which an operator mends while we go on
                        log.error("command %d: its lease could not be renewed: %s", self._command, refused)
                        continue
                    self.lost = str(refused)
                    log.warning("command %d: its lease is lost: %s", self._command, refused)
                    return

        threading.Thread(target=renew, name=f"lease of {self._command}", daemon=True).start()
        try:
            yield
        finally:
            over.set()
