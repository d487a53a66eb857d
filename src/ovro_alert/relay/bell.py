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
        self._next: dict[str, asyncio.Future[None]] = {}
        self._is_closing = False

    def ring(self, topics: set[str]) -> None:
        """Wakes all who wait on any of the topics; may be called from any thread."""
        with suppress(RuntimeError):  # the loop has ended: nobody waits any more
            self._loop.call_soon_threadsafe(self._ring, topics)

    def close(self) -> None:
        """Lets everybody go and nobody wait again, so that a shutdown need not outlast their patience."""
        self._is_closing = True
        self.ring(set(self._next))

    def _ring(self, topics: set[str]) -> None:
        for topic in topics & self._next.keys():
            self._next.pop(topic).set_result(None)

    async def follow(self, topic: str, read: Callable[[], Awaitable[T]], wait: float) -> T:
        """What `read` finds, waiting up to `wait` s for the topic's bell while that is nothing."""
        until = self._loop.time() + wait
        while True:
            # Listen before reading: what is committed between the two rings this bell.
            rung = self._next.setdefault(topic, self._loop.create_future())
            found = await read()
            left = until - self._loop.time()
            if found or left <= 0 or self._is_closing:
                return found
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(rung), left)
