"""The servers that are measured, each in a process of its own."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

KEY = "bench"


@contextmanager
def serving(app: str, directory: Path) -> Iterator[int]:
    """uvicorn with an app, as an operator would run it but for the access log; gives its port."""
    with closing(socket.socket()) as sock:
        sock.bind(("127.0.0.1", 0))
        port = int(sock.getsockname()[1])
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
        _wait(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(20)


def _wait(port: int, process: subprocess.Popen[bytes], patience_s: float = 60) -> None:
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with code {process.returncode}")
        with closing(socket.socket()) as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"no server on port {port} within {patience_s} s")
