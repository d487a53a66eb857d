"""What the daemons send and understand, at the wire."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone

import httpx2
import pytest

from ovro_alert.command import Kind, State
from ovro_alert.link import relay as link
from ovro_alert.link.arrival import arrival
from ovro_alert.link.relay import Away, Refused, Relay

KEY = "a key of these tests"
RECEIPT = {
    "alert_id": "ivo://x/y",
    "event_id": "S1",
    "duplicate": True,
    "decisions": [{"rule": "merger", "verdict": "no", "reasons": ["far 1 > 2"], "of a later relay": 1}],
    "commands": [7],
}
ENTRY = {
    "id": 7,
    "seq": 3,
    "slot": "lwa",
    "kind": "command",
    "command": "trigger",
    "args": {"a": 1},
    "command_mjd": 60000.5,
    "state": "queued",
    "event_id": "S1",
    "deadline": "2026-01-01T00:00:00Z",
}


@contextmanager
def answering(
    answer: httpx2.Response | Callable[[httpx2.Request], httpx2.Response],
) -> Iterator[tuple[Relay, list]]:
    asked: list[httpx2.Request] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return answer(request) if callable(answer) else answer

    with Relay("http://relay.test", KEY, transport=httpx2.MockTransport(handle)) as relay:
        yield relay, asked


def test_an_alert_goes_as_its_bytes_and_the_key_in_a_header_only():
    raw = b"\x00\xff<not text"
    moment = datetime(2026, 1, 1, 1, 0, 0, 5, tzinfo=timezone(timedelta(hours=1)))
    about = arrival("kafka", moment, topic="Ωmega", offset=17)
    with answering(httpx2.Response(200, json=RECEIPT)) as (relay, asked):
        receipt = relay.post_alert(raw, about, format="igwn")
    (request,) = asked
    assert request.content == raw
    assert str(request.url) == "http://relay.test/alerts?format=igwn"
    assert request.headers["X-API-Key"] == KEY
    header = dict(request.headers.raw)[b"X-Alert-Transport"]
    assert json.loads(header.decode("ascii")) == {
        "via": "kafka",
        "arrived": "2026-01-01T00:00:00.000005Z",
        "topic": "Ωmega",
        "offset": 17,
    }
    assert receipt.duplicate
    assert receipt.commands == [7]
    assert receipt.decisions[0].reasons == ["far 1 > 2"]


def test_ids_with_the_signs_of_chime_reach_the_relay_as_they_are():
    name = "ivo://ca.chimenet.frb/FRB-DETECTION-#2026-01-01-00:00:00.000000UTC+0000_a b%2F?"
    with answering(httpx2.Response(200, json={"event_id": name})) as (relay, asked):
        assert relay.event(name)["event_id"] == name
    target = asked[0].url.raw_path.decode()
    assert target == (
        "/events/ivo%3A%2F%2Fca.chimenet.frb%2FFRB-DETECTION-%232026-01-01-00%3A00%3A00.000000UTC%2B0000"
        "_a%20b%252F%3F"
    )


def test_following_a_slot_and_the_feed():
    feed = {"n": 5, "at": "2026-01-01T00:00:00Z", "kind": "decided", "data": {}}
    feed |= {"event_id": "S1", "alert_id": None, "command_id": None}
    answers = {
        "/lwa/commands": {"commands": [ENTRY], "next": 3},
        "/feed": {"entries": [feed], "next": 5},
        "/commands/7": ENTRY | {"kind": "event", "state": None, "deadline": None},
    }
    with answering(lambda request: httpx2.Response(200, json=answers[request.url.path])) as (relay, asked):
        entries, after = relay.commands("lwa", after=2, wait=20)
        happened, n = relay.feed(after=4, wait=0.5)
        entry = relay.command(7)
    assert (after, n) == (3, 5)
    assert entries[0].state is State.QUEUED
    assert entries[0].deadline == datetime(2026, 1, 1, tzinfo=UTC)
    assert happened[0].kind == "decided"
    assert (entry.kind, entry.state) == (Kind.EVENT, None)
    assert dict(asked[0].url.params) == {"after": "2", "wait": "20"}
    assert asked[0].extensions["timeout"]["read"] > 20
    assert asked[2].extensions["timeout"]["read"] < asked[0].extensions["timeout"]["read"]


def test_claim_renewal_report_and_put_say_what_the_contract_says():
    bodies = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        bodies.append((request.method, request.url.path, json.loads(request.content)))
        claim = {"token": 4, "expires": "2026-01-01T00:01:00Z"}
        return httpx2.Response(200, json=claim if request.url.path.endswith("claim") else ENTRY)

    with answering(handle) as (relay, _):
        claim = relay.claim(7, "lwa-alert", 60.0)
        relay.claim(7, "lwa-alert", 60.0, token=claim.token)
        relay.report(7, claim.token, State.DONE, {"sdf": "x"})
        relay.put("chime", "test", {"dm": 1.0}, 60000.25)
    assert claim.expires == datetime(2026, 1, 1, 0, 1, tzinfo=UTC)
    assert bodies == [
        ("POST", "/commands/7/claim", {"client": "lwa-alert", "lease_s": 60.0}),
        ("POST", "/commands/7/claim", {"client": "lwa-alert", "lease_s": 60.0, "token": 4}),
        ("POST", "/commands/7/report", {"token": 4, "state": "done", "detail": {"sdf": "x"}}),
        ("PUT", "/chime", {"command": "test", "command_mjd": 60000.25, "args": {"dm": 1.0}}),
    ]


def test_a_put_is_repeated_under_its_own_key_alone():
    keys = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        keys.append(request.headers["Idempotency-Key"])
        return httpx2.Response(200, json={})

    with answering(handle) as (relay, _):
        for key in (None, None, "mine", "mine"):
            relay.put("lwa", "test", {}, 60000.25, key)
    assert keys[2:] == ["mine", "mine"]
    assert len(set(keys)) == 3


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (409, {"detail": "claimed by another", "state": "running"}, "claimed by another"),
        (404, {"detail": "no such command"}, "no such command"),
        (401, {"detail": "wrong key"}, "wrong key"),
        (400, {}, "{}"),
        (418, "", "I'm a teapot"),
        (
            422,
            {"detail": [{"loc": ["event", "far"], "msg": "not a number"}, "odd"]},
            "event.far: not a number; odd",
        ),
    ],
)
def test_a_no_carries_status_reason_and_body(status, body, reason):
    content = json.dumps(body) if body else ""
    if body == {}:
        content = "{}"
    with answering(httpx2.Response(status, content=content)) as (relay, _), pytest.raises(Refused) as caught:
        relay.claim(7, "me", 1)
    assert caught.value.status == status
    assert caught.value.reason == reason
    assert caught.value.body == body
    assert caught.value.about_the_key == (status == 401)


@pytest.mark.parametrize("status", [301, 302, 304, 408, 429, 500, 502, 503])
def test_trouble_is_away(status):
    answer = httpx2.Response(status, headers={"Location": "http://elsewhere.test"}, json={"detail": "x"})
    with answering(answer) as (relay, asked), pytest.raises(Away, match=str(status)):
        relay.command(7)
    assert len(asked) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>a login page</html>",
        b"{",
        b"[]",
        b"null",
        b'{"id": "x"}',
        json.dumps(ENTRY | {"state": "?"}),
        b"\xff",
    ],
)
def test_what_is_not_a_relays_answer_is_away(content):
    with answering(httpx2.Response(200, content=content)) as (relay, _):
        for ask in (
            lambda: relay.command(7),
            lambda: relay.commands("lwa", 0, 0),
            lambda: relay.feed(0, 0),
            lambda: relay.post_alert(b"", {}),
        ):
            with pytest.raises(Away):
                ask()


def test_an_alert_refused_for_what_only_another_server_says_is_kept_for_the_relay():
    for status in (402, 404, 405, 409):
        with answering(httpx2.Response(status)) as (relay, _), pytest.raises(Away, match="no relay"):
            relay.post_alert(b"", {})
    for status in (400, 413, 415, 422, 401, 403):
        with answering(httpx2.Response(status)) as (relay, _), pytest.raises(Refused):
            relay.post_alert(b"", {})


def test_whether_the_relay_kept_what_it_could_not_read():
    for body, kept in (({"setaside": 3}, True), ({"setaside": None}, False), ({}, False), ([], False)):
        with answering(httpx2.Response(422, json=body)) as (relay, _), pytest.raises(Refused) as caught:
            relay.post_alert(b"", {})
        assert caught.value.set_aside == kept


@contextmanager
def a_server(behave: Callable[[socket.socket], None]) -> Iterator[str]:
    """A TCP server on loopback that does `behave` with each connection once it was asked something."""
    listener = socket.create_server(("127.0.0.1", 0))
    closing = threading.Event()

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                if closing.is_set():
                    return
                connection.recv(65536)
                behave(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        closing.set()
        socket.create_connection(listener.getsockname()).close()
        thread.join()
        listener.close()


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nnot",
        b"220 a mail server greets you\r\n",
        b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
        b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"id": NaN}',
    ],
)
def test_a_server_that_misbehaves_is_away(said):
    with a_server(lambda connection: connection.sendall(said)) as url, Relay(url, KEY) as relay:
        with pytest.raises(Away) as caught:
            relay.command(7)
        with pytest.raises(Away):
            relay.post_alert(b"x" * 100_000, {})
    assert KEY not in str(caught.value)


def test_a_server_that_hangs_is_away_after_the_limit(monkeypatch):
    monkeypatch.setattr(link, "ANSWER_S", 0.05)
    gone = threading.Event()
    with a_server(lambda _: gone.wait(10)) as url, Relay(url, KEY) as relay:
        with pytest.raises(Away, match="Timeout"):
            relay.feed(0, wait=0.05)
        gone.set()


def test_nobody_listening_is_away_and_a_proxy_is_not_asked_for_this_machine(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    with Relay(f"http://127.0.0.1:{port}", KEY) as relay, pytest.raises(Away, match="ConnectError"):
        relay.command(7)
    with a_server(lambda connection: connection.sendall(answer)) as url, Relay(url, KEY) as relay:
        assert relay.event("x") == {}


def test_a_closed_connection_is_away_not_a_crash():
    with answering(httpx2.Response(200, json=ENTRY)) as (relay, _):
        relay.close()
        with pytest.raises(Away):
            relay.command(7)


def test_many_alerts_go_in_one_request_and_each_has_its_answer():
    aside = {"status": 422, "detail": [{"loc": ["dm"], "msg": "must be a number"}], "setaside": 5}
    answers = [RECEIPT | {"status": 200}, aside]
    with answering(httpx2.Response(200, json={"answers": answers})) as (relay, asked):
        receipt, refused = relay.post_alerts([(b"\x00\xff", {"offset": 1}), (b"{}", {})])
    assert receipt.commands == [7]
    assert (refused.status, refused.reason, refused.set_aside) == (422, "dm: must be a number", True)
    (request,) = asked
    assert request.url.path == "/alerts/batch"
    assert json.loads(request.content)["messages"] == [
        {"content": "AP8=", "transport": {"offset": 1}},
        {"content": "e30=", "transport": {}},
    ]


@pytest.mark.parametrize("answers", [[], [RECEIPT], [{"status": 422}] * 2])
def test_answers_that_are_not_one_a_message_are_no_answer(answers):
    with answering(httpx2.Response(200, json={"answers": answers})) as (relay, _), pytest.raises(Away):
        relay.post_alerts([(b"a", {}), (b"b", {})])
