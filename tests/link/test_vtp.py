"""Sending to an author port: acknowledged, refused with a reason, or plainly not answered."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from ovro_alert.demo.processes import free_port
from ovro_alert.link import vtp

EVENT = b"<VOEvent/>"
ACK = b"""<?xml version='1.0' encoding='UTF-8'?>
<trn:Transport xmlns:trn="http://www.telescope-networks.org/xml/Transport/v1.1" version="1.0" role="ack">
<Origin>ivo://test/event#1</Origin><Response>ivo://test/broker</Response>
<TimeStamp>2026-01-01T00:00:00Z</TimeStamp></trn:Transport>"""
NAK = ACK.replace(b'role="ack"', b'role="nak"').replace(
    b"</trn:Transport>", b"<Meta><Result>Event rejected: %s</Result></Meta></trn:Transport>"
)


def framed(message: bytes) -> bytes:
    return struct.pack(">I", len(message)) + message


@contextmanager
def broker(talk: Callable[[socket.socket, bytes], None]) -> Iterator[int]:
    """A broker's author port that takes one event and then does as it is told."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as stream:
                connection.settimeout(20)
                (size,) = struct.unpack(">I", stream.read(4))
                talk(connection, stream.read(size))

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(listener.getsockname()[1])
        thread.join()


def answering(answer: bytes) -> Callable[[socket.socket, bytes], None]:
    return lambda connection, event: connection.sendall(answer)


def test_an_event_goes_as_it_is_and_is_acknowledged():
    came = []

    def talk(connection: socket.socket, event: bytes) -> None:
        came.append(event)
        for byte in framed(ACK):  # in as many pieces as can be
            connection.sendall(bytes([byte]))

    with broker(talk) as port:
        vtp.send(EVENT, "127.0.0.1", port)
    assert came == [EVENT]


@pytest.mark.parametrize(
    ("reason", "is_known"), [(b"Previously seen by this broker", True), (b"no\n valid   ivorn", False)]
)
def test_a_refusal_says_why_and_whether_the_broker_has_the_event_already(reason, is_known):
    with broker(answering(framed(NAK % reason))) as port, pytest.raises(vtp.Nak) as caught:
        vtp.send(EVENT, "127.0.0.1", port)
    assert str(caught.value) == "Event rejected: " + " ".join(reason.decode().split())
    assert caught.value.is_known is is_known


def test_a_refusal_without_a_reason_is_one_all_the_same():
    answer = ACK.replace(b'role="ack"', b'role="nak"')
    with broker(answering(framed(answer))) as port, pytest.raises(vtp.Nak, match="no reason given"):
        vtp.send(EVENT, "127.0.0.1", port)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "hung up without an answer"),
        (framed(ACK)[:-1], "hung up without an answer"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "no VOEvent broker"),
        (framed(b"not XML"), "not XML"),
        (framed(b'<?xml version="1.0" encoding="no such"?><a/>'), "not XML"),
        (framed(b'<!DOCTYPE a [<!ENTITY b "c">]><a role="ack">&b;</a>'), "document type definition"),
        (framed(ACK.replace(b'role="ack"', b'role="iamalive"')), "'iamalive'"),
        (framed(ACK.replace(b'role="ack"', b"")), "neither ack nor nak"),
    ],
)
def test_what_is_no_answer_is_an_error_that_says_what_came(answer, said):
    with broker(answering(answer)) as port, pytest.raises(ConnectionError, match=said):
        vtp.send(EVENT, "127.0.0.1", port)


@pytest.mark.parametrize("now_and_then", [b"", framed(b"<a" + b" " * 90_000)])
def test_a_broker_that_hangs_is_not_waited_for_beyond_the_limit(now_and_then):
    over = threading.Event()

    def talk(connection: socket.socket, event: bytes) -> None:
        for byte in now_and_then:
            if over.wait(0.01):
                return
            connection.sendall(bytes([byte]))
        over.wait(20)

    with broker(talk) as port:
        with pytest.raises(TimeoutError, match=r"no answer within 0\.3 s"):
            vtp.send(EVENT, "127.0.0.1", port, timeout=0.3)
        over.set()


def test_a_port_where_nobody_listens_is_an_error():
    with pytest.raises(OSError, match="refused"):
        vtp.send(EVENT, "127.0.0.1", free_port())
