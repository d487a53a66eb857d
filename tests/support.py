"""What tests of several rooms share: waiting on a condition, and a relay that runs for real."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import httpx2
from typer.testing import CliRunner

from ovro_alert.cli import app
from ovro_alert.demo.processes import free_port

KEY = "a-key-of-these-tests"


def until(found: Callable[[], object], limit_s: float = 30.0, what: str = "what was waited for") -> object:
    """Waits until `found` returns something true, and returns it; fails after `limit_s`."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(0.01)
    raise AssertionError(f"{what} did not come within {limit_s} s")


def keys(database_url: str, *arguments: str) -> str:
    """`ovro-alert keys …` on a log's database; what it prints on standard output."""
    environment = {"OVRO_ALERT_DATABASE_URL": database_url}
    result = CliRunner().invoke(app, ["keys", *arguments], env=environment)
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


class RunningRelay:
    """A relay under uvicorn in a process of its own, on its own port and database.

    `changes` goes into its environment; `within` is a command that runs what follows it, such as `unshare`.
    """

    def __init__(
        self, directory: Path, changes: Mapping[str, str] | None = None, within: Sequence[str] = ()
    ) -> None:
        self.directory = directory
        self.changes = dict(changes or {})
        self.within = within
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.key = KEY
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What a daemon needs in its environment to find this relay."""
        return {**os.environ, "RELAY_URL": self.url, "RELAY_KEY": self.key}

    def start(self) -> None:
        self.launch()
        until(self.answers, what=f"the relay (see {self.directory / 'relay.log'})")

    def launch(self) -> None:
        """Starts it and does not wait until it answers."""
        database = f"sqlite:///{self.directory / 'relay.sqlite'}"
        with (self.directory / "relay.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.within, sys.executable, "-m", "uvicorn", "relay_api:app", "--port", str(self.port)],
                cwd=self.directory,
                env={**self.environment, "OVRO_ALERT_DATABASE_URL": database, **self.changes},
                stderr=log,
                stdout=log,
            )

    def answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.directory / "relay.log").read_text()
        try:
            return httpx2.get(f"{self.url}/healthz", trust_env=False).is_success
        except httpx2.TransportError:
            return False

    def kill(self) -> None:
        """kill -9: what was acknowledged must be there after the next start."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(20)

    def client(self) -> httpx2.Client:
        return httpx2.Client(base_url=self.url, headers={"X-API-Key": self.key}, trust_env=False, timeout=30)
