"""How a receiver hears its sources, told to the relay every few seconds, so that none is deaf unnoticed."""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from ovro_alert.hearing import Report
from ovro_alert.link.relay import Away, Refused, Relay
from ovro_alert.span import say_span
from ovro_alert.systemd import notify

log = logging.getLogger(__name__)

BEAT_S = 5.0


class Pulse:
    """What a receiver notes of one source, such as "igwn.gwalert", that comes by one transport.

    It begins as not connected. All methods may be called from any thread, and neither raise nor block.
    `clock` counts seconds and never goes back.
    """

    def __init__(self, source: str, transport: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.source = source
        self._transport = transport
        self._clock = clock
        self._lock = threading.Lock()
        self._connected = False
        self._since = clock()
        self._why = "not connected yet"
        self._heard: float | None = None
        self._expected: float | None = None
        self._behind: int | None = None
        self._waiting: int | None = None

    def connected(self) -> None:
        """It is connected; since when is kept where that is no news."""
        self._turn(True, "")

    def lost(self, why: str) -> None:
        """It is not connected, and why; since when is kept where that is no news."""
        self._turn(False, why)

    def heard(self, *, expected: bool = False) -> None:
        """A message came; `expected` is one that comes at a cadence: a heartbeat, a mock event, a test."""
        now = self._clock()
        with self._lock:
            self._heard = now
            if expected:
                self._expected = now

    def behind(self, messages: int | None) -> None:
        """So many messages are at the broker and have not come; None where that is not known."""
        self._behind = messages

    def waiting(self, messages: int) -> None:
        """So many messages came and are not acknowledged by the relay yet."""
        self._waiting = messages

    def report(self) -> Report:
        """All that is noted, as of now."""
        with self._lock:
            now = self._clock()
            return Report(
                transport=self._transport,
                reporter=socket.gethostname(),
                connected=self._connected,
                since_s=now - self._since,
                why=self._why,
                heard_s=None if self._heard is None else now - self._heard,
                expected_s=None if self._expected is None else now - self._expected,
                behind=self._behind,
                waiting=self._waiting,
            )

    def _turn(self, connected: bool, why: str) -> None:
        with self._lock:
            if connected is not self._connected:
                self._connected = connected
                self._since = self._clock()
            self._why = why[:500]


@contextmanager
def beating(
    relay: Relay, pulses: Sequence[Pulse], stop: threading.Event, every_s: float = BEAT_S
) -> Iterator[None]:
    """Tell the relay of `pulses` at once and every `every_s` seconds, while the body runs, until `stop`."""
    over = threading.Event()

    def beat() -> None:
        troubles: dict[str, str] = {}
        while not stop.is_set():
            try:
                _tell(relay, pulses, troubles)
                notify(f"STATUS={'; '.join(map(_line, pulses))}")
            except Exception:  # whatever it is, a thread that is gone would tell of nothing any more
                log.exception("the relay was not told how sources are heard")
            if over.wait(every_s):
                return

    threading.Thread(target=beat, name="pulse", daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _tell(relay: Relay, pulses: Sequence[Pulse], troubles: dict[str, str]) -> None:
    """Report each pulse; the same trouble is logged once."""
    for pulse in pulses:
        trouble = ""
        try:
            relay.put_pulse(pulse.source, pulse.report())
        except Away:
            return  # who hands messages over says so
        except Refused as refused:
            trouble = str(refused)
        if trouble and trouble != troubles.get(pulse.source):
            log.warning("the relay does not take how %s is heard: %s", pulse.source, trouble)
        troubles[pulse.source] = trouble


def _line(pulse: Pulse) -> str:
    """A source in a few words, as `systemctl status` shows them."""
    report = pulse.report()
    heard = "heard nothing" if report.heard_s is None else f"heard {say_span(report.heard_s)} ago"
    how = "connected" if report.connected else f"not connected ({' '.join(report.why.split())})"
    return f"{pulse.source} {how}, {heard}"
