"""CHIME's receiver, Comet with our plugin: killed at any instant, its relay stopped, its disk full."""

import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ovro_alert.demo.processes import wait_for
from ovro_alert.demo.sample_bursts import Burst, chime_voevent
from tests.comets import TWISTD, Broker, ending, subscriber
from tests.support import RunningRelay
from torture.audit import whole
from torture.disk import fill, on_a_small_disk
from torture.ground import Ground, Outcome, Skipped

TRIES = "kill -9 of CHIME's receiver; the relay stopped under load; the spool's disk full"
KILLS, QUICK = 100, 10
LONGEST_S = 1.5  # a Comet lives: sometimes not long enough to begin
AWAY_S, QUICK_AWAY_S = 20.0, 3.0
FULL, QUICK_FULL = 10, 2  # times
UNWRITTEN = 200  # events that come while the disk is full, and the relay away
PAUSE_S = 0.005  # between two events
LIMIT_S = 120.0


def run(ground: Ground) -> Outcome:
    """Every event that was acknowledged to the broker is in the relay's log, and once."""
    kills, away_s, full = (QUICK, QUICK_AWAY_S, QUICK_FULL) if ground.quick else (KILLS, AWAY_S, FULL)
    violations: list[str] = []
    with ground.relay() as relay, _sending() as sender:
        _kill(ground, relay, sender, kills, away_s)
        times = f"{kills} kills, the relay away for {away_s:.0f} s"
        try:
            _fill_the_disk(ground, relay, sender, full)
            times += f", the disk full {full} times"
        except Skipped as skipped:
            times += f"; the disk never full: {skipped}"
        with relay.client() as client:
            logged = Counter(entry["event_id"] for entry in whole(client, "chime"))
            aside = client.get("/setaside").raise_for_status().json()["setaside"]
    wanted = {f"chime-{number}" for number in sender.acknowledged}
    if missing := wanted - logged.keys():
        violations.append(f"{len(missing)} acknowledged events are not in the log")
    if doubled := [event for event, times_logged in logged.items() if times_logged > 1]:
        violations.append(f"{len(doubled)} events are in the log twice")
    if aside:
        violations.append(f"{len(aside)} messages were set aside")
    seen = f"{len(wanted)} events acknowledged, {sender.again} sent again; all in the log once"
    return Outcome(times, seen, violations)


class _Sender:
    """A broker that sends event after event, each again until it is acknowledged."""

    def __init__(self) -> None:
        self.acknowledged: list[int] = []
        self.again = 0
        self._broker = Broker()
        self.port = self._broker.port
        self._going_on = threading.Event()
        self._idle = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)

    def start(self) -> None:
        self._going_on.set()
        self._thread.start()

    def pause(self) -> None:
        """No event is under way when this returns."""
        self._going_on.clear()
        wait_for(self._idle.is_set, "the broker's last acknowledgement", LIMIT_S)

    def go_on(self) -> None:
        self._idle.clear()
        self._going_on.set()

    def close(self) -> None:
        self._over.set()
        self._going_on.set()
        self._broker.close()
        self._thread.join(LIMIT_S)

    def _send(self) -> None:
        connected = False
        for number in itertools.count(1):
            if not self._going_on.is_set():
                self._idle.set()
                self._going_on.wait()
            burst = Burst(str(number), datetime.now(UTC) - timedelta(seconds=1), 29.5, 65.7, 500.0, 0.1)
            raw = chime_voevent(burst)
            while not self._over.is_set():
                try:
                    if not connected:
                        self._broker.accept()
                        connected = True
                    if b'role="ack"' in self._broker.ask(raw):
                        self.acknowledged.append(number)
                        break
                except OSError:  # killed, or not there yet
                    self.again += connected
                    connected = False
            if self._over.wait(PAUSE_S):
                return


@contextmanager
def _sending() -> Iterator[_Sender]:
    sender = _Sender()
    try:
        yield sender
    finally:
        sender.close()


def _kill(ground: Ground, relay: RunningRelay, sender: _Sender, kills: int, away_s: float) -> None:
    """Comet dies again and again, also while the relay is away and when it comes back."""
    chance = random.Random("comet")
    sender.start()
    for number in range(1, kills + 1):
        with ending(subscriber(ground.directory / "ours", sender.port, relay)):
            if number == kills // 3:
                relay.stop()
                time.sleep(away_s)
            elif number == kills // 2:
                relay.start()
            time.sleep(chance.uniform(0, LONGEST_S))
        ground.say(f"{number} of {kills} kills, {len(sender.acknowledged)} events acknowledged")
    with ending(subscriber(ground.directory / "ours", sender.port, relay)) as comet:
        before = len(sender.acknowledged)
        wait_for(lambda: len(sender.acknowledged) > before, "an acknowledgement after the last kill", LIMIT_S)
        sender.pause()
        _wait_for_the_last(relay, sender)
        comet.end()


def _fill_the_disk(ground: Ground, relay: RunningRelay, sender: _Sender, times: int) -> None:
    """What comes while the disk is full is in memory; it goes to disk when there is room, or to the relay."""
    small = ground.directory / "small"
    (small / "spool").mkdir(parents=True)
    within = on_a_small_disk(small / "spool")
    with ending(subscriber(small, sender.port, relay, [*within, *TWISTD])) as comet:
        wait_for(lambda: "Subscribing to remote" in comet.log, "Comet", LIMIT_S)
        # The small disk is seen by Comet alone, and ends with it.
        spool = Path(f"/proc/{comet.process.pid}/root{small}/spool")
        for number in range(1, times + 1):
            relay.stop()
            fill(spool / "ballast")
            _wait_for_more(sender, UNWRITTEN)
            if number % 2:
                (spool / "ballast").unlink()
                wait_for(lambda: len(_files(spool)) >= UNWRITTEN, "what was in memory on disk", LIMIT_S)
            relay.start()
            _wait_for_more(sender, UNWRITTEN)
            sender.pause()
            _wait_for_the_last(relay, sender)
            (spool / "ballast").unlink(missing_ok=True)
            ground.say(f"the disk full {number} of {times} times, {len(sender.acknowledged)} acknowledged")
        comet.end()


def _wait_for_more(sender: _Sender, events: int) -> None:
    enough = len(sender.acknowledged) + events
    sender.go_on()
    wait_for(lambda: len(sender.acknowledged) >= enough, "acknowledgements", LIMIT_S)


def _wait_for_the_last(relay: RunningRelay, sender: _Sender) -> None:
    """They go in order: where the last one is in the log, all before it have had their turn."""
    last = f"/events/chime-{sender.acknowledged[-1]}"
    with relay.client() as client:
        wait_for(lambda: client.get(last).is_success, "the last event in the log", LIMIT_S)


def _files(spool: Path) -> list[Path]:
    return list(spool.glob("*.message"))
