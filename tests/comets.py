"""What the tests of VOEvents share: Comet in processes of its own, a broker of theirs, and events."""

import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from ovro_alert.demo.processes import free_port, wait_for

BIN = Path(sys.executable).parent
IAMALIVE = b"""<?xml version="1.0" encoding="UTF-8"?>
<trn:Transport xmlns:trn="http://www.telescope-networks.org/schema/Transport/v1.1" version="1.0"
    role="iamalive">
<Origin>ivo://test.broker/main</Origin><TimeStamp>2026-01-01T00:00:00Z</TimeStamp></trn:Transport>"""
TWISTD = [str(BIN / "twistd")]


def voevent(name: str, author: str = "ivo://test.author") -> bytes:
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<voe:VOEvent xmlns:voe="http://www.ivoa.net/xml/VOEvent/v2.0"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
    xsi:schemaLocation="http://www.ivoa.net/xml/VOEvent/v2.0 http://www.ivoa.net/xml/VOEvent/VOEvent-v2.0.xsd"
    version="2.0" role="test" ivorn="{author}/FRB-DETECTION-#{name}">
<Who><AuthorIVORN>{author}/person</AuthorIVORN><Date>2026-01-01T00:00:00</Date></Who>
</voe:VOEvent>
""".encode()


class Comet:
    """twistd with Comet in a process and a folder of its own."""

    def __init__(
        self,
        folder: Path,
        *options: str,
        twistd: Sequence[str] = TWISTD,
        environment: dict[str, str] | None = None,
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self._log = folder / "comet.log"
        command = [*twistd, "-n", "--pidfile=", "comet", "--verbose", f"--eventdb={folder}", *options]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, stdout=log, stderr=log, env={**os.environ, **(environment or {})}
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def spooled(self) -> list[Path]:
        return sorted((self.folder / "spool").glob("*.message"))

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Ends it; twistd, once its reactor has stopped, dies of the signal that it was stopped by."""
        self.process.send_signal(number)
        assert self.process.wait(20) == -number
        assert number == signal.SIGKILL or "Server Shut Down" in self.log


C = TypeVar("C", bound=Comet)


@contextmanager
def ending(comet: C) -> Iterator[C]:
    """Whatever happens, it has ended when the block has."""
    try:
        yield comet
    finally:
        if comet.process.poll() is None:
            comet.end(signal.SIGKILL)


class Reachable(Protocol):
    """A relay, or who stands in for it."""

    @property
    def url(self) -> str: ...

    @property
    def key(self) -> str: ...


def subscriber(
    folder: Path, port: int, relay: Reachable, twistd: Sequence[str] = TWISTD, **environment: str
) -> Comet:
    """Comet with our plugin, subscribed to the broker at a port."""
    return Comet(
        folder,
        f"--remote=127.0.0.1:{port}",
        "--local-ivo=ivo://test.ours/receiver",
        "--ovro-relay",
        f"--ovro-relay-spool={folder / 'spool'}",
        twistd=twistd,
        environment={"RELAY_URL": relay.url, "RELAY_KEY": relay.key, **environment},
    )


class CometBroker(Comet):
    """Comet as a broker, with a port for authors and one for subscribers; it listens when this returns."""

    def __init__(self, folder: Path) -> None:
        self.author_port, self.port = free_port(), free_port()
        super().__init__(
            folder,
            "--local-ivo=ivo://test.broker/main",
            "--receive",
            f"--receive-port={self.author_port}",
            "--broadcast",
            f"--broadcast-port={self.port}",
            "--broadcast-test-interval=0",
        )
        ports = (self.author_port, self.port)
        wait_for(lambda: all(f"starting on {port}" in self.log for port in ports), "Comet")


class Broker:
    """A broker of one subscriber that says what and when the test wants."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(20)
        self.port = int(self._listener.getsockname()[1])
        self._connection: socket.socket | None = None

    def accept(self) -> None:
        """Waits for the subscriber, in place of one that it had."""
        self.disconnect()
        self._connection, _ = self._listener.accept()
        self._connection.settimeout(20)

    def tell(self, message: bytes) -> None:
        """Sends one message."""
        assert self._connection is not None
        self._connection.sendall(struct.pack(">I", len(message)) + message)

    def ask(self, message: bytes) -> bytes:
        """Sends one message, and returns the subscriber's next."""
        self.tell(message)
        (size,) = struct.unpack(">I", self._receive(4))
        return self._receive(size)

    def _receive(self, size: int) -> bytes:
        assert self._connection is not None
        received = b""
        while len(received) < size:
            part = self._connection.recv(size - len(received))
            assert part, "the subscriber hung up"
            received += part
        return received

    def disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def close(self) -> None:
        self.disconnect()
        self._listener.close()
