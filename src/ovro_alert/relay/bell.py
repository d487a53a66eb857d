"""Wakes those who wait for something new: a slot's followers, and the feed's."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


class Bell:
    """One bell a topic, for the followers in this process; used on one event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        self.is_closing = False

    def followers(self, topic: str) -> int:
        """How many wait now for a topic."""
        return len(self._waiting.get(topic, ()))

    def ring(self, topics: set[str]) -> None:
        """Wakes all who wait on any of the topics; may be called from any thread."""
        with suppress(RuntimeError):  # the loop has ended: nobody waits any more
            self._loop.call_soon_threadsafe(self._ring, topics)

    def close(self) -> None:
        """Lets everybody go and nobody wait again, so that a shutdown need not outlast their patience."""
        self.is_closing = True
        self.ring(set(self._waiting))

    def _ring(self, topics: set[str]) -> None:
        for topic in topics:
            for rung in self._waiting.pop(topic, ()):
                _wake(rung)

    async def follow(self, topic: str, read: Callable[[], Awaitable[T]], wait: float) -> T:
        """What `read` finds, waiting up to `wait` s for the topic's bell while that is nothing."""
        until = self._loop.time() + wait
        while True:
            # Listen before reading: what is committed between the two rings this bell. A future for each,
            # woken by the bell or by its own timer, is all that ten thousand of them should cost.
            rung = self._loop.create_future()
            waiting = self._waiting.setdefault(topic, set())
            waiting.add(rung)
            try:
                found = await read()
                left = until - self._loop.time()
                if found or left <= 0 or self.is_closing:
                    return found
                timer = self._loop.call_later(left, _wake, rung)
                try:
                    await rung
                finally:
                    timer.cancel()
            finally:
                waiting.discard(rung)


def _wake(rung: "asyncio.Future[None]") -> None:
    if not rung.done():
        rung.set_result(None)
