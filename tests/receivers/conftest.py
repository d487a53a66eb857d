"""A stand-in for the relay, which can be away, refuse or hang; and the Kafka brokers of these tests."""

import json
import os
import threading
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import kafkas
from ovro_alert.receivers.gcn_kafka import GcnSettings
from receiving import settings_for

KEY = "the key of these tests"
Answer = tuple[int, dict[str, Any]]


def accept(raw: bytes) -> Answer:
    """The relay's answer to an alert that no rule wants."""
    name = raw.decode(errors="replace")[:60]
    return 200, {"alert_id": name, "event_id": name, "duplicate": False, "decisions": [], "commands": []}


@dataclass
class StandIn:
    """What came to the stand-in of the relay, and what it is to answer."""

    posted: list[tuple[bytes, dict[str, Any], str | None]] = field(default_factory=list)
    acknowledged: list[bytes] = field(default_factory=list)
    answer: Callable[[bytes], Answer] = accept
    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: int = 0  # how often about an event
    pulses: dict[str, dict[str, Any]] = field(default_factory=dict)  # what came last of each source
    hanging: threading.Event = field(default_factory=threading.Event)  # set: alerts wait for the release
    release: threading.Event = field(default_factory=threading.Event)
    url: str = ""
    key: str = KEY

    @property
    def raws(self) -> list[bytes]:
        return [raw for raw, _, _ in self.posted]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    stand_in: StandIn

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        raw = self.rfile.read(length)
        if len(raw) < length:  # its sender was killed over it
            return
        key = self.headers["X-API-Key"]
        batch = self.path == "/alerts/batch"
        if batch:
            messages = [(b64decode(one["content"]), one["transport"]) for one in json.loads(raw)["messages"]]
        else:
            messages = [(raw, json.loads(self.headers["X-Alert-Transport"]))]
        self.stand_in.posted += [(message, about, key) for message, about in messages]
        if self.stand_in.hanging.is_set():
            self.stand_in.release.wait(30)
        answers = [self.stand_in.answer(message) for message, _ in messages]
        for answer in answers:
            if batch and answer[0] not in (200, 422):  # such as a wrong key: none of them is taken
                answers, batch = [answer], False
                break
        self.stand_in.acknowledged += [
            message for (message, _), (status, _) in zip(messages, answers, strict=False) if status == 200
        ]
        if batch:
            self.say(200, {"answers": [body | {"status": status} for status, body in answers]})
        else:
            self.say(*answers[0])

    def do_GET(self) -> None:
        self.stand_in.asked += 1
        event = self.stand_in.events.get(self.path.removeprefix("/events/"))
        self.say(*((200, event) if event else (404, {"detail": "there is no such event"})))

    def do_PUT(self) -> None:
        pulse = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.stand_in.pulses[self.path.removeprefix("/sources/")] = pulse
        self.say(200, {})

    def say(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


class QuietServer(ThreadingHTTPServer):
    request_queue_size = 100

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A receiver that was killed leaves broken connections; they are what is tested."""


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    """A relay's stand-in on loopback."""
    state = StandIn()
    server = QuietServer(("127.0.0.1", 0), type("BoundHandler", (Handler,), {"stand_in": state}))
    server.daemon_threads = True
    server.block_on_close = False
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield state
    state.release.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(params=["mock", "apache"])
def kafka(request: pytest.FixtureRequest) -> Iterator[kafkas.Kafka]:
    """librdkafka's mock cluster, and Apache Kafka where there is one."""
    with closing(kafkas.Mock() if request.param == "mock" else kafkas.Apache(_started()[0])) as kafka:
        yield kafka


@pytest.fixture
def guarded_kafka() -> Iterator[tuple[kafkas.Apache, kafkas.TokenEndpoint]]:
    """Apache Kafka by the address that wants a token, and who gives them."""
    address, guarded, keys = _started()
    with closing(kafkas.Apache(address)) as kafka, kafkas.giving_tokens(Path(keys)) as endpoint:
        kafka.address = guarded
        yield kafka, endpoint


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[tuple[kafkas.Server, kafkas.Apache]]:
    """An Apache Kafka that this test may stop."""
    _started()
    server = kafkas.Server(tmp_path / "kafka")
    try:
        with closing(kafkas.Apache(server.start().split()[0])) as kafka:
            yield server, kafka
    finally:
        server.remove()


def _started() -> list[str]:
    """What `deploy/dev/kafka start` printed."""
    if not (started := os.environ.get("OVRO_ALERT_TEST_KAFKA")):
        pytest.skip("no Apache Kafka: set OVRO_ALERT_TEST_KAFKA to what `deploy/dev/kafka start` prints")
    return started.split()


@pytest.fixture
def settings(kafka: kafkas.Kafka, tmp_path: Path) -> GcnSettings:
    """What a receiver of that broker is set to."""
    return settings_for(kafka, tmp_path)
