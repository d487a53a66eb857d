"""From a command to the telescope's etcd: OVRO-LWA's client in a process of its own, its twins in ours."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

import httpx2

from benchmarks.load import Load
from benchmarks.servers import KEY, serving
from ovro_alert.command import is_over
from ovro_alert.demo.etcd_gateway import Gateway
from ovro_alert.demo.processes import wait_for
from ovro_alert.demo.sample_bursts import Burst, chime_voevent
from ovro_alert.link import vtp
from ovro_alert.link.daemon import in_background
from ovro_alert.link.etcd import Etcd, EtcdAway
from ovro_alert.link.relay import Relay
from ovro_alert.telescopes.lwa.twin.executor import SUBMIT, Executor
from ovro_alert.telescopes.lwa.twin.pipelines import COMMANDS, Pipelines
from tests.comets import CometBroker, ending, subscriber
from tests.etcds import Server

BEAMS, DUMPS, VOEVENTS = 150, 30, 100
PIPELINES = 16
PATIENCE_S = 30.0
SESSION_S, PAUSE_S = 0.1, 0.4  # a beam is free for the next, 5 s after the end of its last
BEAM_NUMBERS = [1, 3, *range(5, 17)]
SPEED = 4000.0  # of writing a dump, of life's
BEAM = {"ra": 83.633, "dec": 22.014, "duration": SESSION_S}
# The default's rule for a burst of CHIME's, but for how long it looks, which is minutes.
POLICY = f"""
[[rule]]
name = "CHIME burst"
when = ['source == "chime"', 'frb.dm >= 100 and (frb.importance ?? 1) >= 0.9']
unless = ['asked("lwa", "powerbeam")', 'altitude(localization.ra, localization.dec, arrival(43)) < 5']
[[rule.then]]
slot = "lwa"
command = "powerbeam"
deadline = 'arrival(43)'
args.ra = 'localization.ra'
args.dec = 'localization.dec'
args.dm = 'frb.dm'
args.start = 'now'
args.duration = {SESSION_S}
args.name = 'event_id'
"""


class Watched:
    """When each put of a key, or of all below a prefix, was told of."""

    def __init__(self, keys: Etcd, prefix: str) -> None:
        self.told: list[float] = []
        self._news = threading.Condition()
        self._keys = keys
        self._next = keys.get(prefix).revision + 1
        self._prefix = prefix
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        # Until the etcd is closed.
        with suppress(EtcdAway), self._keys.watch_all(self._prefix, self._next, silence_s=3600) as puts:
            for _ in puts:
                with self._news:
                    self.told.append(time.perf_counter())
                    self._news.notify()

    def after(self, number: int) -> float:
        """When so many had been told of."""
        with self._news:
            if not self._news.wait_for(lambda: len(self.told) >= number, PATIENCE_S):
                raise TimeoutError(f"{len(self.told)} of {number} puts came below {self._prefix}")
            return self.told[number - 1]


class At(NamedTuple):
    """Where the relay is, as daemons are told."""

    url: str
    key: str = KEY


def measure(directory: Path, say: Callable[[str], None]) -> None:
    """Says how long a command takes from being sent to standing in etcd, and a VOEvent to being a session."""
    (directory / "policy.toml").write_text(POLICY)
    changes = {"OVRO_ALERT_RELAY_POLICY": str(directory / "policy.toml")}
    with (
        _etcd(directory / "etcd", say) as url,
        serving("relay_api:app", directory, changes=changes) as server,
        _telescope(url) as keys,
    ):
        at = At(f"http://127.0.0.1:{server.port}")
        sessions, dumps = Watched(keys, SUBMIT), Watched(keys, COMMANDS)
        with _client(directory, url, at), Relay(*at) as relay, _slot(at) as slot:
            _put(slot, "powerbeam", BEAM)  # the first one finds everything yet to be made
            sessions.after(1)
            sent, queued = _beams(slot, sessions)
            _say(say, "PUT of a powerbeam sent → its SDF submitted", sent)
            _say(say, "PUT of a powerbeam acknowledged → its SDF submitted", queued)
            name = f"PUT of a trigger sent → the commands of all {PIPELINES} pipelines"
            _say(say, name, _dumps(slot, relay, dumps))
            with (
                ending(CometBroker(directory / "broker")) as broker,
                ending(subscriber(directory / "ours", broker.port, at)),
            ):
                wait_for(lambda: "New subscriber" in broker.log, "our Comet at the broker")
                times = _voevents(broker.author_port, sessions)
            _say(say, "VOEvent to a broker's author port → its SDF submitted", times)


def _beams(slot: httpx2.Client, sessions: Watched) -> tuple[list[float], list[float]]:
    since_sent, since_queued = [], []
    for _ in range(BEAMS):
        number = len(sessions.told) + 1
        start = time.perf_counter()
        _put(slot, "powerbeam", BEAM)
        queued = time.perf_counter()
        submitted = sessions.after(number)
        since_sent.append(submitted - start)
        since_queued.append(submitted - queued)
        time.sleep(PAUSE_S)
    return since_sent, since_queued


def _dumps(slot: httpx2.Client, relay: Relay, dumps: Watched) -> list[float]:
    times = []
    for _ in range(DUMPS):
        number = len(dumps.told) + PIPELINES
        start = time.perf_counter()
        id = _put(slot, "trigger", {"duration": 10})
        times.append(dumps.after(number) - start)
        wait_for(partial(_is_over, relay, id), "the end of a dump", PATIENCE_S)
    return times


def _voevents(port: int, sessions: Watched) -> list[float]:
    times = []
    for turn in range(VOEVENTS):
        number = len(sessions.told) + 1
        seen = datetime.now(UTC) - timedelta(seconds=1)
        raw = chime_voevent(Burst(str(turn), seen, 29.5, 65.7, 500.0, 0.99))
        start = time.perf_counter()
        vtp.send(raw, "127.0.0.1", port)
        times.append(sessions.after(number) - start)
        time.sleep(PAUSE_S)
    return times


def _put(slot: httpx2.Client, command: str, args: dict[str, float]) -> int:
    body = {"command": command, "command_mjd": 61041.0, "args": args}
    return int(slot.put("/lwa", json=body).raise_for_status().json()["id"])


def _is_over(relay: Relay, id: int) -> bool:
    state = relay.command(id).state
    return state is not None and is_over(state)


def _slot(at: At) -> httpx2.Client:
    return httpx2.Client(base_url=at.url, headers={"X-API-Key": at.key}, trust_env=False, timeout=PATIENCE_S)


@contextmanager
def _etcd(directory: Path, say: Callable[[str], None]) -> Iterator[str]:
    if shutil.which("etcd") is None:
        say("by the etcd in memory: Debian's package etcd-server is not installed")
        with Gateway() as gateway:
            yield gateway.url
        return
    server = Server(directory)
    try:
        server.start()
        yield server.url
    finally:
        server.remove()


@contextmanager
def _telescope(url: str) -> Iterator[Etcd]:
    """The twins at work, and the etcd as one more sees it."""
    stop = threading.Event()
    with Etcd([url]) as first, Etcd([url]) as second, Etcd([url]) as keys:
        executor = Executor(first)
        with Pipelines(second, speed=SPEED, publish_s=0.2).running():
            twin = in_background(lambda: executor.run(stop, 0.05), "twin")
            try:
                yield keys
            finally:
                stop.set()
                twin.result(PATIENCE_S)


@contextmanager
def _client(directory: Path, url: str, at: At) -> Iterator[None]:
    """OVRO-LWA's as it comes, but with more beams, and looking often at a dump that is soon over."""
    environment = {
        **os.environ,
        "RELAY_URL": at.url,
        "RELAY_KEY": at.key,
        "OVRO_ALERT_ETCD_ENDPOINTS": f'["{url}"]',
        "OVRO_ALERT_LWA_ALERT_DIRECTORY": str(directory / "lwa"),
        "OVRO_ALERT_LWA_BEAMS": str(BEAM_NUMBERS),
        "OVRO_ALERT_LWA_DUMP_LOOK_S": "0.1",
    }
    log = directory / "client.log"
    with log.open("wb") as file:
        command = [sys.executable, "-m", "ovro_alert.clients.lwa_alert"]
        process = subprocess.Popen(command, env=environment, stderr=file)
    try:
        wait_for(lambda: "following" in log.read_text(), "the client")
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def _say(say: Callable[[str], None], way: str, seconds: list[float]) -> None:
    load = Load(len(seconds), 1.0, tuple(sorted(each * 1e3 for each in seconds)))
    say(f"{way:<60} {'   '.join(f'p{each} {load.percentile(each):.1f} ms' for each in (50, 90, 99))}")
