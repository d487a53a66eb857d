"""A log on a database of its own, driven by a clock that the test moves."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection

from ovro_alert.store.log import Log, Transaction

T = TypeVar("T")


@dataclass
class Bench:
    """The log, its clock, and what followers would have been woken for."""

    url: str
    now: datetime = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    woken: list[set[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.log = Log(self.url, self.woken.append, lambda: self.now)

    def write(self, *jobs: Callable[[Transaction], Any]) -> list[Any]:
        """Runs the jobs at one moment; gives what each returned or raised."""

        async def together() -> list[Any]:
            return await asyncio.gather(*(self.log.write(job) for job in jobs), return_exceptions=True)

        return asyncio.run(together())

    def do(self, job: Callable[[Transaction], T]) -> T:
        return asyncio.run(self.log.write(job))

    def read(self, job: Callable[[Connection], T]) -> T:
        return asyncio.run(self.log.read(job))

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def reopen(self) -> None:
        self.log.close()
        self.log = Log(self.url, self.woken.append, lambda: self.now)


@pytest.fixture
def sqlite_urls(tmp_path: Path) -> Iterator[str]:
    """URLs of new databases in files, one after the other."""
    return (f"sqlite:///{tmp_path / f'log{n}.sqlite'}" for n in count())


@pytest.fixture(params=["sqlite", "postgres"])
def database_urls(request: pytest.FixtureRequest) -> Iterator[str]:
    """URLs of new databases, one after the other. What uses them is tried on both engines."""
    urls: Iterator[str] = request.getfixturevalue(f"{request.param}_urls")
    return urls


@pytest.fixture
def open_bench() -> Iterator[Callable[[str], Bench]]:
    """Opens logs, and closes them at the end."""
    made: list[Bench] = []

    def open_bench(url: str) -> Bench:
        made.append(Bench(url))
        return made[-1]

    yield open_bench
    for bench in made:
        bench.log.close()


@pytest.fixture
def sqlite_bench(sqlite_urls: Iterator[str], open_bench: Callable[[str], Bench]) -> Bench:
    """A log on SQLite, in `log0.sqlite`."""
    return open_bench(next(sqlite_urls))


@pytest.fixture
def new_bench(database_urls: Iterator[str], open_bench: Callable[[str], Bench]) -> Callable[[], Bench]:
    """Makes logs, each on a database of its own."""
    return lambda: open_bench(next(database_urls))


@pytest.fixture
def bench(new_bench: Callable[[], Bench]) -> Bench:
    return new_bench()
