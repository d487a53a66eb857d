"""CHIME's own broker, as far as a subscriber can tell: VOEvents pushed over the VOEvent Transport Protocol.

CHIME's retractions break VOEvent's schema. Comet takes them from a broker that it subscribes to, and refuses
them at its author port, so it is as a broker that the demonstration speaks to Comet.
"""

import socket
import struct
from contextlib import suppress

from ovro_alert.demo.processes import Failed

HEADER = struct.Struct(">I")  # the length of what follows [VTP 2.0 §3]
ANSWER_S = 10.0
LARGEST_ANSWER = 100_000


class ChimeBroker:
    """Listens for one subscriber and pushes events to it, each acknowledged before the next."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._subscriber: socket.socket | None = None

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def has_subscriber(self, patience_s: float = 0.05) -> bool:
        """Whether a subscriber is connected, having looked for one for `patience_s`."""
        if self._subscriber is None:
            self._listener.settimeout(patience_s)
            with suppress(TimeoutError):
                self._subscriber, _ = self._listener.accept()
                self._subscriber.settimeout(ANSWER_S)
        return self._subscriber is not None

    def send(self, raw: bytes) -> None:
        """Pushes an event and waits for its acknowledgement. Raises Failed where none comes."""
        if not self.has_subscriber(ANSWER_S) or self._subscriber is None:
            raise Failed("nobody subscribes to CHIME's broker")
        try:
            self._subscriber.sendall(HEADER.pack(len(raw)) + raw)
            answer = self._frame(self._subscriber)
        except OSError as error:
            self._subscriber.close()
            self._subscriber = None
            raise Failed(f"Comet did not acknowledge the event: {error or type(error).__name__}") from error
        if b'role="ack"' not in answer and b"role='ack'" not in answer:
            raise Failed(f"Comet refused the event: {answer.decode(errors='replace')}")

    @staticmethod
    def _frame(sock: socket.socket) -> bytes:
        with sock.makefile("rb") as stream:
            (size,) = HEADER.unpack(stream.read(HEADER.size).ljust(HEADER.size, b"\0"))
            if not 0 < size <= LARGEST_ANSWER:
                raise ConnectionError("the subscriber went away")
            return stream.read(size)

    def close(self) -> None:
        for sock in (self._subscriber, self._listener):
            if sock is not None:
                sock.close()
