"""The relay as four workers on one PostgreSQL database, as an operator would run it."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from sqlalchemy import create_engine, text

from ovro_alert.demo.sample_bursts import Burst, chime_notice, chime_voevent
from support import RunningRelay, until

pytestmark = pytest.mark.end_to_end
WORKERS = 4
WRITERS = 8
EACH = 25
ALL = list(range(1, WRITERS * EACH + 1))


@pytest.fixture
def url(postgres_urls):
    return next(postgres_urls)


@pytest.fixture
def relay(tmp_path, url):
    """Four workers that start at once on an empty database."""
    changes = {"OVRO_ALERT_DATABASE_URL": url, "WEB_CONCURRENCY": str(WORKERS)}
    running = RunningRelay(tmp_path, changes)
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    listening = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND (query LIKE 'LISTEN%' OR query LIKE '%counters%') AND state = 'idle'"
    )
    try:
        running.start()
        with engine.connect() as connection:
            until(lambda: connection.execute(listening).scalar() == WORKERS, what="every worker")
        yield running
    finally:
        running.stop()
        engine.dispose()


def retraction(burst):
    """Of a burst's notice, by the same transport."""
    return json.dumps(json.loads(chime_notice(burst)) | {"alert_type": "retraction"}).encode()


def write(relay, writer):
    """PUTs one after the other, each on a connection of its own: whichever worker takes it."""
    answers = []
    for n in range(EACH):
        with relay.client() as client:
            body = {"command": "powerbeam", "command_mjd": 61000.0 + n, "args": {"writer": writer, "n": n}}
            answers.append(client.put("/lwa", json=body).raise_for_status().json())
    return answers


def wait_for_all(relay):
    """A follower that asks again and again, each time of whichever worker; what it is given, in order."""
    seen = []
    while len(seen) < len(ALL):
        with relay.client() as client:
            after = seen[-1]["seq"] if seen else 0
            answer = client.get("/lwa/commands", params={"after": after, "wait": 20}).raise_for_status()
            seen += answer.json()["commands"]
    return seen


def listen_for_all(relay):
    """A follower of the stream, on one worker for all its life."""
    seen = []
    with relay.client() as client, client.stream("GET", "/lwa/stream") as answer:
        for line in answer.iter_lines():
            if line.startswith("data:"):
                seen.append(json.loads(line.removeprefix("data:")))
                if len(seen) == len(ALL):
                    return seen
    return seen


def test_followers_on_every_worker_are_given_every_put_once_and_in_order(relay):
    with ThreadPoolExecutor(40) as pool:
        followers = [pool.submit(follow, relay) for follow in [wait_for_all, listen_for_all] * 8]
        written = list(pool.map(lambda writer: write(relay, writer), range(WRITERS)))
        followed = [follower.result(50) for follower in followers]
    acknowledged = {answer["seq"]: answer["id"] for answers in written for answer in answers}
    assert sorted(acknowledged) == ALL
    for seen in followed:
        assert [entry["seq"] for entry in seen] == ALL
        assert {entry["seq"]: entry["id"] for entry in seen} == acknowledged
        for writer in range(WRITERS):  # what one writer wrote is in the order that it wrote it
            assert [e["args"]["n"] for e in seen if e["args"]["writer"] == writer] == list(range(EACH))
    with relay.client() as client:
        feed = client.get("/feed").raise_for_status().json()["entries"]
    assert [entry["n"] for entry in feed] == list(range(1, len(feed) + 1))


def test_a_command_is_claimed_by_one_client_whichever_workers_they_ask(relay):
    with relay.client() as client:
        body = {"command": "powerbeam", "command_mjd": 61000.0, "args": {}}
        command = client.put("/lwa", json=body).raise_for_status().json()["id"]

    def claim(name):
        with relay.client() as client:
            body = {"client": f"client {name}", "lease_s": 60}
            return client.post(f"/commands/{command}/claim", json=body).status_code

    with ThreadPoolExecutor(16) as pool:
        assert sorted(pool.map(claim, range(16))) == [200] + [409] * 15


def test_an_alert_sent_to_every_worker_at_once_is_one_alert(relay):
    body = {
        "command": "observation",
        "command_mjd": 61103.25,
        "args": {"position": "12.5,-3.0,0.1", "dm": 500.0, "id": "77", "instrument": "CHIME"},
    }

    def send(_):
        with relay.client() as client:
            return client.put("/chime", json=body).raise_for_status().json()

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(send, range(16)))
    assert len({answer["event_id"] for answer in answers}) == 1
    with relay.client() as client:
        assert len(client.get("/events").raise_for_status().json()["events"]) == 1


def test_two_alerts_of_one_event_at_one_instant_lead_to_what_they_would_one_after_the_other(relay):
    """By both transports, an update and a retraction among them, each sent to whichever worker takes it."""
    now = datetime.now(UTC) - timedelta(seconds=1)
    bursts = [Burst(f"77{n}", now, 120.0 + n, 70.0, 500.0, 0.99) for n in range(24)]
    kept = [(chime_voevent(burst), chime_notice(burst)) for burst in bursts[:16]]
    retracted = [(chime_notice(one), retraction(one)) for one in bursts[16:]]
    messages = [raw for pair in kept + retracted for raw in pair]

    def send(raw):
        with relay.client() as client:
            return client.post("/alerts", content=raw).raise_for_status().json()["event_id"]

    with ThreadPoolExecutor(16) as pool:
        names = list(pool.map(send, messages))
    with relay.client() as client:
        events = {name: client.get(f"/events/{quote(name)}").raise_for_status().json() for name in names}
    asked = {
        name: sorted((one["command"], one["state"]) for one in event["commands"])
        for name, event in events.items()
    }
    once = [("CHIME FRB", "queued"), ("powerbeam", "queued")]
    assert [asked[name] for name in names[:32]] == [once] * 32
    for name in names[32:]:
        assert {state for _, state in asked[name]} <= {"cancelled"}


def test_while_the_database_is_away_the_relay_says_so_and_afterwards_goes_on(tmp_path, postgres_server):
    relay = RunningRelay(tmp_path, {"OVRO_ALERT_DATABASE_URL": postgres_server.url})
    relay.start()
    body = {"command": "powerbeam", "command_mjd": 61000.0, "args": {}}
    try:
        with relay.client() as client, relay.client() as patient, ThreadPoolExecutor(1) as pool:
            client.headers["Connection"] = "close"  # idle ones end after 5 s, perhaps just then
            assert client.put("/lwa", json=body).raise_for_status().json()["seq"] == 1
            waits = pool.submit(patient.get, "/lwa/commands", params={"after": 1, "wait": 40})
            follower = 'ovro_alert_followers{topic="lwa"} 1.0'
            until(lambda: follower in client.get("/metrics").text, what="the follower")
            postgres_server.stop()
            put, get = client.put("/lwa", json=body), client.get("/lwa")
            assert (put.status_code, get.status_code) == (503, 503)
            assert put.headers["Retry-After"]
            until(lambda: client.get("/readyz").status_code == 503, what="not being ready")
            assert client.get("/healthz").status_code == 200
            postgres_server.start()
            assert client.put("/lwa", json=body).raise_for_status().json()["seq"] == 2
            assert [entry["seq"] for entry in waits.result(50).json()["commands"]] == [2]
            until(lambda: client.get("/readyz").status_code == 200, what="being ready")
    finally:
        relay.stop()


def test_what_no_database_can_hold_is_a_clear_refusal(relay):
    with relay.client() as client:
        assert client.get("/events/a%00b").status_code in (404, 422)
        assert client.get("/alerts/a%00b/raw").status_code in (404, 422)
        assert client.post("/alerts", params={"format": "a\x00b"}, content=b"{}").status_code == 422
        assert client.post("/alerts", params={"format": "a" * 101}, content=b"{}").status_code == 422
        long = {"command": "c" * 201, "command_mjd": 61000.0, "args": {}}
        assert client.put("/lwa", json=long).status_code == 422
        assert client.get(f"/setaside/{10**30}/raw").status_code in (404, 422)
        assert client.get(f"/commands/{10**30}").status_code in (404, 422)
        header = {"X-Alert-Transport": '{"via": "a\\u0000b"}'}
        assert client.post("/alerts", headers=header, content=b"{}").status_code == 422
