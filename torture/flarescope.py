"""Flarescope's receiver killed at any instant while requests are dropped, the relay stopped meanwhile."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from ovro_alert.demo.processes import wait_for
from torture.audit import whole
from torture.ground import Ground, Outcome

TRIES = "kill -9 of Flarescope's receiver; the relay stopped"
KILLS, QUICK = 100, 10
LONGEST_S = 2.0  # a receiver lives: sometimes not long enough to begin
PAUSE_S = 0.03  # between two requests
AWAY_S, QUICK_AWAY_S = 20.0, 3.0
LIMIT_S = 120.0


def run(ground: Ground) -> Outcome:
    """Every request is in the relay's log once, and has the outcome of it beside itself."""
    kills, away_s = (QUICK, QUICK_AWAY_S) if ground.quick else (KILLS, AWAY_S)
    folder = ground.directory / "requests"
    folder.mkdir()
    dropped: list[str] = []
    over = threading.Event()
    observer = threading.Thread(target=_drop, args=(folder, dropped, over), daemon=True)
    with ground.relay() as relay:
        environment = {**os.environ, **relay.environment, "OVRO_ALERT_FLARESCOPE_FOLDER": str(folder)}
        observer.start()
        chance = random.Random("flarescope")
        for number in range(1, kills + 1):
            receiver = _start(environment, ground.directory / "receiver.log")
            if number == kills // 2:
                relay.stop()
                time.sleep(away_s)
                relay.start()
            time.sleep(chance.uniform(0, LONGEST_S))
            receiver.kill()
            receiver.wait(20)
            ground.say(f"{number} of {kills} kills, {len(dropped)} requests")
        over.set()
        observer.join()
        receiver = _start(environment, ground.directory / "receiver.log")
        wait_for(lambda: _answered(folder) >= len(dropped), "the last outcomes", LIMIT_S)
        receiver.send_signal(signal.SIGTERM)
        ended = receiver.wait(20)
        with relay.client() as client:
            logged = Counter(entry["event_id"].split("-")[1] for entry in whole(client, "flarescope"))
            aside = client.get("/setaside").raise_for_status().json()["setaside"]
    refused = [name for name in dropped if _outcome(folder, name)["state"] != "accepted"]
    violations = [
        f"{len(wrong)} requests {what}"
        for what, wrong in (
            ("are not in the log", set(dropped) - logged.keys()),
            ("were never dropped", logged.keys() - set(dropped)),
            ("are in the log twice", [name for name, times in logged.items() if times > 1]),
            ("were refused", refused),
            ("were set aside: half files, perhaps", aside),
        )
        if wrong
    ]
    if ended != 0:
        violations.append(f"the receiver ended with {ended} when it was asked to")
    return Outcome(
        f"{kills} kills, the relay away for {away_s:.0f} s",
        f"{len(dropped)} requests dropped, each in the log once, with its outcome",
        violations,
    )


def _drop(folder: Path, dropped: list[str], over: threading.Event) -> None:
    """Writes requests in two halves, as a program may that knows of no other way."""
    while not over.wait(PAUSE_S):
        name = f"r{len(dropped)}"
        request = {"ra": 12.5, "dec": 45.0, "start": "2026-03-04T05:06:07Z", "duration": 60.0, "name": name}
        raw = json.dumps(request).encode()
        with (folder / f"{name}.json").open("wb", buffering=0) as file:
            file.write(raw[:30])
            time.sleep(PAUSE_S)
            file.write(raw[30:])
        dropped.append(name)


def _start(environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "ovro_alert.receivers.flarescope"]
    with log.open("ab") as output:
        return subprocess.Popen(command, env=environment, stdout=output, stderr=output)


def _answered(folder: Path) -> int:
    return sum(1 for _ in folder.glob("*.outcome.json"))


def _outcome(folder: Path, name: str) -> dict[str, str]:
    outcome: dict[str, str] = json.loads((folder / f"{name}.outcome.json").read_bytes())
    return outcome
