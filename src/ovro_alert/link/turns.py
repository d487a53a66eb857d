"""Whose turn it is, among the threads of a process."""

import heapq
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """One at a time: of those that wait the one of the greatest priority, then the eldest."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[tuple[int, int]] = []
        self._is_taken = False

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @contextmanager
    def turn(self, priority: int, seq: int) -> Iterator[None]:
        me = (-priority, seq)
        with self._changed:
            heapq.heappush(self._waiting, me)
            self._changed.wait_for(lambda: not self._is_taken and self._waiting[0] == me)
            heapq.heappop(self._waiting)
            self._is_taken = True
        try:
            yield
        finally:
            with self._changed:
                self._is_taken = False
                self._changed.notify_all()
