"""The LWA client is killed at every step and at any instant, and no command is acted on twice or lost."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from support import until

pytestmark = pytest.mark.end_to_end
LIMIT_S = 40.0
STEPS = ["claimed", "looked", "running", "written", "before", "after", "acted", "settled", "reported"]

# The daemon with a signal at one of its steps: `before` and `after` are the telescope's.
PROGRAM = """
import signal, sys, threading
from ovro_alert.clients.lwa_alert import Client, LwaAlertSettings
from ovro_alert.link.daemon import run
from ovro_alert.link.settings import LinkSettings
from ovro_alert.telescopes.lwa.settings import LwaSettings
from ovro_alert.telescopes.lwa.simulated import SimulatedTelescope

def step(name):
    if name == sys.argv[1]:
        # To this very thread: sent to the process, it could reach another first, and this one go on a little.
        signal.pthread_kill(threading.get_ident(), getattr(signal, sys.argv[2]))

def work(stop):
    settings = LwaAlertSettings()
    telescope = SimulatedTelescope(settings.directory / "telescope", fault=step)
    with LinkSettings().relay() as relay:
        Client(relay, telescope, settings, LwaSettings(), stop, step=step).follow()

sys.exit(run(work))
"""


class Observatory:
    """A relay, a directory, and clients in processes of their own."""

    def __init__(self, relay: Any, directory: Path) -> None:
        self.relay = relay
        self.directory = directory
        self.http: httpx2.Client = relay.client()
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, *command: str, name: str = "one") -> subprocess.Popen[bytes]:
        table = {"DIRECTORY": self.directory, "CLIENT": name, "LEASE_S": 0.6, "WAIT_S": 0.2, "RECHECK_S": 0.1}
        changes = {f"OVRO_ALERT_LWA_ALERT_{key}": str(value) for key, value in table.items()}
        with (self.directory / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *(command or ("-m", "ovro_alert.clients.lwa_alert"))],
                env=self.relay.environment | changes,
                cwd=self.directory,
                stderr=log,
            )
        self.processes.append(process)
        return process

    def put(self, n: int) -> None:
        """A dump or a beam that overlaps no other."""
        start = datetime.now(UTC) + timedelta(hours=1 + n)
        beam = {"ra": 10, "dec": 20, "start": start.isoformat(), "duration": 60}
        command, args = ("trigger", {"event": f"S{n}"}) if n % 2 else ("powerbeam", beam)
        body = {"command": command, "command_mjd": 61041.0 + n, "args": args}
        self.http.put("/lwa", json=body).raise_for_status()

    def commands(self) -> list[dict[str, Any]]:
        answer = self.http.get("/lwa/commands").raise_for_status().json()
        return list(answer["commands"])

    def are_done(self, number: int) -> bool:
        return [each["state"] for each in self.commands()] == ["done"] * number

    def acted(self) -> Counter[str]:
        """How often the telescope was given each command."""
        path = self.directory / "telescope" / "journal.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return Counter(json.loads(line)["id"] for line in lines)

    def everything_was_done_once(self, number: int) -> None:
        until(lambda: self.are_done(number), what=f"the end of {number} commands: {self.commands()}")
        assert self.acted() == Counter(str(each["id"]) for each in self.commands())


@pytest.fixture
def observatory(relay: Any, tmp_path: Path) -> Iterator[Observatory]:
    directory = tmp_path / "lwa"
    directory.mkdir()
    observatory = Observatory(relay, directory)
    with observatory.http:
        yield observatory
        for process in observatory.processes:
            process.kill()
            process.wait(LIMIT_S)


def test_killed_at_every_step(observatory: Observatory) -> None:
    for n, step in enumerate(STEPS):
        observatory.put(n)
        assert observatory.start("-c", PROGRAM, step, "SIGKILL").wait(LIMIT_S) == -signal.SIGKILL
        # The next one is killed at the first command that it finds at that step, this one or its own.
    observatory.start()
    observatory.everything_was_done_once(len(STEPS))


def test_killed_at_any_instant_two_at_once_and_the_relay_too(observatory: Observatory) -> None:
    rounds = 10
    for n in range(5):
        observatory.put(n)

    def suffer(name: str) -> None:
        chance = random.Random(name)
        log = observatory.directory / f"{name}.log"
        for round in range(1, rounds + 1):
            process = observatory.start(name=name)
            until(lambda round=round: log.read_text().count("following") >= round)
            time.sleep(chance.uniform(0, 0.3))
            process.kill()
            assert process.wait(LIMIT_S) == -signal.SIGKILL

    with ThreadPoolExecutor(2) as pool:
        suffering = [pool.submit(suffer, name) for name in ("one", "two")]
        number = 5
        while not all(each.done() for each in suffering):
            if number == 15:
                observatory.relay.kill()
                observatory.relay.start()
            if number < 40:
                observatory.put(number)
                number += 1
            time.sleep(0.1)
        for each in suffering:
            each.result()
    observatory.start(name="one")
    observatory.start(name="two")
    observatory.everything_was_done_once(number)


def test_held_up_past_its_last_check(observatory: Observatory) -> None:
    observatory.put(0)
    held_up = observatory.start("-c", PROGRAM, "before", "SIGSTOP")
    os.waitid(os.P_PID, held_up.pid, os.WSTOPPED)
    observatory.start(name="two")
    log = observatory.directory / "two.log"
    until(lambda: log.exists() and "held up may still act" in log.read_text(), what="the second client's try")
    assert observatory.acted() == Counter()
    held_up.send_signal(signal.SIGCONT)
    observatory.everything_was_done_once(1)


@pytest.mark.parametrize("away", [False, True])
def test_a_signal_ends_it_cleanly(observatory: Observatory, away: bool) -> None:
    if away:
        observatory.relay.stop()
    process = observatory.start()
    said = "the relay is away" if away else "following"
    log = observatory.directory / "one.log"
    until(lambda: said in log.read_text(), what=said)
    process.terminate()
    assert process.wait(LIMIT_S) == 0
    assert "Traceback" not in log.read_text()
    assert "left a request behind" not in log.read_text()


def test_it_waits_for_a_relay_that_is_away(observatory: Observatory) -> None:
    observatory.put(0)
    observatory.relay.stop()
    observatory.start()
    log = observatory.directory / "one.log"
    until(lambda: "the relay is away" in log.read_text(), what="the client's word")
    observatory.relay.start()
    observatory.everything_was_done_once(1)
