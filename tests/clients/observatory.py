"""A relay, telescopes' twins on one etcd, and clients in processes of their own."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2

from ovro_alert.link.daemon import in_background
from ovro_alert.link.etcd import Etcd
from ovro_alert.telescopes.lwa.twin_executor import Executor
from ovro_alert.telescopes.lwa.twin_pipelines import Pipelines
from support import RunningRelay, until

LIMIT_S = 60.0
SPEED = 400.0  # of writing a dump, of life's


class Observatory:
    """OVRO-LWA's twins, and what is asked of them."""

    def __init__(
        self, relay: RunningRelay, etcd: str, directory: Path, stack: ExitStack, speed: float
    ) -> None:
        self.relay = relay
        self.etcd = etcd
        self.directory = directory
        self.http: httpx2.Client = stack.enter_context(relay.client())
        self.executor = Executor(stack.enter_context(Etcd([etcd])))
        self.pipelines = Pipelines(
            stack.enter_context(Etcd([etcd])), hosts=("lxdlwagpu01",), speed=speed, publish_s=0.1
        )
        self.processes: list[subprocess.Popen[bytes]] = []
        stop = threading.Event()
        stack.enter_context(self.pipelines.running())
        self._twin: Future[None] = in_background(lambda: self.executor.run(stop, 0.05), "twin")
        stack.callback(self._end)
        stack.callback(stop.set)

    def _end(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait(LIMIT_S)
        self._twin.result(LIMIT_S)

    def environment(self, name: str = "one") -> dict[str, str]:
        """Of a client of this name."""
        table = {"DIRECTORY": self.directory, "CLIENT": name, "LEASE_S": 0.6, "WAIT_S": 0.2, "RECHECK_S": 0.1}
        changes = {f"OVRO_ALERT_LWA_ALERT_{key}": str(value) for key, value in table.items()}
        return (
            self.relay.environment
            | changes
            | {
                "OVRO_ALERT_ETCD_ENDPOINTS": f'["{self.etcd}"]',
                "OVRO_ALERT_LWA_DUMP_HOSTS": '["lxdlwagpu01"]',
                "OVRO_ALERT_LWA_DUMP_SAY_S": "0.2",
                "OVRO_ALERT_LWA_DUMP_LOOK_S": "0.1",
                "OVRO_ALERT_LWA_FOLLOW_S": "0.1",
                "OVRO_ALERT_LWA_ACCEPT_S": "3",
            }
        )

    def start(self, *command: str, name: str = "one") -> subprocess.Popen[bytes]:
        """A client, or a command in its environment."""
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *(command or ("-m", "ovro_alert.clients.lwa_alert"))],
                env=os.environ | self.environment(name),
                cwd=self.directory,
                stderr=log,
            )
        self.processes.append(process)
        return process

    def log(self, name: str = "one") -> Path:
        return self.directory / f"{name}.log"

    def put(self, command: str, **args: Any) -> int:
        """Asks something of `/lwa`; the command's id."""
        body = {"command": command, "command_mjd": 61041.0, "args": args}
        return int(self.http.put("/lwa", json=body).raise_for_status().json()["id"])

    def commands(self) -> list[dict[str, Any]]:
        return list(self.http.get("/lwa/commands").raise_for_status().json()["commands"])

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

    def submitted(self) -> list[str]:
        """The sessions that the scheduler was given, doubles and all."""
        told = [each for each in self.executor.account() if each["did"] in ("took", "dropped", "skipped")]
        return [str(each["session"]) for each in told]


@contextmanager
def observatory(
    relay: RunningRelay, etcd: str, directory: Path, speed: float = SPEED
) -> Iterator[Observatory]:
    directory.mkdir()
    with ExitStack() as stack:
        yield Observatory(relay, etcd, directory, stack, speed)
