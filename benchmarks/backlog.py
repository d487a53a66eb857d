"""A backlog in Kafka, drained by the receiver into a relay, and what it holds while the relay is away."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import confluent_kafka

from benchmarks.servers import KEY, serving
from ovro_alert.demo.processes import free_port, wait_for
from ovro_alert.demo.sample_bursts import Burst, chime_notice
from ovro_alert.demo.sample_waves import BBH, gw_notice
from tests.kafkas import Apache, Server

SMALL = 10_000
WAVES = 200
HOUR = 60 * 60  # heartbeats, one a second
AWAY_S = 20.0  # long enough to take all that will be taken
LIMIT_S = 300.0


def measure(directory: Path, say: Callable[[str], None]) -> None:
    """Says how fast a backlog is drained, beside how fast Kafka gives it to whoever throws it away; and how
    large the receiver grows while the relay is away."""
    if not shutil.which("java"):
        say("left out: there is no Java for Apache Kafka (Debian's packages default-jre-headless and maven)")
        return
    server = Server(directory / "kafka")
    try:
        address = server.start().split()[0]
        for name, messages in (("small notices", _bursts(SMALL)), ("GW notices", _waves(WAVES))):
            _drain(directory, Apache(address), name, messages, say)
        _grow(directory, Apache(address), say)
    finally:
        server.remove()


def _bursts(number: int) -> list[bytes]:
    now = datetime.now(UTC)
    return [
        chime_notice(Burst(str(n), now - timedelta(days=1), 29.5, 65.7, 500.0, 0.5)) for n in range(number)
    ]


def _waves(number: int) -> list[bytes]:
    """Distinct superevents with the same sky map, which is most of the work of making them."""
    one = gw_notice("S260101zz", "PRELIMINARY", datetime.now(UTC) - timedelta(days=1), BBH)
    names = (f"S2601{day:02}{chr(97 + n)}".encode() for day in range(1, 29) for n in range(26))
    return [one.replace(b"S260101zz", name) for _, name in zip(range(number), names, strict=False)]


def _drain(
    directory: Path, kafka: Apache, name: str, messages: Sequence[bytes], say: Callable[[str], None]
) -> None:
    kafka.send(kafka.topic, *messages)
    bare = _read(kafka, len(messages))
    place = directory / name.replace(" ", "-")
    place.mkdir()
    with serving("relay_api:app", place) as relay, receiver(kafka, f"http://127.0.0.1:{relay.port}", place):
        first, began = _reached(kafka, 1)
        _, ended = _reached(kafka, len(messages))
    rate = (len(messages) - first) / (ended - began)
    size = sum(map(len, messages)) // len(messages)
    say(
        f"{len(messages):6} {name} of {size} bytes: {rate:.0f} a second into the relay's log, "
        f"{bare:.0f} from Kafka to nowhere (ratio {rate / bare:.3f})"
    )
    with closing(sqlite3.connect(place / "bench.sqlite")) as database:
        (logged,) = database.execute("SELECT count(*) FROM alerts").fetchone()
    if logged != len(messages):
        raise RuntimeError(f"{logged} of {len(messages)} are in the log")


def _reached(kafka: Apache, offset: int) -> tuple[int, float]:
    """The committed offset when it has reached `offset`, and when that was."""
    found: list[int] = []

    def reached() -> bool:
        found[:] = [kafka.committed()]
        return found[0] >= offset

    wait_for(reached, "the receiver", LIMIT_S)
    return found[0], time.perf_counter()


def _read(kafka: Apache, number: int) -> float:
    """Messages a second that a consumer of its own can read, without doing anything with them."""
    settings = kafka.config | {"group.id": f"{kafka.group}-bare", "auto.offset.reset": "earliest"}
    consumer = confluent_kafka.Consumer(settings)
    consumer.subscribe([kafka.topic])
    while not consumer.poll(0.1):
        pass
    began = time.perf_counter()
    left = number - 1
    while left > 0:
        left -= len([each.value() for each in consumer.consume(500, 0.1)])
    rate = (number - 1) / (time.perf_counter() - began)
    consumer.close()
    return rate


@contextmanager
def receiver(kafka: Apache, relay: str, place: Path, heartbeat: bool = False) -> Iterator[int]:
    """A receiver as an operator runs it; gives its process id."""
    environment = {
        **os.environ,
        "RELAY_URL": relay,
        "RELAY_KEY": KEY,
        "OVRO_ALERT_GCN_KAFKA_TOPICS": json.dumps([kafka.topic]),
        "OVRO_ALERT_GCN_KAFKA_HEARTBEAT": str(heartbeat),
        "OVRO_ALERT_GCN_KAFKA_GROUP_ID": kafka.group,
        "OVRO_ALERT_GCN_KAFKA_CONFIG": json.dumps(kafka.config),
    }
    command = [sys.executable, "-m", "ovro_alert.receivers.gcn_kafka"]
    with (place / "receiver.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=place, env=environment, stderr=log)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(20)


def _grow(directory: Path, kafka: Apache, say: Callable[[str], None]) -> None:
    """An hour's heartbeats and more notices than an hour has, and nobody to take them: what a receiver holds
    depends on what came, not on how long it took."""
    waves = _waves(WAVES)
    with receiver(kafka, f"http://127.0.0.1:{free_port()}", directory, heartbeat=True) as pid:
        kafka.send(kafka.topic, b"{}")
        wait_for(lambda: b"the relay is away" in (directory / "receiver.log").read_bytes(), "the receiver")
        before = _memory(pid)
        kafka.send("gcn.heartbeat", *[b'{"alert_datetime": "2026-01-01T00:00:00.000Z"}'] * HOUR)
        kafka.send(kafka.topic, *waves)
        end = time.monotonic() + AWAY_S
        most = before
        while time.monotonic() < end:
            most = max(most, _memory(pid))
            time.sleep(0.1)
    say(
        f"the relay away for {HOUR} heartbeats and {sum(map(len, waves)) / 1e6:.0f} MB of GW notices: "
        f"the receiver grew from {before / 1e6:.0f} to {most / 1e6:.0f} MB"
    )


def _memory(pid: int) -> int:
    """The resident memory of a process in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024
