"""GCN's receiver killed at any instant under load; its broker, its network, its tokens and the relay away.

python -m torture.broker DIRECTORY SECONDS     the part that goes on in a network of its own
"""

import itertools
import json
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import confluent_kafka

from ovro_alert.demo.processes import wait_for
from ovro_alert.demo.sample_bursts import Burst, chime_notice
from tests.kafkas import Apache, Server, TokenEndpoint, giving_tokens
from tests.support import RunningRelay
from torture.audit import whole
from torture.ground import Ground, Outcome, Skipped

TRIES = "kill -9 of GCN's receiver; Kafka, the network to it, its tokens and the relay away"
KILLS, QUICK_KILLS = 100, 10
LONGEST_S = 4.0  # a receiver lives: the first seconds it waits for what the group had promised the one before
AWAY_S, QUICK_AWAY_S = 300.0, 10.0
FAULT_S, QUICK_FAULT_S = 30.0, 6.0  # of the token endpoint, by turns; a token is good for TOKEN_S
TOKEN_S = 5
PAUSE_S = 0.02  # between two notices
LIMIT_S = 120.0
NAMESPACE = ("unshare", "--user", "--map-root-user", "--net")


def run(ground: Ground) -> Outcome:
    """Every notice that Kafka acknowledged is in the relay's log, and none twice."""
    if not (shutil.which("java") and shutil.which("mvn")):
        raise Skipped("there is no Java for Apache Kafka (Debian's default-jre-headless and maven)")
    kills, away_s, fault_s = (
        (QUICK_KILLS, QUICK_AWAY_S, QUICK_FAULT_S) if ground.quick else (KILLS, AWAY_S, FAULT_S)
    )
    chance = random.Random("broker")
    with _elsewhere(ground, away_s) as elsewhere, _Scene(ground) as scene:
        for number in range(1, kills + 1):
            scene.receiver.start()
            time.sleep(chance.uniform(0, LONGEST_S))
            scene.receiver.kill()
            ground.say(f"{number} of {kills} kills, {len(scene.sender.sent)} notices")
        scene.receiver.start()
        for fault in ("error", "refused", "garbage", "forged"):
            ground.say(f"tokens: {fault}")
            scene.tokens.fault = fault
            time.sleep(fault_s)
        scene.tokens.fault = ""
        ground.say("the relay is stopped")
        scene.relay.stop()
        time.sleep(away_s / 5)
        scene.relay.start()
        ground.say(f"Kafka is stopped for {away_s:.0f} s")
        scene.server.stop()
        time.sleep(away_s)
        scene.server.start()
        violations = scene.violations()
        sent = len(scene.sender.sent)
    cut = "" if elsewhere.skipped else f", the network cut for {away_s:.0f} s"
    return Outcome(
        f"{kills} kills, Kafka away for {away_s:.0f} s, the relay for {away_s / 5:.0f} s{cut}",
        f"{sent + elsewhere.sent} notices, all there once{elsewhere.skipped}",
        [*violations, *elsewhere.violations],
    )


class _Sender:
    """CHIME's notices, without pause; what Kafka has acknowledged is in `sent`."""

    def __init__(self, kafka: Apache) -> None:
        self.sent: set[str] = set()
        self._topic = kafka.topic
        self._producer = confluent_kafka.Producer(
            kafka.config | {"enable.idempotence": True, "message.timeout.ms": 0, "log_level": 0}
        )
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()
        if left := self._producer.flush(LIMIT_S):
            raise RuntimeError(f"Kafka has not taken {left} notices")

    def _work(self) -> None:
        seen = datetime.now(UTC) - timedelta(days=1)
        for number in itertools.count(1):
            if self._over.wait(PAUSE_S):
                return
            raw = chime_notice(Burst(str(number), seen, 29.5, 65.7, 500.0, 0.5))
            self._producer.produce(
                self._topic,
                raw,
                partition=number % 4,
                on_delivery=partial(self._delivered, f"chime-{number}"),
            )
            self._producer.poll(0)

    def _delivered(self, event_id: str, error: confluent_kafka.KafkaError | None, _: object) -> None:
        if error is None:
            self.sent.add(event_id)


class _Receiver:
    """The daemon, in a process of its own."""

    def __init__(self, directory: Path, relay: RunningRelay, kafka: Apache, settings: dict[str, Any]) -> None:
        self._directory = directory
        self._environment = relay.environment | {
            "OVRO_ALERT_GCN_KAFKA_TOPICS": json.dumps([kafka.topic]),
            "OVRO_ALERT_GCN_KAFKA_GROUP_ID": kafka.group,
            "OVRO_ALERT_GCN_KAFKA_CONFIG": json.dumps(kafka.config | settings),
            "GCN_KAFKA_CLIENT_ID": "torture",
            "GCN_KAFKA_CLIENT_SECRET": "secret",
        }

    def start(self) -> None:
        command = [sys.executable, "-m", "ovro_alert.receivers.gcn_kafka"]
        with (self._directory / "receiver.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self._directory, env=self._environment, stdout=log, stderr=log
            )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(20)

    def stop(self) -> int:
        """Asks it to end; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


class _Scene:
    """A broker that wants tokens, who gives them, a relay, a receiver and whoever sends, for one `with`."""

    server: Server
    tokens: TokenEndpoint
    relay: RunningRelay
    receiver: _Receiver
    sender: _Sender

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._stack = ExitStack()

    def __enter__(self) -> "_Scene":
        with ExitStack() as stack:
            self.server = Server(self._ground.directory / "kafka")
            stack.callback(self.server.remove)
            address, guarded, keys = self.server.start().split()
            kafka = Apache(address)
            stack.callback(kafka.close)
            self._kafka = kafka
            self.tokens = stack.enter_context(giving_tokens(Path(keys)))
            self.tokens.life_s = TOKEN_S
            self.relay = stack.enter_context(self._ground.relay())
            settings = {
                "bootstrap.servers": guarded,
                "security.protocol": "sasl_plaintext",
                "sasl.oauthbearer.token.endpoint.url": self.tokens.url,
            }
            self.receiver = _Receiver(self._ground.directory, self.relay, kafka, settings)
            self.sender = _Sender(kafka)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def committed(self) -> int:
        """How far one of the partitions is."""
        return self._kafka.committed()

    def violations(self) -> list[str]:
        """Ends the sending, waits for the receiver, and compares the relay's log with what was sent."""
        self.sender.stop()
        with self.relay.client() as client:
            wait_for(
                lambda: len(whole(client, "chime")) >= len(self.sender.sent), "the last notices", LIMIT_S
            )
            ended = self.receiver.stop()
            logged = Counter(entry["event_id"] for entry in whole(client, "chime"))
            aside = client.get("/setaside").raise_for_status().json()
        found = []
        if missing := self.sender.sent - logged.keys():
            found.append(f"{len(missing)} notices are not in the log")
        if strange := logged.keys() - self.sender.sent:
            found.append(f"{len(strange)} events were never sent")
        if doubled := [name for name, times in logged.items() if times > 1]:
            found.append(f"{len(doubled)} notices are in the log twice")
        if aside.get("setaside", aside) if isinstance(aside, dict) else aside:
            found.append("notices were set aside")
        if ended != 0:
            found.append(f"the receiver ended with {ended} when it was asked to")
        return found


class _Elsewhere:
    """What came of the part in a network of its own, or why there was none."""

    sent = 0
    skipped = ""
    violations: tuple[str, ...] = ()


@contextmanager
def _elsewhere(ground: Ground, away_s: float) -> Iterator[_Elsewhere]:
    """Goes on beside the block: all in a network namespace, whose only interface is shut for a while."""
    found = _Elsewhere()
    tried = subprocess.run([*NAMESPACE, "ip", "link", "set", "lo", "up"], capture_output=True, text=True)
    if tried.returncode:
        found.skipped = f"; no network to cut: {tried.stderr.strip()}"
        yield found
        return
    directory = ground.directory / "elsewhere"
    directory.mkdir()
    command = [*NAMESPACE, sys.executable, "-m", "torture.broker", str(directory), str(away_s)]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        yield found
        said, _ = process.communicate(timeout=away_s + LIMIT_S)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)
    if process.returncode:
        raise RuntimeError((directory / "log").read_text()[-2000:])
    answer = json.loads(said)
    found.sent, found.violations = answer["sent"], tuple(answer["violations"])


def main() -> None:
    """The network is cut: what is sent is neither taken nor refused, as behind a firewall that forgot us."""
    directory, away_s = Path(sys.argv[1]), float(sys.argv[2])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    _loopback("up")
    with _Scene(Ground(directory, False, lambda _: None)) as scene:
        scene.receiver.start()
        wait_for(lambda: scene.committed() > 0, "the receiver", LIMIT_S)
        _loopback("down")
        time.sleep(away_s)
        _loopback("up")
        violations = [f"with the network cut: {each}" for each in scene.violations()]
        print(json.dumps({"sent": len(scene.sender.sent), "violations": violations}))


def _loopback(state: str) -> None:
    subprocess.run(["ip", "link", "set", "lo", state], check=True)


if __name__ == "__main__":
    main()
