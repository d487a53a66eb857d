"""Load on a relay: threads that write and follow through whatever happens, and note what they were told."""

import itertools
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

import httpx2

from ovro_alert.link.relay import Away, Receipt, Refused, Relay
from ovro_alert.link.retry import Stopped, persist

SLOT = "lwa"
AGAIN_S = 0.02  # between two tries; the daemons' own backoff would spend the faults asleep
APART = 1_000_000.0  # between the numbers of two writers
JOIN_S = 60.0


@dataclass
class Ledger:
    """What the relay said. A command goes by its `command_mjd`, which no two have in common."""

    acknowledged: dict[float, tuple[int, int]] = field(default_factory=dict)  # → id and seq
    refused: set[float] = field(default_factory=set)  # by a 503, which says that nothing was kept
    receipts: dict[str, Receipt] = field(default_factory=dict)  # by alert
    unanswered: int = 0  # PUTs that waited in vain
    strange: list[str] = field(default_factory=list)  # answers that nobody should get

    def count(self) -> int:
        return len(self.acknowledged) + len(self.receipts)


class Load:
    """Writers and followers of one relay, from `put`, `post` and `follow` until the block is left."""

    def __init__(self, url: str, key: str, ledger: Ledger) -> None:
        self.ledger = ledger
        self.followed: dict[str, list[tuple[int, int]]] = {}  # by follower: the (seq, id) that it was given
        self._url = url
        self._key = key
        self._writing = threading.Event()  # set: no more
        self._following = threading.Event()
        self._writers: list[threading.Thread] = []
        self._followers: list[threading.Thread] = []
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop_writing()
        self._end(self._following, self._followers)

    def stop_writing(self) -> None:
        """Lets the writers end what they are at, and the followers go on."""
        self._end(self._writing, self._writers)

    def put(self, *, repeat: bool = False, size: int = 0, wait_s: float = 10.0) -> None:
        """A writer that PUTs without pause. One that repeats sends what got no answer again, with the same
        Idempotency-Key; the other leaves it, for it cannot know."""
        first = next(self._numbers) * APART
        self._start(self._writers, lambda: self._put(first, repeat, "x" * size, wait_s))

    def post(self) -> None:
        """A writer that POSTs alerts, each of which queues a command; each until it is taken."""
        number = next(self._numbers)
        self._start(self._writers, lambda: self._post(number))

    def follow(self) -> None:
        """A follower by waiting request, which resumes where it was."""
        seen = self.followed[f"waiting {next(self._numbers)}"] = []
        self._start(self._followers, lambda: self._follow(seen))

    def stream(self) -> None:
        """A follower by server-sent events, which resumes by Last-Event-ID."""
        seen = self.followed[f"streaming {next(self._numbers)}"] = []
        self._start(self._followers, lambda: self._stream(seen))

    def _start(self, threads: list[threading.Thread], work: Callable[[], None]) -> None:
        def body() -> None:
            try:
                work()
            except Exception as error:  # a client that ends early proves nothing
                self.ledger.strange.append(f"{type(error).__name__}: {error}")

        thread = threading.Thread(target=body, daemon=True)
        threads.append(thread)
        thread.start()

    def _end(self, stop: threading.Event, threads: list[threading.Thread]) -> None:
        stop.set()
        for thread in threads:
            thread.join(JOIN_S)
            if thread.is_alive():
                self.ledger.strange.append("a client that got no answer at all")
        threads.clear()

    def client(self, wait_s: float = 10.0) -> httpx2.Client:
        return httpx2.Client(
            base_url=self._url, headers={"X-API-Key": self._key}, trust_env=False, timeout=wait_s
        )

    def _put(self, first: float, repeat: bool, filling: str, wait_s: float) -> None:
        mjd = first
        with self.client(wait_s) as client:
            while not self._writing.is_set():
                body = {"command": "powerbeam", "command_mjd": mjd, "args": {"filling": filling}}
                headers = {"Idempotency-Key": f"torture-{mjd}"} if repeat else {}
                try:
                    answer = client.put(f"/{SLOT}", json=body, headers=headers)
                except httpx2.TransportError as error:
                    self.ledger.unanswered += isinstance(error, httpx2.ReadTimeout)
                    self._writing.wait(AGAIN_S)
                    mjd += not repeat
                    continue
                if answer.status_code == 503:
                    self._note_refusal(mjd, answer, repeat)
                    self._writing.wait(AGAIN_S)
                    mjd += not repeat
                    continue
                if answer.status_code == 200:
                    said = answer.json()
                    self.ledger.acknowledged[mjd] = (said["id"], said["seq"])
                else:
                    self.ledger.strange.append(f"PUT: {answer.status_code} {answer.text[:200]}")
                mjd += 1

    def _note_refusal(self, mjd: float, answer: httpx2.Response, repeat: bool) -> None:
        if "detail" not in _object(answer):
            self.ledger.strange.append(f"PUT: a 503 that does not say why: {answer.text[:200]!r}")
        if not repeat:
            self.ledger.refused.add(mjd)

    def _post(self, number: int) -> None:
        start = datetime.now(UTC) + timedelta(days=1)
        with Relay(self._url, self._key) as relay:
            for n in itertools.count():
                request = {"ra": 150.0, "dec": 20.0, "start": start.isoformat(), "duration": 60}
                raw = json.dumps(request | {"name": f"torture {number} {n}"}).encode()
                try:
                    receipt = persist(
                        lambda raw=raw: relay.post_alert(raw, {"via": "torture"}),  # type: ignore[misc]
                        self._writing,
                        itertools.repeat(AGAIN_S),
                    )
                except Stopped:
                    return
                except Refused as refused:
                    self.ledger.strange.append(f"POST: {refused}")
                    return
                self.ledger.receipts[receipt.alert_id] = receipt

    def _follow(self, seen: list[tuple[int, int]]) -> None:
        after = 0
        with Relay(self._url, self._key) as relay:
            while not self._following.is_set():
                try:
                    entries, after = relay.commands(SLOT, after, 1.0)
                except Away:
                    self._following.wait(AGAIN_S)
                    continue
                seen += [(entry.seq, entry.id) for entry in entries]

    def _stream(self, seen: list[tuple[int, int]]) -> None:
        with self.client(1.0) as client:
            while not self._following.is_set():
                headers = {"Last-Event-ID": str(seen[-1][0])} if seen else {}
                try:
                    with client.stream("GET", f"/{SLOT}/stream", headers=headers) as answer:
                        self._read_events(answer, seen)
                except httpx2.TransportError:
                    self._following.wait(AGAIN_S)

    def _read_events(self, answer: httpx2.Response, seen: list[tuple[int, int]]) -> None:
        if answer.status_code != 200:
            raise RuntimeError(f"GET /{SLOT}/stream: {answer.status_code}")
        number = ""
        for line in answer.iter_lines():
            if self._following.is_set():
                return
            name, _, value = line.partition(":")
            if name == "id":
                number = value.strip()
            elif name == "data":
                seen.append((int(number), int(json.loads(value)["id"])))


def _object(answer: httpx2.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
