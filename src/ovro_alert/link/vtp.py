"""VOEvents to a broker's author port, over the VOEvent Transport Protocol [VTP 2.0].

Comet can send too (comet.protocol.sender), but within Twisted's reactor, which a process starts once and only
in its main thread: nothing for a daemon. The protocol is a length, the event, and one answer.
"""

import socket
import struct
import time
from xml.etree import ElementTree

PORT = 8098  # authors'; subscribers' is 8099
ANSWER_S = 20.0  # Comet's own patience with an author
LARGEST_ANSWER = 100_000
HEADER = struct.Struct(">I")  # the length of what follows [VTP 2.0 §3]


class Nak(Exception):
    """The broker has the event and does not take it; the message is its reason."""

    @property
    def is_known(self) -> bool:
        """Whether it has had the same bytes before: the answer to what is sent again after a lost one."""
        return "previously seen" in str(self).lower()  # Comet's words (comet.validator.previously_seen)


def send(raw: bytes, host: str, port: int = PORT, timeout: float = ANSWER_S) -> None:
    """Give a VOEvent to a broker; it has acknowledged the event when this returns.

    Raises
        Nak: the broker refuses it.
        OSError: there is no answer within `timeout` s, or none that the protocol knows; the broker may have
            the event or not, and to send it again is safe.
    """
    end = time.monotonic() + timeout
    try:
        with socket.create_connection((host, port), timeout) as connection:
            connection.settimeout(_left(end))
            connection.sendall(HEADER.pack(len(raw)) + raw)
            (size,) = HEADER.unpack(_receive(connection, HEADER.size, end))
            if size > LARGEST_ANSWER:
                raise ConnectionError(f"the answer would be of {size} bytes: that is no VOEvent broker")
            answer = _receive(connection, size, end)
    except TimeoutError:
        raise TimeoutError(f"no answer within {timeout:g} s") from None
    _judge(answer)


def _left(end: float) -> float:
    """The time that is left for all of it: a byte now and then must not hold us for ever."""
    return max(end - time.monotonic(), 0.001)


def _receive(connection: socket.socket, size: int, end: float) -> bytes:
    parts = b""
    while len(parts) < size:
        connection.settimeout(_left(end))
        part = connection.recv(size - len(parts))
        if not part:
            raise ConnectionError("it hung up without an answer")
        parts += part
    return parts


def _judge(answer: bytes) -> None:
    if b"<!DOCTYPE" in answer:  # which could declare entities
        raise ConnectionError("the answer has a document type definition")
    try:
        element = ElementTree.fromstring(answer)
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # the latter two: of its encoding
        raise ConnectionError(f"the answer is not XML: {error}") from None
    role = element.get("role")
    if role == "nak":
        reason = element.findtext("{*}Meta/{*}Result") or "no reason given"
        raise Nak(" ".join(reason.split())[:500])
    if role != "ack":
        raise ConnectionError(f"the answer is neither ack nor nak, but {str(role)[:80]!r}")
