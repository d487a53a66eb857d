"""What the tests of Kafka share: librdkafka's mock cluster, Apache Kafka itself, who gives tokens for it."""

import ctypes
import json
import subprocess
import threading
import time
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import confluent_kafka
import jwt
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic  # the admin module has it, but says not so

SCRIPT = Path(__file__).parents[1] / "deploy" / "dev" / "kafka"


class Kafka:
    """A broker, and on it a topic and a group of one test's own."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.topic = f"igwn.gwalert.{uuid4().hex}"
        self.group = f"group-{uuid4().hex}"
        config = {"bootstrap.servers": address, "reconnect.backoff.max.ms": 500, "log_level": 0}
        # Idempotent, so that what is sent again keeps its order.
        self._producer = confluent_kafka.Producer(config | {"linger.ms": 0, "enable.idempotence": True})
        self._asking = confluent_kafka.Consumer(config | {"group.id": self.group})

    @property
    def config(self) -> dict[str, Any]:
        """Settings of librdkafka that lead to this broker, and make it notice soon what happens."""
        return {
            "bootstrap.servers": self.address,
            "security.protocol": "plaintext",
            "session.timeout.ms": 2000,
            "heartbeat.interval.ms": 200,
            "topic.metadata.refresh.interval.ms": 500,
            "reconnect.backoff.max.ms": 500,
            "statistics.interval.ms": 200,
        }

    def close(self) -> None:
        """Take leave of it."""
        self._asking.close()

    def send(self, topic: str, *messages: bytes, partition: int = 0) -> None:
        for message in messages:
            self._producer.produce(topic, message, partition=partition)
        assert self._producer.flush(20) == 0

    def committed(self, partition: int = 0) -> int:
        """The group's committed offset in the topic; negative when there is none."""
        return int(self._asking.committed([TopicPartition(self.topic, partition)], timeout=20)[0].offset)


class Mock(Kafka):
    """librdkafka's mock cluster: one broker that speaks the protocol over loopback.

    It is made by rdkafka_mock.h: from Python its groups could not be had without the three seconds that they
    wait for more members, which would be most of these tests' time.
    """

    def __init__(self) -> None:
        (path,) = (Path(confluent_kafka.__file__).parents[1] / "confluent_kafka.libs").glob("librdkafka*")
        library = ctypes.CDLL(str(path))
        for function in (library.rd_kafka_conf_new, library.rd_kafka_new, library.rd_kafka_mock_cluster_new):
            function.restype = ctypes.c_void_p
        library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
        config = ctypes.c_void_p(library.rd_kafka_conf_new())
        library.rd_kafka_conf_set(config, b"log_level", b"0", None, 0)
        handle = ctypes.c_void_p(library.rd_kafka_new(0, config, None, 0))
        cluster = ctypes.c_void_p(library.rd_kafka_mock_cluster_new(handle, 1))
        library.rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0)
        super().__init__(library.rd_kafka_mock_cluster_bootstraps(cluster).decode())
        self._cluster, self._handle, self._library = cluster, handle, library

    def close(self) -> None:
        super().close()
        self._library.rd_kafka_mock_cluster_destroy(self._cluster)
        self._library.rd_kafka_destroy(self._handle)


class Apache(Kafka):
    """Apache Kafka at an address."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        topic = NewTopic(self.topic, num_partitions=4)  # as many as the mock makes
        admin = AdminClient({"bootstrap.servers": address})
        admin.create_topics([topic])[self.topic].result(60)


class Server:
    """An Apache Kafka of one test's own, that it may stop."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def start(self) -> str:
        """Starts it, with what was in it before; what `deploy/dev/kafka` prints."""
        return self._do("start")

    def stop(self) -> None:
        self._do("stop")

    def remove(self) -> None:
        self._do("remove")

    def _do(self, word: str) -> str:
        done = subprocess.run([SCRIPT, word, self.directory], capture_output=True, text=True, timeout=50)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@dataclass
class TokenEndpoint:
    """Who gives tokens for a broker that takes those signed with a key of a JSON Web Key Set (RFC 7517).

    `fault` is what the next requests meet: "error" (500), "refused" (401), "garbage", or "forged" (a token
    that is signed with another key).
    """

    keys: Path
    life_s: int = 600
    fault: str = ""
    url: str = ""
    asked: list[tuple[str, bytes]] = field(default_factory=list)  # the Authorization header, and the body

    def token(self, life_s: int, *, forged: bool = False) -> str:
        (key,) = json.loads(self.keys.read_text())["keys"]
        secret = urlsafe_b64decode(key["k"] + "=")
        now = int(time.time())
        claims = {"sub": "these tests", "iat": now, "exp": now + life_s}
        return jwt.encode(claims, bytes(32) if forged else secret, key["alg"], headers={"kid": key["kid"]})

    def answer(self) -> tuple[int, bytes]:
        if self.fault in ("error", "refused"):
            return 500 if self.fault == "error" else 401, b'{"error": "invalid_client"}'
        token = (
            "no token" if self.fault == "garbage" else self.token(self.life_s, forged=self.fault == "forged")
        )
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": self.life_s}
        return 200, json.dumps(answer).encode()


class TokenHandler(BaseHTTPRequestHandler):
    endpoint: TokenEndpoint

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.endpoint.asked.append((self.headers["Authorization"], body))
        status, content = self.endpoint.answer()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def giving_tokens(keys: Path) -> Iterator[TokenEndpoint]:
    """A token endpoint on loopback (RFC 6749, client credentials)."""
    endpoint = TokenEndpoint(keys)
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), type("BoundHandler", (TokenHandler,), {"endpoint": endpoint})
    )
    endpoint.url = f"http://127.0.0.1:{server.server_port}/oauth2/token"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
