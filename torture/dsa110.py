"""DSA-110's receiver killed at any instant while triggers are put, etcd and the relay stopped meanwhile."""

import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ovro_alert.demo.processes import wait_for
from ovro_alert.link.etcd import Etcd, EtcdAway
from tests.support import RunningRelay
from torture.audit import whole
from torture.ground import Ground, Outcome, Skipped

TRIES = "kill -9 of DSA-110's receiver; etcd and the relay stopped"
KILLS, QUICK = 100, 10
LONGEST_S = 2.0  # a receiver lives: sometimes not long enough to begin
PAUSE_S = 0.02  # between two triggers, in etcd and as files by turns
AWAY_S, QUICK_AWAY_S = 20.0, 3.0
LIMIT_S = 120.0
SCRIPT = Path(__file__).parents[1] / "deploy" / "dev" / "etcd"
KEY = "/mon/corr/1/trigger"


def run(ground: Ground) -> Outcome:
    """Every trigger is in the relay's log, and none twice."""
    if shutil.which("etcd") is None:
        raise Skipped("etcd is not installed (Debian's package etcd-server)")
    kills, away_s = (QUICK, QUICK_AWAY_S) if ground.quick else (KILLS, AWAY_S)
    folder = ground.directory / "T2"
    folder.mkdir()
    with _etcd(ground.directory / "etcd") as url, ground.relay() as relay:
        receiver = _Receiver(ground.directory, relay, url, folder)
        with receiver, _Search(url, folder) as search:
            receiver.start()  # its first time: of what was put before, it takes the newest only
            wait_for(receiver.has_begun, "the receiver's beginning", LIMIT_S)
            search.start()
            receiver.kill()
            chance = random.Random("dsa110")
            for number in range(1, kills + 1):
                receiver.start()
                if number == kills // 3:
                    with _stopped(ground.directory / "etcd"):
                        time.sleep(away_s)
                elif number == 2 * kills // 3:
                    relay.stop()
                    time.sleep(away_s)
                    relay.start()
                time.sleep(chance.uniform(0, LONGEST_S))
                receiver.kill()
                ground.say(f"{number} of {kills} kills, {len(search.put)} triggers")
            search.stop()
            receiver.start()
            with relay.client() as client:
                wait_for(lambda: len(whole(client, "dsa")) >= len(search.put), "the last triggers", LIMIT_S)
        with relay.client() as client:
            logged = Counter(entry["event_id"] for entry in whole(client, "dsa"))
            aside = client.get("/setaside").raise_for_status().json()["setaside"]
    violations = []
    wanted = {f"dsa-{name}" for name in search.put}
    if missing := wanted - logged.keys():
        violations.append(f"{len(missing)} triggers are not in the log")
    if strange := logged.keys() - wanted:
        violations.append(f"{len(strange)} events were never put")
    if doubled := [name for name, times in logged.items() if times > 1]:
        violations.append(f"{len(doubled)} triggers are in the log twice")
    if aside:
        violations.append(f"{len(aside)} messages were set aside: half files, perhaps")
    return Outcome(
        f"{kills} kills, etcd and the relay away for {away_s:.0f} s",
        f"{len(search.put)} triggers put, all there once",
        violations,
    )


class _Search:
    """DSA-110's search: puts a trigger into etcd or writes it as a file, in two halves, without pause."""

    def __init__(self, url: str, folder: Path) -> None:
        self.put: list[str] = []
        self._url = url
        self._folder = folder
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> "_Search":
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """All that is put is in `put` then."""
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        with Etcd([self._url]) as etcd:
            while not self._over.wait(PAUSE_S):
                name = f"260301{_letters(len(self.put))}"
                fields = {"mjds": 61100.5, "snr": 9.5, "ibox": 4, "dm": 279.5, "ra": 346.75, "dec": 12.625}
                raw = json.dumps({name: fields}).encode()
                if len(self.put) % 2:
                    with (self._folder / f"cluster_output{name}.json").open("wb", buffering=0) as file:
                        file.write(raw[:50])
                        time.sleep(PAUSE_S)
                        file.write(raw[50:])
                else:
                    self._put(etcd, raw)
                self.put.append(name)

    def _put(self, etcd: Etcd, raw: bytes) -> None:
        """Until it is done: one that is repeated is the same trigger."""
        while True:
            try:
                etcd.put(KEY, raw)
            except EtcdAway:
                time.sleep(PAUSE_S)
            else:
                return


class _Receiver:
    """The daemon, in a process of its own, with what it keeps in one directory."""

    def __init__(self, directory: Path, relay: RunningRelay, url: str, folder: Path) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._log = directory / "receiver.log"
        self._kept = directory / "receiver"
        self._environment = {
            **os.environ,
            **relay.environment,
            "OVRO_ALERT_ETCD_ENDPOINTS": json.dumps([url]),
            "OVRO_ALERT_DSA110_FOLDER": str(folder),
            "OVRO_ALERT_DSA110_DIRECTORY": str(self._kept),
        }

    def __enter__(self) -> "_Receiver":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        command = [sys.executable, "-m", "ovro_alert.receivers.dsa110"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)

    def has_begun(self) -> bool:
        return (self._kept / "etcd.revision").exists()

    def kill(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(20)


def _letters(number: int) -> str:
    """aaaa, aaab, …: as DSA-110 counts the triggers of a day."""
    return "".join(chr(ord("a") + number // 26**place % 26) for place in (3, 2, 1, 0))


@contextmanager
def _etcd(directory: Path) -> Iterator[str]:
    try:
        yield _script("start", directory)
    finally:
        _script("remove", directory)


@contextmanager
def _stopped(directory: Path) -> Iterator[None]:
    _script("stop", directory)
    yield
    _script("start", directory)


def _script(word: str, directory: Path) -> str:
    done = subprocess.run(
        [SCRIPT, word, directory], stdout=subprocess.PIPE, text=True, timeout=LIMIT_S, check=True
    )
    return done.stdout.strip()
