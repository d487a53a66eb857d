"""A slot's log as server-sent events, over a real connection."""

import json
import threading

import httpx2
import pytest

pytestmark = pytest.mark.end_to_end
COMMAND = {"command": "powerbeam", "command_mjd": 61103.25, "args": {"name": "a\nb"}}


def events(lines, count):
    """The next so many events of a stream: (id, type, data)."""
    found, fields = [], {}
    for line in lines:
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
            continue
        if fields:
            found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
            fields = {}
        if len(found) == count:
            return found
    return found


def test_entries_come_as_events_and_a_client_that_comes_back_goes_on(relay):
    with relay.client() as client:
        for n in range(3):
            client.put("/lwa", json=COMMAND | {"command_mjd": float(n)})
        with client.stream("GET", "/lwa/stream") as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            lines = stream.iter_lines()
            past = events(lines, 3)
            client.put("/lwa", json=COMMAND | {"command_mjd": 3.0})
            (news,) = events(lines, 1)
        assert [one[0] for one in past] == [1, 2, 3]
        assert news[:2] == (4, "command")
        assert news[2] == client.get("/lwa/commands", params={"after": 3}).json()["commands"][0]
        client.put("/lwa", json=COMMAND | {"command_mjd": 4.0})
        with client.stream("GET", "/lwa/stream", headers={"Last-Event-ID": "4"}) as stream:
            assert [one[0] for one in events(stream.iter_lines(), 1)] == [5]


@pytest.mark.parametrize("number", ["-1", "x", "9" * 30, "١"])
def test_a_last_event_id_that_is_none_is_refused(relay, number):
    with relay.client() as client:
        answer = client.get("/lwa/stream", headers={b"Last-Event-ID": number.encode()})
        assert answer.status_code == 422
        assert "Last-Event-ID" in answer.text
        assert client.get("/gbt/stream").status_code == 404


def test_followers_leave_and_the_relay_stops_though_others_listen(relay):
    heard, ended = threading.Event(), threading.Event()

    def listen():
        with relay.client() as client, client.stream("GET", "/lwa/stream", timeout=60) as stream:
            lines = stream.iter_lines()
            events(lines, 1)
            heard.set()
            list(lines)
        ended.set()

    listener = threading.Thread(target=listen, daemon=True)
    with relay.client() as client:
        client.put("/lwa", json=COMMAND)
        with client.stream("GET", "/lwa/stream") as stream:
            events(stream.iter_lines(), 1)  # and leaves in the middle
        listener.start()
        assert heard.wait(10)
    relay.stop()
    assert ended.wait(10)


def test_every_follower_gets_every_entry_in_order(relay):
    followers, commands = 20, 100
    got: list[list[int]] = [[] for _ in range(followers)]

    def follow(mine):
        limits = httpx2.Timeout(60)
        with relay.client() as client, client.stream("GET", "/lwa/stream", timeout=limits) as stream:
            mine += [one[0] for one in events(stream.iter_lines(), commands)]

    threads = [threading.Thread(target=follow, args=(mine,), daemon=True) for mine in got]
    for thread in threads:
        thread.start()
    with relay.client() as client:
        for n in range(commands):
            client.put("/lwa", json=COMMAND | {"command_mjd": float(n)})
    for thread in threads:
        thread.join(30)
    assert got == [list(range(1, commands + 1))] * followers
