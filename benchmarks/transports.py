"""From a sender's own transport to the telescope: a VOEvent by Comet, a gravitational wave by Kafka."""

import json
import shutil
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import httpx2

from benchmarks.backlog import receiver
from benchmarks.load import Load
from benchmarks.servers import KEY, Server, serving
from ovro_alert import formats
from ovro_alert.demo.processes import wait_for
from ovro_alert.demo.sample_bursts import Burst, chime_voevent
from ovro_alert.demo.sample_waves import BNS, gw_notice
from ovro_alert.demo.samples import superevent
from ovro_alert.link import vtp
from ovro_alert.link.relay import Relay
from tests.comets import CometBroker, ending, subscriber
from tests.kafkas import Apache
from tests.kafkas import Server as KafkaServer

VOEVENTS, WAVES = 200, 60
MEGABYTE = 990_000  # a little less, which is the most that a producer sends unless it is told
PATIENCE_S = 10.0


class At(NamedTuple):
    """Where the relay is, as daemons are told."""

    url: str
    key: str = KEY


class Follower:
    """Listens to /lwa by server-sent events and claims each command at once; when, by event."""

    def __init__(self, server: Server) -> None:
        self.at = At(f"http://127.0.0.1:{server.port}")
        self._told: dict[str, tuple[float, float]] = {}
        self._news = threading.Condition()
        self._listening = threading.Event()
        threading.Thread(target=self._follow, daemon=True).start()
        self._listening.wait(PATIENCE_S)

    def _follow(self) -> None:
        headers = {"X-API-Key": KEY}
        with (
            Relay(*self.at) as relay,
            httpx2.Client(base_url=self.at.url, headers=headers, timeout=None, trust_env=False) as http,
            http.stream("GET", "/lwa/stream") as stream,
        ):
            self._listening.set()
            for line in stream.iter_lines():
                if not line.startswith("data:"):
                    continue
                heard = time.perf_counter()
                entry = json.loads(line[5:])
                relay.claim(entry["id"], "bench", 60)
                with self._news:
                    self._told[entry["event_id"]] = (heard, time.perf_counter())
                    self._news.notify()

    def told(self, event_id: str) -> tuple[float, float]:
        """When the command of an event was heard of, and when it was claimed."""
        with self._news:
            if not self._news.wait_for(lambda: event_id in self._told, PATIENCE_S):
                raise TimeoutError(f"no command came of {event_id}")
            return self._told[event_id]


def voevents(directory: Path, say: Callable[[str], None]) -> None:
    """Says how long a VOEvent takes from a broker's author port, by a Comet that subscribes to it."""
    with serving("relay_api:app", directory) as server, ending(CometBroker(directory / "broker")) as broker:
        follower = Follower(server)
        with ending(subscriber(directory / "ours", broker.port, follower.at)):
            wait_for(lambda: "New subscriber" in broker.log, "our Comet at the broker")
            times = [_by_vtp(broker.author_port, follower, str(number)) for number in range(VOEVENTS)]
    _say(say, "author port of a broker, our Comet", times)


def _by_vtp(port: int, follower: Follower, number: str) -> tuple[float, float]:
    raw = chime_voevent(Burst(number, datetime.now(UTC) - timedelta(seconds=1), 29.5, 65.7, 500.0, 0.99))
    start = time.perf_counter()
    vtp.send(raw, "127.0.0.1", port)
    return _since(start, follower.told(f"chime-{number}"))


def waves(directory: Path, say: Callable[[str], None]) -> None:
    """Says how long a gravitational wave's notice, sky map and all, takes to read, and from Apache Kafka."""
    _reading(say)
    if not shutil.which("java"):
        say("left out: there is no Java for Apache Kafka (Debian's packages default-jre-headless and maven)")
        return
    broker = KafkaServer(directory / "kafka")
    try:
        kafka = Apache(broker.start().split()[0])
        with serving("relay_api:app", directory) as server:
            follower = Follower(server)
            with receiver(kafka, follower.at.url, directory):
                wait_for(lambda: "Kafka gave us" in (directory / "receiver.log").read_text(), "the receiver")
                times = [_by_kafka(kafka, follower, turn) for turn in range(WAVES)]
    finally:
        broker.remove()
    _say(say, "Kafka, a notice of a megabyte", times[1:])  # the first one finds everything yet to be made


def _reading(say: Callable[[str], None]) -> None:
    took = []
    for turn in range(WAVES):
        now = datetime.now(UTC)
        raw = gw_notice(superevent(now, turn), "PRELIMINARY", now, BNS).ljust(MEGABYTE)
        start = time.perf_counter()
        formats.read(raw, None)
        took.append((time.perf_counter() - start) * 1e3)
    took.sort()
    say(f"reading such a notice and its map: p50 {took[WAVES // 2]:.1f} ms, at most {took[-1]:.1f} ms")


def _by_kafka(kafka: Apache, follower: Follower, turn: int) -> tuple[float, float]:
    now = datetime.now(UTC)
    event = superevent(now, turn)
    raw = gw_notice(event, "PRELIMINARY", now, BNS).ljust(MEGABYTE)
    start = time.perf_counter()
    kafka.send(kafka.topic, raw)
    return _since(start, follower.told(f"ligo-{event}"))


def _since(start: float, told: tuple[float, float]) -> tuple[float, float]:
    heard, claimed = told
    return heard - start, claimed - start


def _say(say: Callable[[str], None], way: str, times: list[tuple[float, float]]) -> None:
    for name, seconds in zip(("told", "claimed"), zip(*times, strict=True), strict=True):
        load = Load(len(times), 1.0, tuple(sorted(each * 1e3 for each in seconds)))
        percentiles = "   ".join(f"p{each} {load.percentile(each):.1f} ms" for each in (50, 90, 99))
        say(f"{way} → {name:<8} {percentiles}")
