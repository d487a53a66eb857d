"""Messages that wait for the relay: what goes together, what alone, and what becomes of each."""

import json
import threading
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx2
import pytest

from ovro_alert.link.handover import LIMIT, MANY, SENDERS, SMALL, Handover
from ovro_alert.link.relay import Receipt, Refused, Relay
from support import until


class Told(NamedTuple):
    raw: bytes
    about: dict[str, Any]


def told(*raws: bytes) -> list[Told]:
    return [Told(raw, {"via": "test"}) for raw in raws]


class Stand:
    """A relay that answers what it is told to, and notes which messages came in which request."""

    def __init__(self) -> None:
        self.requests: list[list[bytes]] = []
        self.settled: dict[bytes, Receipt | Refused] = {}
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.answer: Callable[[bytes], int] = lambda raw: 200
        self.knows_batches = True

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        batch = request.url.path == "/alerts/batch"
        if batch and not self.knows_batches:
            return httpx2.Response(404, json={"detail": "Not Found"})
        raws = (
            [b64decode(one["content"]) for one in json.loads(request.content)["messages"]]
            if batch
            else [request.content]
        )
        self.requests.append(raws)
        self.may_answer.wait(20)
        answers = [self.answers(raw) for raw in raws]
        if batch:
            return httpx2.Response(200, json={"answers": answers})
        return httpx2.Response(answers[0]["status"], json=answers[0])

    def answers(self, raw: bytes) -> dict[str, Any]:
        if (status := self.answer(raw)) != 200:
            return {"status": status, "detail": [{"loc": ["far"], "msg": "no"}], "setaside": 7}
        name = str(hash(raw))
        receipt = {"alert_id": name, "event_id": name, "duplicate": False, "decisions": [], "commands": []}
        return receipt | {"status": 200}

    def settle(self, message: Told, answer: Receipt | Refused) -> None:
        self.settled[message.raw] = answer


@contextmanager
def handing_over(stand: Stand, settle: Callable[[Told, Any], None] | None = None) -> Iterator[Handover[Told]]:
    with (
        Relay("http://relay.test", "key", transport=httpx2.MockTransport(stand.handle)) as relay,
        Handover(relay, settle or stand.settle) as handover,
    ):
        yield handover


def occupy(stand: Stand, handover: Handover[Told]) -> None:
    """Gives every sender something that the relay does not answer yet."""
    stand.may_answer.clear()
    for n in range(SENDERS):
        handover.put(told(b"first %d" % n))
        until(lambda n=n: len(stand.requests) == n + 1)


def test_a_lone_message_waits_for_no_other():
    stand = Stand()
    with handing_over(stand) as handover:
        handover.put(told(b"lone"))
        until(lambda: stand.settled)
    assert stand.requests == [[b"lone"]]
    assert isinstance(stand.settled[b"lone"], Receipt)


def test_small_ones_that_wait_go_together_and_in_order():
    stand = Stand()
    small = [b"small %d" % n for n in range(MANY + 10)]
    with handing_over(stand) as handover:
        occupy(stand, handover)
        handover.put(told(*small))
        stand.may_answer.set()
        until(lambda: len(stand.settled) == SENDERS + len(small))
    # Two senders take them, in order; which of the two is heard first is theirs.
    assert sorted(stand.requests[SENDERS:], key=len) == [small[MANY:], small[:MANY]]


def test_large_ones_go_by_themselves_and_side_by_side():
    stand = Stand()
    large = [bytes([n]) * SMALL for n in range(SENDERS)]
    stand.may_answer.clear()
    with handing_over(stand) as handover:
        handover.put(told(*large))
        until(lambda: len(stand.requests) == SENDERS)
        stand.may_answer.set()
        until(lambda: len(stand.settled) == SENDERS)
    assert sorted(stand.requests) == [[each] for each in large]


def test_one_that_is_refused_keeps_no_other_from_the_relay():
    stand = Stand()
    stand.answer = lambda raw: 422 if raw == b"poison" else 200
    with handing_over(stand) as handover:
        occupy(stand, handover)
        handover.put(told(b"good", b"poison", b"better"))
        stand.may_answer.set()
        until(lambda: len(stand.settled) == SENDERS + 3)
    poison = stand.settled[b"poison"]
    assert isinstance(poison, Refused)
    assert (poison.status, poison.reason, poison.set_aside) == (422, "far: no", True)
    assert isinstance(stand.settled[b"better"], Receipt)


def test_a_relay_that_takes_no_batches_is_given_each_by_itself():
    stand = Stand()
    stand.knows_batches = False
    with handing_over(stand) as handover:
        handover.put(told(b"one", b"two", b"three"))
        until(lambda: len(stand.settled) == 3)
    assert sorted(stand.requests) == [[b"one"], [b"three"], [b"two"]]


def test_there_is_room_again_when_the_relay_has_answered():
    stand = Stand()
    stand.may_answer.clear()
    with handing_over(stand) as handover:
        assert handover.has_room(0)
        handover.put(told(bytes(LIMIT)))
        assert not handover.has_room(0)
        stand.may_answer.set()
        assert handover.has_room(20)


def test_empty_messages_fill_it_too():
    stand = Stand()
    stand.may_answer.clear()
    with handing_over(stand) as handover:
        handover.put(told(*[b""] * 100_000))
        assert not handover.has_room(0)
        stand.may_answer.set()


def test_what_settling_raises_is_raised_where_room_is_asked_for():
    def full(message: Told, answer: object) -> None:
        raise OSError(28, "No space left on device")

    def failed() -> bool:
        try:
            return not handover.has_room(0)
        except OSError:
            return True

    with handing_over(Stand(), full) as handover:
        handover.put(told(b"refused"))
        until(failed)
        with pytest.raises(OSError, match="No space left"):
            handover.has_room(0)


def test_it_ends_at_once_though_a_request_hangs():
    stand = Stand()
    with handing_over(stand) as handover:
        occupy(stand, handover)
        handover.put(told(b"never sent"))
    stand.may_answer.set()
    assert [b"never sent"] not in stand.requests
