"""What a receiver says of its sources, at the wire, whatever becomes of the relay meanwhile."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx2
import pytest

from ovro_alert.link.pulse import Pulse, beating
from ovro_alert.link.relay import Relay
from support import until

OK = httpx2.Response(200, json={})


class Clock:
    def __init__(self) -> None:
        self.now = 1e6

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pulse(clock) -> Pulse:
    return Pulse("gcn.heartbeat", "kafka", clock)


@contextmanager
def told(pulses: list[Pulse], answer: Callable[[httpx2.Request], httpx2.Response]) -> Iterator[list]:
    """The pulses while they are told; gives what was told, as source and body."""
    came: list[tuple[str, dict]] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        assert request.method == "PUT"
        came.append((request.url.path, json.loads(request.content)))
        return answer(request)

    stop = threading.Event()
    with Relay("http://relay.test", "a key", transport=httpx2.MockTransport(handle)) as relay:
        with beating(relay, pulses, stop, every_s=0.01):
            yield came
        stop.set()


def test_ages_are_told_and_no_moments_so_that_clocks_need_not_agree(pulse, clock):
    clock.now += 10
    pulse.connected()
    clock.now += 20
    pulse.heard(expected=True)
    clock.now += 30
    pulse.heard()
    clock.now += 40
    pulse.connected()  # no news
    pulse.behind(7)
    pulse.waiting(3)
    with told([pulse], lambda _: OK) as came:
        path, body = until(lambda: came and came[0])
    assert path == "/sources/gcn.heartbeat"
    assert body.pop("reporter")
    assert body == {
        "transport": "kafka",
        "connected": True,
        "since_s": 90.0,
        "why": "",
        "heard_s": 40.0,
        "expected_s": 70.0,
        "behind": 7,
        "waiting": 3,
    }


def test_one_that_begins_is_not_connected_and_has_heard_nothing(pulse, clock):
    clock.now += 5
    report = pulse.report()
    assert (report.connected, report.since_s, report.heard_s, report.expected_s) == (False, 5.0, None, None)
    assert (report.why, report.behind, report.waiting) == ("not connected yet", None, None)


def test_a_connection_that_is_lost_again_and_again_is_lost_since_the_first_time(pulse, clock):
    pulse.connected()
    pulse.lost("a broken pipe")
    clock.now += 60
    pulse.lost("no route " + "x" * 1000)
    report = pulse.report()
    assert (report.connected, report.since_s) == (False, 60.0)
    assert report.why.startswith("no route")


def test_every_source_is_told_of_whichever_the_relay_refuses_and_a_refusal_is_logged_once(caplog):
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(403, json={"detail": "no"}) if request.url.path.endswith("/a") else OK

    with told([Pulse("a", "kafka"), Pulse("b", "kafka")], answer) as came:
        until(lambda: [path for path, _ in came].count("/sources/b") >= 3)
    assert len([line for line in caplog.messages if "403" in line]) == 1


@pytest.mark.parametrize("trouble", [httpx2.ConnectError("no relay"), ZeroDivisionError("a fault of ours")])
def test_it_goes_on_being_told_after_whatever_trouble(pulse, trouble, caplog):
    tries = []

    def answer(_: httpx2.Request) -> httpx2.Response:
        tries.append(1)
        if len(tries) < 3:
            raise trouble
        return OK

    with told([pulse], answer):
        until(lambda: len(tries) >= 5)


def test_nothing_is_told_any_more_once_the_body_has_ended(pulse):
    before = set(threading.enumerate())
    with told([pulse], lambda _: OK) as came:
        until(lambda: came)
        (thread,) = set(threading.enumerate()) - before
    thread.join(10)
    assert not thread.is_alive()
