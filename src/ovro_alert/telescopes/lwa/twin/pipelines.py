"""A twin of the correlator's pipelines that hold a voltage buffer, and its account of all that they did."""

import logging
import math
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from ovro_alert.acting import Unreachable
from ovro_alert.telescopes.etcd import Compacted, Keys
from ovro_alert.telescopes.lwa.twin.block import FAULTS, Block, Dump, Fault, Speeds

log = logging.getLogger(__name__)

COMMANDS = "/cmd/corr/x/"
HOSTS = tuple(f"lxdlwagpu0{n}" for n in range(1, 9))
DUMP_PATHS = {2: "/data0/", 3: "/data1/"}


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Pipelines:
    """The pipelines of `hosts`. `speed` is how much faster than in life they write.

    `tick` does what is due; `running` does so until the end of a `with`. Safe to use from several threads.
    """

    def __init__(
        self,
        keys: Keys,
        *,
        hosts: tuple[str, ...] = HOSTS,
        dump_paths: Mapping[int, str] = DUMP_PATHS,
        ring_s: float = 158.0,
        disk_bytes_per_s: float = 2.5e9,
        publish_s: float = 10.0,
        speed: float = 1.0,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._keys = keys
        self._speeds = Speeds(ring_s, disk_bytes_per_s, speed)
        self._publish_s = publish_s
        self._clock = clock
        self._lock = threading.Lock()
        blocks = [Block(host, number, path) for host in hosts for number, path in dump_paths.items()]
        self._blocks = {one.name: one for one in blocks}
        self._by_key = {one.key("cmd"): one for one in blocks}
        _, revision = keys.get_all(blocks[0].key("cmd"))
        self._revisions = dict.fromkeys(self._by_key, revision)  # only what is put from now on, as in life
        self._next = revision + 1
        self._published = -math.inf
        self._replies: list[tuple[float, str, bytes]] = []  # when due
        self._heard: list[dict[str, Any]] = []
        self._dumps: list[Dump] = []

    def misbehave(self, fault: Fault | str, *names: str) -> None:
        """From now on those named (`lxdlwagpu01/2`), or all, have the fault, by itself or as in FAULTS."""
        with self._lock:
            for name in names or self._blocks:
                self._blocks[name].fault = FAULTS[fault] if isinstance(fault, str) else fault

    def account(self) -> dict[str, Any]:
        """All that they were told and did, in JSON: `heard` every command, `dumps` those that were begun."""
        with self._lock:
            return {
                "heard": [dict(one) for one in self._heard],
                "dumps": [asdict(one) for one in self._dumps],
            }

    def triggered(self) -> dict[str, Counter[str]]:
        """By id, how often each pipeline was told to trigger, whatever it made of it."""
        times: dict[str, Counter[str]] = {}
        for one in self.account()["heard"]:
            if one["command"] == "trigger":
                times.setdefault(one["id"], Counter())[one["pipeline"]] += 1
        return times

    def tick(self, silence_s: float = 0.05) -> None:
        """Hears what has come, replies, writes on and shows how far that is. Raises Unreachable."""
        self._hear(silence_s)
        self._go_on()

    @contextmanager
    def running(self, every_s: float = 0.05) -> Iterator[None]:
        """Hears and writes in the background while the body runs, however often etcd goes away."""
        over = threading.Event()

        def until_over(what: Callable[[], None]) -> None:
            while not over.wait(every_s):
                try:
                    what()
                except Unreachable as error:
                    log.warning("the twin does not reach etcd: %s", error)

        threads = [
            threading.Thread(target=until_over, args=(what,), daemon=True)
            for what in (lambda: self._hear(1.0, over), self._go_on)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join(10)

    def _hear(self, silence_s: float, over: threading.Event | None = None) -> None:
        try:
            with self._keys.watch_all(COMMANDS, self._next, silence_s) as told:
                for key, put in told:
                    if over and over.is_set():
                        return
                    with self._lock:
                        self._take(key, put.value, put.revision)
                    self._send()
        except Compacted as gone:
            self._next = gone.revision

    def _take(self, key: str, value: bytes, revision: int) -> None:
        """Hand on a command; one that was heard before the watch was cut is not taken again."""
        self._next = revision  # more of its transaction may come
        block = self._by_key.get(key)
        if block is None or revision <= self._revisions[key]:
            return
        self._revisions[key] = revision
        if not block.hears:
            return
        now = self._clock().timestamp()
        record = block.take(value, now, self._speeds)
        self._heard.append(record)
        if block.dump and record["did"] == "began":
            self._dumps.append(block.dump)
        if block.fault.replies:
            reply = block.reply(record["id"], record["response"], now)
            self._replies.append((now + block.fault.reply_after_s, block.key("resp"), reply))

    def _go_on(self) -> None:
        with self._lock:
            now = self._clock().timestamp()
            for block in self._blocks.values():
                block.write(now, self._speeds)
            is_due = now - self._published >= self._publish_s
            points = {one.key("mon"): one.point(now) for one in self._blocks.values() if one.shows}
        self._send()
        if is_due:
            for key, value in points.items():
                self._keys.put(key, value)
            self._published = now

    def _send(self) -> None:
        """The replies that are due."""
        with self._lock:
            now = self._clock().timestamp()
            due = [one for one in self._replies if one[0] <= now]
            self._replies = [one for one in self._replies if one[0] > now]
        for _, key, reply in due:
            self._keys.put(key, reply)
