"""A relay, telescopes' twins on one etcd, and clients in processes of their own."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx2

from ovro_alert.link.daemon import in_background
from ovro_alert.link.etcd import Etcd
from ovro_alert.telescopes.dsa.twin import DsaTwin
from ovro_alert.telescopes.lwa.twin.executor import Executor
from ovro_alert.telescopes.lwa.twin.pipelines import Pipelines
from tests.support import RunningRelay, until

LIMIT_S = 60.0
SPEED = 400.0  # of writing a dump, of life's
HOSTS = ("lxdlwagpu01",)


class Place:
    """A slot of a relay, and clients that follow it on an etcd; each keeps what it does in one directory."""

    def __init__(
        self,
        slot: str,
        relay: RunningRelay,
        etcd: str,
        directory: Path,
        stack: ExitStack,
        tuned: Mapping[str, object],
    ) -> None:
        self.slot = slot
        self.tuned = tuned  # settings by which what is waited for comes at once
        self.relay = relay
        self.etcd = etcd
        self.directory = directory
        self.http: httpx2.Client = stack.enter_context(relay.client())
        self.processes: list[subprocess.Popen[bytes]] = []
        self._moments = count(61041.0, 1e-4)  # none that another command has
        stack.callback(self._end)

    def _end(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait(LIMIT_S)

    def environment(self, name: str = "one", directory: Path | None = None) -> dict[str, str]:
        """Of a client of this name; with a directory of its own as if it were on another host."""
        table = {
            "DIRECTORY": directory or self.directory,
            "CLIENT": name,
            "LEASE_S": 0.6,
            "WAIT_S": 0.2,
            "RECHECK_S": 0.1,
        }
        client = {f"{self.slot}_ALERT_{key}": value for key, value in table.items()}
        etcd = {"ETCD_ENDPOINTS": f'["{self.etcd}"]'}
        settings = {
            f"OVRO_ALERT_{key}".upper(): str(value) for key, value in {**client, **etcd, **self.tuned}.items()
        }
        return self.relay.environment | settings

    def start(
        self, *command: str, name: str = "one", directory: Path | None = None, **changes: str
    ) -> subprocess.Popen[bytes]:
        """A client, or a command in its environment, with changes of that."""
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *(command or ("-m", f"ovro_alert.clients.{self.slot}_alert"))],
                env=os.environ | self.environment(name, directory) | changes,
                cwd=self.directory,
                stderr=log,
            )
        self.processes.append(process)
        return process

    def check(self) -> subprocess.CompletedProcess[str]:
        """What a client says with `--check`."""
        return subprocess.run(
            [sys.executable, "-m", f"ovro_alert.clients.{self.slot}_alert", "--check"],
            env=os.environ | self.environment(),
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )

    def log(self, name: str = "one") -> Path:
        return self.directory / f"{name}.log"

    def put(self, command: str, **args: Any) -> int:
        """Asks something of the slot; the command's id."""
        body = {"command": command, "command_mjd": next(self._moments), "args": args}
        return int(self.http.put(f"/{self.slot}", json=body).raise_for_status().json()["id"])

    def commands(self) -> list[dict[str, Any]]:
        return list(self.http.get(f"/{self.slot}/commands").raise_for_status().json()["commands"])

    def state(self, id: int) -> str:
        return str(self.http.get(f"/commands/{id}").raise_for_status().json()["state"])

    def reports(self, id: int, *kinds: str) -> list[dict[str, Any]]:
        """What was told of a command, in order."""
        entries, after = [], 0
        while page := self.http.get("/feed", params={"after": after}).json()["entries"]:
            entries += page
            after = page[-1]["n"]
        return [one["data"] for one in entries if one["command_id"] == id and one["kind"] in kinds]

    def outcome(self, id: int) -> tuple[str, dict[str, Any]]:
        """How a command ended, once it has."""

        def last() -> dict[str, Any] | None:
            over = [one for one in self.reports(id, "reported") if one["state"] != "running"]
            return over[-1] if over else None

        ended: Any = until(last, LIMIT_S, f"the end of command {id}, {self.state(id)}")
        return ended["state"], ended["detail"]


class Observatory(Place):
    """OVRO-LWA's twins, and what is asked of them."""

    def __init__(
        self,
        relay: RunningRelay,
        etcd: str,
        directory: Path,
        stack: ExitStack,
        speed: float,
        hosts: tuple[str, ...] = HOSTS,
    ) -> None:
        tuned = {
            "LWA_DUMP_HOSTS": json.dumps(hosts),
            "LWA_DUMP_SAY_S": 0.2,
            "LWA_DUMP_LOOK_S": 0.1,
            "LWA_FOLLOW_S": 0.1,
            "LWA_ACCEPT_S": 3,
        }
        self.executor = Executor(stack.enter_context(Etcd([etcd])))
        self.pipelines = Pipelines(stack.enter_context(Etcd([etcd])), hosts=hosts, speed=speed, publish_s=0.1)
        stop = threading.Event()
        stack.enter_context(self.pipelines.running())
        twin = in_background(lambda: self.executor.run(stop, 0.05), "twin")
        stack.callback(lambda: twin.result(LIMIT_S))
        stack.callback(stop.set)
        super().__init__("lwa", relay, etcd, directory, stack, tuned)

    def submitted(self) -> list[str]:
        """The sessions that the scheduler was given, doubles and all."""
        told = [each for each in self.executor.account() if each["did"] in ("took", "dropped", "skipped")]
        return [str(each["session"]) for each in told]


class Array(Place):
    """DSA-110's twin, and what is asked of it."""

    def __init__(self, relay: RunningRelay, etcd: str, directory: Path, stack: ExitStack) -> None:
        self.twin = DsaTwin(stack.enter_context(Etcd([etcd])))
        stop = threading.Event()
        life = in_background(lambda: self.twin.run(stop), "twin")
        stack.callback(lambda: life.result(LIMIT_S))
        stack.callback(stop.set)
        tuned = {"DSA_LOOK_S": 0.1, "DSA_SEARCH_WAIT_S": 2, "DSA_STUCK_S": 30}
        super().__init__("dsa", relay, etcd, directory, stack, tuned)


@contextmanager
def observatory(
    relay: RunningRelay,
    etcd: str,
    directory: Path,
    speed: float = SPEED,
    hosts: tuple[str, ...] = HOSTS,
) -> Iterator[Observatory]:
    """OVRO-LWA with its twins."""
    directory.mkdir()
    with ExitStack() as stack:
        yield Observatory(relay, etcd, directory, stack, speed, hosts)


@contextmanager
def array(relay: RunningRelay, etcd: str, directory: Path) -> Iterator[Array]:
    """DSA-110 with its twin."""
    directory.mkdir()
    with ExitStack() as stack:
        yield Array(relay, etcd, directory, stack)
