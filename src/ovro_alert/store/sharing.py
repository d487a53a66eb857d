"""One read for all who ask the same: two hundred followers that are woken together ask the database once."""

import asyncio
from collections.abc import Callable, Hashable
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

T = TypeVar("T")


class SharedReads:
    """Reads in the threads of `executor`, asked for on one event loop.

    Nobody is given what was read before he asked: who asks while a read goes on shares the next one.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._not_begun: dict[Hashable, Future[Any]] = {}

    async def read(self, key: Hashable, job: Callable[[], T]) -> T:
        """What `job` returns or raises; the key names what it reads."""
        shared: Future[T] | None = self._not_begun.get(key)
        if shared is None:
            shared = self._not_begun[key] = Future()
            shared.set_running_or_notify_cancel()  # one who no longer waits takes it from nobody else
            self._executor.submit(self._run, key, job, shared)
        return await asyncio.wrap_future(shared)

    def _run(self, key: Hashable, job: Callable[[], T], shared: "Future[T]") -> None:
        del self._not_begun[key]
        try:
            shared.set_result(job())
        except BaseException as error:
            shared.set_exception(error)
