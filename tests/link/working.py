"""What tests of those who carry out commands share: a relay in a thread, a wire that loses, a house."""

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import uvicorn

from ovro_alert.acting import Hands
from ovro_alert.command import Entry
from ovro_alert.link.daemon import in_background
from ovro_alert.link.relay import Relay
from ovro_alert.link.settings import WorkerSettings
from ovro_alert.link.worker import Worker
from ovro_alert.relay.app import create_app
from ovro_alert.relay.settings import RelaySettings
from support import until

KEY = "a key of these tests"
LIMIT_S = 20.0
Send = Callable[[], httpx2.Response]
slots = (f"telescope{n}" for n in itertools.count())


@contextmanager
def relay_in_a_thread(directory: Path) -> Iterator[str]:
    """The URL of a relay in this process, with a slot for each test."""
    settings = RelaySettings(
        key=KEY,
        database_url=f"sqlite:///{directory / 'relay.sqlite'}",
        slots={f"telescope{n}": "telescope" for n in range(200)}
        | {"lwa": "telescope", "dsa": "both", "world": "telescope", "ligo": "sender", "chime": "sender"},
    )
    server = uvicorn.Server(uvicorn.Config(create_app(settings), port=0, log_level="warning"))
    future = in_background(server.run, "relay")
    until(lambda: server.started)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    future.result(LIMIT_S)


class Wire(httpx2.BaseTransport):
    """To the relay; `fault(request, send)` may answer in its place, or lose the request or its answer."""

    def __init__(self) -> None:
        self.inner = httpx2.HTTPTransport()
        self.asked: list[str] = []
        self.fault: Callable[[httpx2.Request, Send], httpx2.Response] = lambda _, send: send()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(f"{request.method} {request.url.path}")
        return self.fault(request, lambda: self.inner.handle_request(request))

    def close(self) -> None:
        self.inner.close()


class House:
    """One slot and one directory, and as many workers as a test wants."""

    def __init__(self, url: str, directory: Path, hands: Hands) -> None:
        self.url = url
        self.directory = directory
        self.hands = hands
        self.slot = next(slots)
        self.relay = Relay(url, KEY)

    def put(self, command: str, args: dict[str, Any] | None = None) -> Entry:
        self.relay.put(self.slot, command, args or {}, 61041.0)
        return self.relay.commands(self.slot, 0, 0)[0][-1]

    def told(self, entry: Entry, *kinds: str) -> list[dict[str, Any]]:
        """What the feed has of a command, in order."""
        told, after = [], 0
        while (page := self.relay.feed(after, 0))[0]:
            told += [each.data for each in page[0] if each.kind in kinds and each.command_id == entry.id]
            after = page[1]
        return told

    def outcome(self, entry: Entry) -> tuple[str, dict[str, Any]]:
        """How a command ended, and what was reported of it, once it is over."""
        last: dict[str, Any] = {}

        def is_over() -> bool:
            for report in self.told(entry, "reported"):
                last.update(report)
            return last.get("state", "running") != "running"

        until(is_over, what=f"the end of {entry.command}")
        return last["state"], last["detail"]

    def settings(self, **changes: Any) -> WorkerSettings:
        fields = {"slot": self.slot, "client": "one", "directory": self.directory}
        return WorkerSettings(**fields | {"lease_s": 0.6, "wait_s": 0.1, "recheck_s": 0.1} | changes)

    @contextmanager
    def worker(self, wire: Wire | None = None, **changes: Any) -> Iterator[Future[None]]:
        """A worker at its work until the block ends; the rest of `changes` are settings."""
        its = {name: changes.pop(name) for name in ("clock", "step", "in_turn") if name in changes}
        hands = changes.pop("hands", self.hands)
        stop = threading.Event()
        with Relay(self.url, KEY, transport=wire or Wire()) as relay:
            worker = Worker(relay, hands, self.settings(**changes), stop, **its)
            future = in_background(worker.follow, "worker")
            try:
                yield future
            finally:
                stop.set()
                until(future.done)
        future.result()
