"""Alive, able to write, and in figures that a Prometheus can read."""

import sqlite3
import threading
from contextlib import closing

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from ovro_alert.relay import health
from ovro_alert.relay.app import create_app
from support import until

PUT = {"command": "powerbeam", "command_mjd": 61103.25, "args": {}}


@pytest.fixture
def database(relay_settings):
    return relay_settings.database_url.removeprefix("sqlite:///")


def figure(client, name, **labels):
    """One number of /metrics; None where there is no such series."""
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            if sample.name == f"ovro_alert_{name}" and sample.labels == labels:
                return sample.value
    return None


def test_a_relay_that_writes_is_ready_and_says_so_to_anybody(anyone):
    assert anyone.get("/healthz").json() == {"status": "ok"}
    answer = anyone.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})


def test_a_log_that_takes_no_write_is_not_ready_until_it_does(anyone, database, monkeypatch):
    monkeypatch.setattr(health, "LIMIT_S", 0.2)
    monkeypatch.setattr(health, "KEPT_S", 0.0)
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # somebody holds the only lock to write
        answer = anyone.get("/readyz")
        assert (answer.status_code, answer.json()["status"]) == (503, "not ready")
        assert "0.2 s" in answer.json()["detail"]
        assert anyone.get("/healthz").status_code == 200
        other.execute("ROLLBACK")
    until(lambda: anyone.get("/readyz").status_code == 200)


def test_a_database_that_refuses_is_not_ready_and_anybody_is_told_no_more(anyone, database):
    with closing(sqlite3.connect(database)) as other:
        other.execute("DROP TABLE counters")
    answer = anyone.get("/readyz")
    assert answer.status_code == 503
    assert "refuses" in answer.json()["detail"]
    assert not {"counters", "sql", database} & set(answer.text.lower().split())


def test_however_many_ask_the_log_is_written_once_a_second(client):
    before = figure(client, "commit_writes_count")
    for _ in range(20):
        client.get("/readyz")
    assert figure(client, "commit_writes_count") <= before + 3


def test_requests_are_counted_by_route_method_and_status(client):
    for mjd in (1.0, 2.0, 3.0):
        client.put("/lwa", json=PUT | {"command_mjd": mjd})
    client.put("/dsa", json=PUT)
    client.get("/lwa")
    client.get("/gbt")
    client.get("/lwa", headers={"X-API-Key": "wrong"})
    client.request("FLY", "/no/where/at/all")

    def requests(route, method, status):
        return figure(client, "requests_total", route=route, method=method, status=str(status))

    assert requests("/{slot}", "PUT", 200) == 4
    assert requests("/{slot}", "GET", 200) == 1
    assert requests("/{slot}", "GET", 404) == 1
    assert requests("other", "GET", 401) == 1
    assert requests("other", "other", 404) == 1
    assert figure(client, "request_seconds_count", route="/{slot}", method="PUT") == 4


def test_commits_are_counted_with_their_writes(client):
    before = figure(client, "commit_writes_count"), figure(client, "commit_writes_sum")
    for _ in range(3):
        client.put("/lwa", json=PUT)
    after = figure(client, "commit_writes_count"), figure(client, "commit_writes_sum")
    assert after[0] - before[0] == after[1] - before[1] == 3  # one after the other: one a commit


def test_the_age_of_a_queue_is_that_of_its_oldest_command(client, clock):
    assert figure(client, "queue_age_seconds", slot="lwa") == 0
    first = client.put("/lwa", json=PUT).json()["id"]
    clock.later(10)
    client.put("/lwa", json=PUT)
    clock.later(5)
    assert figure(client, "queue_age_seconds", slot="lwa") == 15
    assert figure(client, "queue_age_seconds", slot="dsa") == 0
    client.post(f"/commands/{first}/claim", json={"client": "a", "lease_s": 60})
    assert figure(client, "queue_age_seconds", slot="lwa") == 5
    assert figure(client, "slot_entries", slot="lwa") == 2


def test_each_hop_is_counted_once_with_what_it_took(client, clock):
    command = client.put("/lwa", json=PUT).json()["id"]
    client.put("/chime", json={"command": "test", "command_mjd": 61103.2, "args": {"dm": 1, "id": "1"}})
    clock.later(3)
    claim = client.post(f"/commands/{command}/claim", json={"client": "a", "lease_s": 60}).json()
    clock.later(4)
    for state in ("running", "done"):
        report = {"token": claim["token"], "state": state}
        assert client.post(f"/commands/{command}/report", json=report).is_success
    for _ in range(2):
        for hop, seconds in (("received to logged", 0), ("logged to claimed", 3), ("claimed to over", 4)):
            assert figure(client, "hop_seconds_count", hop=hop) == 1
            assert figure(client, "hop_seconds_sum", hop=hop) == seconds


def test_followers_are_counted_while_they_wait(client):
    def waits():
        return figure(client, "followers", topic="lwa")

    follower = threading.Thread(target=lambda: client.get("/lwa/commands", params={"wait": 30}))
    follower.start()
    until(lambda: waits() == 1)
    client.put("/lwa", json=PUT)
    follower.join(10)
    assert waits() == 0


def test_what_was_set_aside_and_the_size_of_the_log(client):
    assert figure(client, "set_aside") == 0
    before = figure(client, "log_bytes")
    client.post("/alerts", content=b"?" * 100_000)
    assert figure(client, "set_aside") == 1
    assert figure(client, "log_bytes") >= before + 90_000


def test_figures_are_for_those_with_a_key(anyone):
    assert anyone.get("/metrics").status_code == 401


def test_a_second_relay_counts_for_itself(client, relay_settings, clock, tmp_path):
    client.put("/lwa", json=PUT)
    settings = relay_settings.model_copy(update={"database_url": f"sqlite:///{tmp_path / 'second.sqlite'}"})
    with TestClient(create_app(settings, clock), headers=client.headers) as second:
        second.get("/lwa")
        assert figure(second, "requests_total", route="/{slot}", method="PUT", status="200") is None
