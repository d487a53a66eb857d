"""Receivers say how they hear, and whoever asks or follows the feed is told of a source that is deaf."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from fastapi.testclient import TestClient

from ovro_alert.hearing import Expectation
from ovro_alert.relay import app
from ovro_alert.relay.app import create_app
from ovro_alert.relay.sources import watch
from support import until

KEY = {"X-API-Key": "s3cret"}
REPORT = {"transport": "kafka", "reporter": "host", "connected": True, "since_s": 30.0, "heard_s": 1.0}


@pytest.fixture(autouse=True)
def _soon(monkeypatch) -> None:
    monkeypatch.setattr(app, "SWEEP_S", 0.02)


def report(client, source="igwn.gwalert", **changes) -> None:
    answer = client.put(f"/sources/{source}", json=REPORT | changes)
    assert answer.status_code == 204, answer.text


def told(client) -> dict[str, dict]:
    return {each["source"]: each for each in client.get("/sources").raise_for_status().json()["sources"]}


def state(client, source="igwn.gwalert") -> str:
    return told(client)[source]["state"]


def news(client) -> list[tuple[str, str, str]]:
    entries = client.get("/feed").json()["entries"]
    return [(each["kind"], each["data"]["source"], each["data"]["why"]) for each in entries]


def test_a_report_is_told_to_whoever_asks(client):
    assert client.get("/sources").json() == {"now": "2026-03-04T05:06:07Z", "sources": []}
    report(client, expected_s=2.0, behind=3, waiting=4)
    assert told(client)["igwn.gwalert"] == {
        "source": "igwn.gwalert",
        "state": "hearing",
        "why": "",
        "transport": "kafka",
        "reporter": "host",
        "connected": True,
        "since": "2026-03-04T05:05:37Z",
        "heard_at": "2026-03-04T05:06:06Z",
        "expected_at": "2026-03-04T05:06:05Z",
        "cadence_s": 7200.0,
        "behind": 3,
        "waiting": 4,
        "reported_at": "2026-03-04T05:06:07Z",
        "deaf_at": None,
    }


def test_a_receiver_that_dies_makes_its_source_deaf_and_one_that_comes_back_mends_it(client, clock, caplog):
    report(client)
    clock.later(119)
    assert state(client) == "hearing"
    clock.later(2)
    assert state(client) == "deaf"
    until(lambda: news(client))
    clock.later(60)
    report(client, connected=False, why="not connected yet", heard_s=None)
    assert state(client) == "deaf"
    report(client)
    until(lambda: len(news(client)) == 2)
    assert state(client) == "hearing"
    assert news(client) == [
        ("deaf", "igwn.gwalert", "its receiver has reported nothing for 2 min"),
        ("hears", "igwn.gwalert", ""),
    ]
    assert [record.levelname for record in caplog.records if "igwn.gwalert is deaf" in record.message] == [
        "WARNING"
    ]


def test_silence_beyond_the_cadence_is_told_once(client, clock):
    for _ in range(3):
        report(client, "gcn.heartbeat", heard_s=61.0)
        report(client, "some.thing", heard_s=9999.0)
        until(lambda: news(client))
    clock.later(5)
    report(client, "gcn.heartbeat", heard_s=66.0)
    report(client, "other.thing")
    clock.later(130)
    until(lambda: len(news(client)) >= 3)
    heartbeat, *others = sorted(news(client))
    assert heartbeat == ("deaf", "gcn.heartbeat", "no message for 61 s, where 60 s are the most")
    assert [source for _, source, _ in others] == ["other.thing", "some.thing"]


@pytest.fixture
def watching(relay_settings, clock) -> Iterator[TestClient]:
    """A relay whose settings name sources."""
    settings = relay_settings.model_copy(
        update={
            "sources": {
                "gcn.heartbeat": Expectation(cadence_s=10),
                "igwn.gwalert": Expectation(),
                "dsa110.etcd": Expectation(watched=False),
            }
        }
    )
    with TestClient(create_app(settings, clock), headers=KEY) as client:
        yield client


def test_a_source_that_the_settings_name_is_waited_for(watching, clock):
    assert {name: each["state"] for name, each in told(watching).items()} == {
        "dsa110.etcd": "unwatched",
        "gcn.heartbeat": "unknown",
        "igwn.gwalert": "unknown",
    }
    assert told(watching)["igwn.gwalert"]["cadence_s"] == 7200  # what is not said of it is as usual
    clock.later(11)
    assert until(lambda: news(watching)) == [("deaf", "gcn.heartbeat", "no receiver has reported of it")]
    clock.later(110)
    until(lambda: len(news(watching)) == 2)
    assert state(watching) == "deaf"
    assert state(watching, "dsa110.etcd") == "unwatched"


def test_a_source_that_is_neither_named_any_more_nor_reported_is_none(watching, relay_settings, clock):
    with TestClient(create_app(relay_settings, clock), headers=KEY) as client:
        assert told(client) == {}


def test_a_relay_that_starts_again_knows_what_it_knew_and_waits_for_reports(relay_settings, clock):
    def relay() -> TestClient:
        return TestClient(create_app(relay_settings, clock), headers=KEY)

    with relay() as client:
        report(client)
        report(client, "gcn.heartbeat", heard_s=100.0)
        until(lambda: news(client))
    clock.later(3600)
    with relay() as client:
        assert state(client) == "unknown"
        assert state(client, "gcn.heartbeat") == "deaf"
        report(client, "gcn.heartbeat")
        until(lambda: len(news(client)) == 2)
        assert [kind for kind, _, _ in news(client)] == ["deaf", "hears"]


def test_of_many_workers_that_notice_it_together_one_tells(relay_settings, clock):
    with ExitStack() as stack:
        workers = [
            stack.enter_context(TestClient(create_app(relay_settings, clock), headers=KEY)) for _ in range(4)
        ]
        report(workers[0], "gcn.heartbeat", heard_s=100.0)

        async def notice() -> None:
            await asyncio.gather(*(watch(worker.app.state.relay) for worker in workers))

        asyncio.run(notice())
        assert [kind for kind, _, _ in news(workers[0])] == ["deaf"]
        report(workers[0], "gcn.heartbeat")
        asyncio.run(notice())
        assert [kind for kind, _, _ in news(workers[0])] == ["deaf", "hears"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"since_s": -1.0}, "since_s"),
        ({"heard_s": -0.1}, "heard_s"),  # a message of tomorrow
        ({"heard_s": 1e300}, "heard_s"),
        ({"connected": "yes"}, "connected"),
        ({"behind": -1}, "behind"),
        ({"behind": 2**63}, "behind"),
        ({"waiting": 1.5}, "waiting"),
        ({"reporter": "x" * 201}, "reporter"),
        ({"why": "x" * 501}, "why"),
        ({"transport": ""}, "transport"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_is_no_report_is_refused_and_the_field_named(client, changes, field):
    answer = client.put("/sources/igwn.gwalert", json=REPORT | changes)
    assert answer.status_code == 422
    assert [each["loc"] for each in answer.json()["detail"]] == [[field]]
    assert told(client) == {}


def test_a_report_may_not_be_long_and_a_name_not_be_anything(client):
    assert client.put("/sources/a.b", content=b'"' + b"x" * 20_000 + b'"').status_code == 413
    assert client.put("/sources/a.b", content=b'{"since_s": NaN}').status_code == 422
    for name in ("-a", "a" * 101, "a%20b", "ä"):
        assert client.put(f"/sources/{name}", json=REPORT).status_code == 422
    assert client.put("/sources/a/b", json=REPORT).status_code == 404


def test_the_two_hundred_and_first_source_is_one_too_many(client):
    for n in range(200):
        report(client, f"source{n}")
    answer = client.put("/sources/one.more", json=REPORT)
    assert answer.status_code == 409
    assert "200" in answer.json()["detail"]


def test_a_key_that_sends_may_report_and_none_but_one_that_reads_all_may_look(client, with_key):
    receiver, reader = with_key("send:flarescope"), with_key("read:*")
    telescope = with_key("claim:*", "read:lwa")
    report(receiver, "flarescope.folder")
    assert receiver.get("/sources").status_code == 403
    assert list(told(reader)) == ["flarescope.folder"]
    for other in (reader, telescope):
        assert other.put("/sources/flarescope.folder", json=REPORT).status_code == 403
    assert telescope.get("/sources").status_code == 403
    assert receiver.delete("/sources/flarescope.folder").status_code == 403
    assert client.delete("/sources/flarescope.folder").status_code == 204
    assert client.delete("/sources/flarescope.folder").status_code == 404
    assert told(reader) == {}


def test_figures_of_each_source(client, clock):
    report(client, "gcn.heartbeat", heard_s=70.0, behind=3, waiting=4)
    report(client)
    clock.later(5)
    page = client.get("/metrics").text
    for line in (
        'ovro_alert_source_deaf{source="gcn.heartbeat"} 1.0',
        'ovro_alert_source_deaf{source="igwn.gwalert"} 0.0',
        'ovro_alert_source_silence_seconds{source="gcn.heartbeat"} 75.0',
        'ovro_alert_source_lag{source="gcn.heartbeat"} 7.0',
        'ovro_alert_source_lag{source="igwn.gwalert"} 0.0',
    ):
        assert line in page.splitlines()
    client.delete("/sources/gcn.heartbeat")
    assert "gcn.heartbeat" not in client.get("/metrics").text


def test_systemd_is_told_of_the_relay_itself(relay_settings, clock, tmp_path, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(30)
        with TestClient(create_app(relay_settings, clock)):
            assert [listener.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]
        assert b"STOPPING=1" in iter(lambda: listener.recv(100), b"")
