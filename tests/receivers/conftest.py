"""A stand-in for the relay, which can be away, refuse or hang; and a Kafka broker of librdkafka's own."""

import json
import threading
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka import TopicPartition

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


class Kafka:
    """librdkafka's mock cluster: one broker that speaks the real protocol over loopback."""

    def __init__(self) -> None:
        config = {"test.mock.num.brokers": 1, "bootstrap.servers": "replaced by the mock", "log_level": 3}
        self.producer = confluent_kafka.Producer(config)
        brokers = self.producer.list_topics(timeout=10).brokers.values()
        self.address = ",".join(f"{each.host}:{each.port}" for each in brokers)

    @property
    def config(self) -> dict[str, Any]:
        """Settings of librdkafka that lead to this broker."""
        return {
            "bootstrap.servers": self.address,
            "security.protocol": "plaintext",
            "session.timeout.ms": 6000,
            "topic.metadata.refresh.interval.ms": 500,
        }

    def send(self, topic: str, *messages: bytes, partition: int = 0) -> None:
        for message in messages:
            self.producer.produce(topic, message, partition=partition)
        assert self.producer.flush(10) == 0

    def committed(self, topic: str, group: str = "ovro-alert") -> int:
        """The group's committed offset in partition 0; negative when there is none."""
        with self._member(group) as consumer:
            return int(consumer.committed([TopicPartition(topic, 0)], timeout=10)[0].offset)

    def commit(self, topic: str, offset: int, group: str) -> None:
        """Commit an offset for a group in partition 0."""
        with self._member(group) as consumer:
            consumer.commit(offsets=[TopicPartition(topic, 0, offset)], asynchronous=False)

    @contextmanager
    def _member(self, group: str) -> Iterator[confluent_kafka.Consumer]:
        consumer = confluent_kafka.Consumer({**self.config, "group.id": group, "enable.auto.commit": False})
        try:
            yield consumer
        finally:
            consumer.close()


@pytest.fixture
def kafka() -> Kafka:
    return Kafka()
