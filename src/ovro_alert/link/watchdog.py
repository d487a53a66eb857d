"""That a daemon's work has begun, and that it goes on, told to systemd; of work that hangs, nothing."""

import logging
import math
import threading
import time

from ovro_alert.systemd import ALIVE, READY, notify, watchdog_s

log = logging.getLogger(__name__)


class Stop(threading.Event):
    """Tells the work to stop, and knows by its asking that it goes on: whatever hangs does not ask.

    Who asks counts only in the thread that `watch` was called in, or in all where it was not.
    """

    def __init__(self) -> None:
        super().__init__()
        self._thread: threading.Thread | None = None
        self._due = math.nan  # when the work will have asked again at the latest (monotonic, s)

    def watch(self) -> None:
        """From now on it is this thread that must ask."""
        self._thread = threading.current_thread()

    def is_set(self) -> bool:
        self._asked(0.0)
        return super().is_set()

    def wait(self, timeout: float | None = None) -> bool:
        self._asked(math.inf if timeout is None else timeout)
        is_set = super().wait(timeout)
        self._asked(0.0)
        return is_set

    def overdue_s(self) -> float | None:
        """For how long the work has not asked that should have; None before the first time."""
        return None if math.isnan(self._due) else max(time.monotonic() - self._due, 0.0)

    def _asked(self, waits: float) -> None:
        if self._thread is None or threading.current_thread() is self._thread:
            self._due = time.monotonic() + waits


class Watchdog:
    """Tells systemd of the work that asks `stop`; looks whenever it is told to, which should be often."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._limit_s = watchdog_s()
        self._ready = False
        self._hangs = False
        self._next = 0.0

    def look(self) -> None:
        """Say that the work has begun, and every now and then that it goes on."""
        overdue_s = self._stop.overdue_s()
        if overdue_s is None:
            return
        if not self._ready:
            notify(READY)
            self._ready = True
        if self._limit_s is None:
            return
        hangs = overdue_s > self._limit_s / 2
        if hangs and not self._hangs:
            log.error("the work hangs, it has not come round for %.3g s: systemd will end it", overdue_s)
        self._hangs = hangs
        if not hangs and time.monotonic() >= self._next:
            notify(ALIVE)
            self._next = time.monotonic() + self._limit_s / 4
