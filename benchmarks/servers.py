"""The servers that are measured, each in a process of its own."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from ovro_alert.demo.processes import Failed, free_port, wait_for

KEY = "bench"


class Server(NamedTuple):
    port: int
    pid: int


@contextmanager
def serving(
    app: str,
    directory: Path,
    database_url: str = "",
    workers: int = 1,
    changes: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """uvicorn with an app, as an operator would run it, but for the access log and these `changes`."""
    port = free_port()
    environment = {
        **os.environ,
        "RELAY_KEY": KEY,
        "OVRO_ALERT_DATABASE_URL": database_url or f"sqlite:///{directory / 'bench.sqlite'}",
        **(changes or {}),
    }
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        app,
        f"--port={port}",
        f"--workers={workers}",
        "--no-access-log",
        "--log-level=warning",
    ]
    process = subprocess.Popen(command, env=environment)
    try:
        wait_for(lambda: _listens(port, process), "the server")
        yield Server(port, process.pid)
    finally:
        process.terminate()
        process.wait(20)


def _listens(port: int, process: subprocess.Popen[bytes]) -> bool:
    if process.poll() is not None:
        raise Failed(f"the server ended with code {process.returncode}")
    with closing(socket.socket()) as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0
