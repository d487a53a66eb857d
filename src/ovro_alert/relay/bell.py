"""Wakes those who wait for something new: a slot's followers, and the feed's."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


class Bell:
    """One bell a topic, for the followers in this process; used on one event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: defaultdict[str, set[asyncio.Future[bool]]] = defaultdict(set)
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
                _wake(rung, True)

    def listen(self, topic: str) -> "asyncio.Future[bool]":
        """Done when the topic's bell rings after this; whoever waits for it no longer has to `leave`."""
        # A future for each, woken by the bell or by its own timer, is all that ten thousand should cost.
        rung: asyncio.Future[bool] = self._loop.create_future()
        self._waiting[topic].add(rung)
        return rung

    def leave(self, topic: str, rung: "asyncio.Future[bool]") -> None:
        """Takes back a `listen`."""
        if topic in self._waiting:
            self._waiting[topic].discard(rung)

    async def hear(self, rung: "asyncio.Future[bool]", wait: float) -> bool:
        """Whether it rings within `wait` s; where it does not, it is of no further use."""
        timer = self._loop.call_later(wait, _wake, rung, False)
        try:
            return await rung
        finally:
            timer.cancel()

    async def follow(self, topic: str, read: Callable[[], Awaitable[T]], wait: float) -> T:
        """What `read` finds, waiting up to `wait` s for the topic's bell while that is nothing."""
        until = self._loop.time() + wait
        while True:
            rung = self.listen(topic)  # before reading: what is committed between the two rings this bell
            try:
                found = await read()
                left = until - self._loop.time()
                if found or left <= 0 or self.is_closing:
                    return found
                await self.hear(rung, left)
            finally:
                self.leave(topic, rung)


def _wake(rung: "asyncio.Future[bool]", rang: bool) -> None:
    if not rung.done():
        rung.set_result(rang)
