"""The parts of the demonstration, each a process of its own as an observatory would run it."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Self

PATIENCE_S = 60.0  # for a part to come up; a small machine imports slowly
FAREWELL_S = 10.0


class Failed(Exception):
    """A part of the demonstration did not come up, or ended; the message says where its log is."""


def free_port(wanted: int = 0) -> int:
    """`wanted` if nobody listens there, else any free port of loopback.

    Below those that the kernel gives to outgoing connections (32768 and up), or one of them may have it
    before whoever is to listen there does.
    """
    ports = [wanted] if wanted else []
    for port in (*ports, *random.sample(range(20_000, 30_000), 100)):
        with closing(socket.socket()) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise Failed("no free port on loopback")


def wait_for(happened: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
    """Waits until something has happened. Raises Failed after `patience_s`."""
    end = time.monotonic() + patience_s
    while not happened():
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {patience_s:.0f} s")
        time.sleep(0.02)


class Processes:
    """Starts processes with their logs in a folder; ends all of them, the last first, however it is left."""

    def __init__(self, logs: Path, environment: Mapping[str, str]) -> None:
        self._logs = logs
        self._environment = {**os.environ, **environment}
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []

    def __enter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True)
        return self

    def start(self, name: str, *arguments: str, program: str = sys.executable, **environment: str) -> Path:
        """Starts `program arguments…`; returns its log file."""
        log = self._logs / f"{name}.log"
        with log.open("wb") as output:
            # In a session of its own: Ctrl-C is for the demonstration, which ends the others in order.
            process = subprocess.Popen(
                [program, *arguments],
                cwd=self._logs,
                env={**self._environment, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._running.append((name, process))
        return log

    def check(self) -> None:
        """Raises Failed where a process has ended by itself."""
        for name, process in self._running:
            if process.poll() is not None:
                raise Failed(f"{name} ended with code {process.returncode}: see {self._logs / name}.log")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name, process in reversed(self._running):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(FAREWELL_S)
            except subprocess.TimeoutExpired:
                print(f"{name} does not end; killing it (its log: {self._logs / name}.log)", file=sys.stderr)
                process.kill()
                process.wait()
