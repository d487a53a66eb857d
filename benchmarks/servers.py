"""The servers that are measured, each in a process of its own."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ovro_alert.demo.processes import Failed, free_port, wait_for

KEY = "bench"


@contextmanager
def serving(app: str, directory: Path) -> Iterator[int]:
    """uvicorn with an app, as an operator would run it but for the access log; gives its port."""
    port = free_port()
    environment = {
        **os.environ,
        "RELAY_KEY": KEY,
        "OVRO_ALERT_DATABASE_URL": f"sqlite:///{directory / 'bench.sqlite'}",
    }
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        app,
        f"--port={port}",
        "--no-access-log",
        "--log-level=warning",
    ]
    process = subprocess.Popen(command, env=environment)
    try:
        wait_for(lambda: _listens(port, process), "the server")
        yield port
    finally:
        process.terminate()
        process.wait(20)


def _listens(port: int, process: subprocess.Popen[bytes]) -> bool:
    if process.poll() is not None:
        raise Failed(f"the server ended with code {process.returncode}")
    with closing(socket.socket()) as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0
