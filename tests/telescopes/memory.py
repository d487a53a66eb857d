"""An etcd in memory, and a clock that stands still until it is told: no test of these waits."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from ovro_alert.acting import Unreachable
from ovro_alert.telescopes.etcd import Compacted, Found, Put

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)  # MJD 61041.5


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def on(self, seconds: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now


class MemoryKeys:
    """`Keys` of one process. A watch with nothing more to tell calls `idle`, and ends if nothing came."""

    def __init__(self) -> None:
        self.log: list[tuple[str, Put]] = []
        self.away = False
        self.forgotten = 0  # what was before this revision is
        self.deaf_to = ""  # puts of this key happen, and their answers are lost
        self.idle: Callable[[], object] = lambda: None
        self._lock = threading.RLock()

    def get(self, key: str, revision: int = 0) -> Found:
        puts, newest = self.get_all(key, revision)
        return Found(puts.get(key), newest)

    def get_each(self, keys: Iterable[str]) -> dict[str, Put]:
        found = {key: self.get(key).put for key in keys}
        return {key: put for key, put in found.items() if put}

    def get_all(self, prefix: str, revision: int = 0) -> tuple[dict[str, Put], int]:
        self._answer()
        if 0 < revision < self.forgotten:
            raise Compacted(self.forgotten)
        with self._lock:
            until = revision or self._revision
            then = {key: put for key, put in self.log if key.startswith(prefix) and put.revision <= until}
            return then, self._revision

    def put(self, key: str, value: bytes) -> int:
        self._answer()
        with self._lock:
            self._append({key: value})
            return self._revision

    def put_once(
        self, mark: str, puts: Mapping[str, bytes], unchanged: Mapping[str, int] | None = None
    ) -> bool:
        assert mark in puts
        self._answer()
        with self._lock:
            last = {key: put.revision for key, put in self.log}
            is_new = mark not in last
            is_new &= all(last.get(key, 0) == revision for key, revision in (unchanged or {}).items())
            if is_new:
                self._append(puts)
        if self.deaf_to in puts:
            raise Unreachable("the answer was lost")
        return is_new

    @contextmanager
    def watch(self, key: str, start: int = 0, silence_s: float = 15) -> Iterator[Iterator[Put]]:
        with self.watch_all(key, start, silence_s) as puts:
            yield (put for name, put in puts if name == key)

    @contextmanager
    def watch_all(
        self, prefix: str, start: int = 0, silence_s: float = 15
    ) -> Iterator[Iterator[tuple[str, Put]]]:
        self._answer()
        first = start or self._revision + 1

        def puts() -> Iterator[tuple[str, Put]]:
            told = 0
            while True:
                news = list(self.log[told:])
                told += len(news)
                yield from (one for one in news if one[1].revision >= first and one[0].startswith(prefix))
                if not news:
                    idle, self.idle = self.idle, lambda: None  # it may watch, too
                    idle()
                    self.idle = idle
                    if len(self.log) == told:
                        return

        yield puts()

    @property
    def _revision(self) -> int:
        return self.log[-1][1].revision if self.log else 1

    def _append(self, puts: Mapping[str, bytes]) -> None:
        revision = self._revision + 1
        for key, value in puts.items():
            version = 1 + sum(name == key for name, _ in self.log)
            self.log.append((key, Put(value, revision, version)))

    def _answer(self) -> None:
        if self.away:
            raise Unreachable("etcd is away")
