"""The log as the relay uses it: one thread that writes, a few that read, and group commit.

Every write that is waiting goes into one transaction, each in a savepoint of its own, and one commit with
full sync acknowledges them all: under load the disk is waited for once, not once a write.
"""

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby, repeat
from typing import Any, TypeVar

from sqlalchemy import Connection, select
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from ovro_alert.store.engine import make_engine, migrate
from ovro_alert.store.postgres import Others
from ovro_alert.store.schema import counters
from ovro_alert.store.sharing import SharedReads

S = TypeVar("S")
T = TypeVar("T")
BATCH = 256  # writes in one commit; bounds how long the first of them waits
READERS = 8
PEEKED = 64  # results kept until the next commit; one may be a page of 200 entries
OF_WHAT_IS_WRITTEN = (DataError, IntegrityError)  # errors of it, not of the database
logger = logging.getLogger(__name__)


class Unavailable(Exception):
    """The database did not answer, or did not take the write: nothing was acknowledged."""


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Transaction:
    """What a write is given: the connection, the moment, and where it says which followers to wake."""

    connection: Connection
    now: datetime
    log_mark: int  # a random number that marks this log among all logs
    changed: set[str] = field(default_factory=set)


@dataclass
class _Write:
    """One write that waits; those with the same `many` that wait together are one call of it."""

    many: Callable[[Transaction, list[Any]], list[Any]]
    item: Any
    future: "asyncio.Future[Any]"


# The write's future, and its result or why there is none.
Answer = tuple["asyncio.Future[Any]", Any, BaseException | None]


def _one(tx: Transaction, jobs: list[Callable[[Transaction], Any]]) -> list[Any]:
    return [job(tx) for job in jobs]


class Log:
    """The durable log behind a SQLAlchemy URL.

    `on_commit` is called with what has changed (slots, and "feed") after each commit, of this process in the
    writing thread, of others on the same database in one that listens; `on_batch`, in the writing thread,
    with the number of writes in each commit.
    """

    def __init__(
        self,
        url: str,
        on_commit: Callable[[set[str]], None],
        clock: Callable[[], datetime] = utc_now,
        on_batch: Callable[[int], None] | None = None,
    ) -> None:
        migrate(url)
        self._clock = clock
        self._on_commit = on_commit
        self._on_batch = on_batch
        self._writing = make_engine(url, writes=True)
        self._reading = make_engine(url, writes=False)
        with self._reading.connect() as connection:
            mark = select(counters.c.value).where(counters.c.name == "log")
            self._mark = connection.execute(mark).scalar_one()
        # A file on this machine is read sooner than a thread is woken.
        self._reads_here = self._reading.dialect.name == "sqlite"
        self._peeked: dict[Hashable, Any] = {}
        self._version: object = None
        self._is_fresh = False
        if self._reads_here:
            self._versions = self._reading.raw_connection().cursor()
        self._others = None if self._reads_here else Others(self._reading.url, on_commit)
        self._readers = ThreadPoolExecutor(READERS, "log-read")
        self._shared = SharedReads(self._readers)
        self._waiting: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write_for_ever, name="log-write", daemon=True)
        self._writer.start()

    async def write(self, job: Callable[[Transaction], T]) -> T:
        """Runs a job in the next transaction; returns when it is on disk.

        Raises
            Unavailable: the database refused; nothing was written.
            Exception: whatever the job itself raised; nothing of it was written.
        """
        result: T = await self._put(_one, job)
        return result

    async def write_with_others(self, many: Callable[[Transaction, list[S]], list[T]], item: S) -> T:
        """As `write`, of an item that `many` writes in one go with all of its kind that wait together.

        `many` gives a result an item, in their order. Where it fails it is called again for each alone.
        """
        result: T = await self._put(many, item)
        return result

    def _put(self, many: Callable[[Transaction, list[Any]], list[Any]], item: Any) -> "asyncio.Future[Any]":
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.put(_Write(many, item, future))
        return future

    async def read(self, job: Callable[[Connection], T]) -> T:
        """Runs a job on a connection that sees all that was committed and never waits for the writer.

        Raises
            Unavailable: the database does not answer.
        """
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, job)

    async def peek(self, key: Hashable, job: Callable[[Connection], T]) -> T:
        """As `read`, for a job of a few rows by an index, whose result `key` names until the next commit.

        Where the database is a file on this machine its own counter of commits, by whatever process, says
        whether what was read before still holds; of a server it is asked anew, once for all who ask together.
        The result is shared and must not be changed.
        """
        if not self._reads_here:
            return await self._shared.read(key, lambda: self._read(job))
        if not self._is_fresh:
            version = self._versions.execute("PRAGMA data_version").fetchone()
            if version != self._version or len(self._peeked) > PEEKED:
                self._version = version
                self._peeked.clear()
            # All who are woken together look once: whatever is committed meanwhile wakes them again.
            self._is_fresh = True
            asyncio.get_running_loop().call_soon(self._grow_stale)
        if key not in self._peeked:
            self._peeked[key] = self._read(job)
        found: T = self._peeked[key]
        return found

    def at_hand(self, key: Hashable) -> Any:
        """What `peek` read under this key for another who was woken at this moment; None where it has not."""
        return self._peeked.get(key) if self._is_fresh else None

    def _grow_stale(self) -> None:
        self._is_fresh = False

    def _read(self, job: Callable[[Connection], T]) -> T:
        try:
            with self._reading.connect() as connection:
                return job(connection)
        except DataError:
            raise  # what was asked for cannot be in any database
        except DBAPIError as error:
            raise Unavailable(str(error)) from error

    def close(self) -> None:
        """Writes what is waiting, then lets go of the database."""
        self._waiting.put(None)
        self._writer.join()
        if self._others:
            self._others.close()
        self._readers.shutdown()
        if self._reads_here:
            self._versions.connection.close()
        self._writing.dispose()
        self._reading.dispose()

    def _write_for_ever(self) -> None:
        while (first := self._waiting.get()) is not None:
            self._write([first])

    def _fill(self, batch: list[_Write]) -> None:
        """Adds to a batch what else waits."""
        while len(batch) < BATCH and not self._waiting.empty():
            another = self._waiting.get()
            if another is None:
                self._waiting.put(None)  # the log is being closed, which is not for the batch to see
                return
            batch.append(another)

    def _write(self, batch: list[_Write]) -> None:
        """Commits a batch and what waits when its turn comes, then answers each of the writes."""
        answers: list[Answer] = []
        changed: set[str] = set()
        try:
            with self._writing.begin() as connection:
                # Now, for other processes may have had the log to themselves meanwhile.
                self._fill(batch)
                for together in _together(batch):
                    answers += self._attempt(connection, together, changed, alone=len(batch) == 1)
                if self._others and changed:
                    self._others.tell(connection, changed)
        except Exception as error:
            logger.error("the log could not be written: %s", error)
            self._fill(batch)  # whoever waits behind it need not find out for himself
            answers = [(write.future, None, Unavailable(str(error))) for write in batch]
            changed.clear()
        else:
            if self._on_batch:
                self._on_batch(len(batch))
        _answer(answers)
        if changed:
            self._on_commit(changed)

    def _attempt(
        self, connection: Connection, together: list[_Write], changed: set[str], *, alone: bool = False
    ) -> list[Answer]:
        """Does writes of one kind in one go; where one of them is at fault, each for itself."""
        tx = Transaction(connection, self._clock(), self._mark)
        futures = [one.future for one in together]
        try:
            # A write that is alone in its transaction needs no savepoint.
            with nullcontext() if alone else connection.begin_nested():
                results = together[0].many(tx, [one.item for one in together])
        except Exception as error:
            if isinstance(error, DBAPIError) and not isinstance(error, OF_WHAT_IS_WRITTEN):
                raise  # the database itself: the whole batch is lost
            if alone:
                connection.rollback()
            if len(together) == 1:
                return [(futures[0], None, error)]
            return [each for one in together for each in self._attempt(connection, [one], changed)]
        changed |= tx.changed
        return list(zip(futures, results, repeat(None), strict=False))


def _answer(answers: list[Answer]) -> None:
    """Gives each write its answer: each event loop is woken once, however many of its writes there are."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Answer]] = {}
    for answer in answers:
        by_loop.setdefault(answer[0].get_loop(), []).append(answer)
    for loop, its in by_loop.items():
        with suppress(RuntimeError):  # the loop has ended: nobody waits any more
            loop.call_soon_threadsafe(_resolve, its)


def _resolve(answers: list[Answer]) -> None:
    for future, result, failure in answers:
        if future.done():  # whoever waited has gone; what was written stays
            continue
        if failure is None:
            future.set_result(result)
        else:
            future.set_exception(failure)


def _together(batch: list[_Write]) -> Iterator[list[_Write]]:
    """The writes of a batch in order, runs of one kind together; jobs of no kind stand alone."""
    for many, run in groupby(batch, key=lambda write: write.many):
        if many is _one:
            yield from ([write] for write in run)
        else:
            yield list(run)
