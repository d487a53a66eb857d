"""A rule that wants a person's approval: asked, approved, denied, too late; by whoever may."""

from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest
from fastapi.testclient import TestClient

from ovro_alert.demo.sample_bursts import Burst, chime_retraction, chime_voevent
from ovro_alert.relay.app import create_app
from support import until

BURST = Burst("424242", datetime(2026, 3, 4, 5, 6, 5, tzinfo=UTC), 212.34, 48.21, 812.4, 0.97)
POLICY = """
[[rule]]
name = "repoint"
when = ['source == "chime"']
[[rule.then]]
slot = "dsa"
command = "repoint"
deadline = 'after(event_time, 600)'
approval = true
priority = 3
args.dec = 'localization.dec'
"""


@pytest.fixture
def client(relay_settings, clock, tmp_path):
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY)
    app = create_app(relay_settings.model_copy(update={"policy": policy}), clock)
    with TestClient(app, headers={"X-API-Key": "s3cret"}) as client:
        yield client


@pytest.fixture
def waits(client):
    """The id of a command that waits for a person."""
    answer = client.post("/alerts", content=chime_voevent(BURST)).json()
    (command,) = answer["commands"]
    assert "when a person has approved" in answer["decisions"][0]["reasons"][-1]
    return command


def approve(client, command, by="someone on duty"):
    return client.post(f"/commands/{command}/approve", json={"by": by})


def deny(client, command, reason="a storm"):
    return client.post(f"/commands/{command}/deny", json={"by": "someone on duty", "reason": reason})


def followed(client):
    return client.get("/dsa/commands").json()["commands"]


def test_it_reaches_the_slot_when_a_person_has_approved(client, waits):
    assert client.get(f"/commands/{waits}").json()["state"] == "pending approval"
    assert client.get("/dsa").json()["command"] is None
    assert followed(client) == []
    assert client.post(f"/commands/{waits}/claim", json={"client": "a", "lease_s": 9}).status_code == 409
    approved = approve(client, waits)
    assert (approved.status_code, approved.json()["state"]) == (200, "queued")
    assert followed(client) == [approved.json()]
    assert (approved.json()["seq"], approved.json()["priority"]) == (1, 3)
    assert client.get("/dsa").json()["command"] == "repoint"
    told = [(one["kind"], one["data"].get("by")) for one in client.get("/feed").json()["entries"]]
    assert told[2:] == [("pending", None), ("approved", "someone on duty")]
    again = approve(client, waits)
    assert (again.status_code, again.json()["state"]) == (409, "queued")


def test_what_is_denied_stays_out_of_the_slot(client, waits):
    assert deny(client, waits).json()["state"] == "refused"
    assert followed(client) == []
    (event,) = client.get("/events").json()["events"]
    (command,) = client.get(f"/events/{event['event_id']}").json()["commands"]
    assert command["detail"] == {"message": "denied by someone on duty: a storm"}
    assert approve(client, waits).status_code == 409


def test_a_retraction_cancels_what_waits_for_a_person(client, waits, clock):
    client.post("/alerts", content=chime_retraction(BURST, clock.now))
    refused = approve(client, waits)
    assert (refused.status_code, refused.json()["state"]) == (409, "cancelled")


def test_an_approval_after_the_deadline_is_refused(client, waits, clock):
    clock.now = BURST.seen + timedelta(seconds=601)
    refused = approve(client, waits)
    assert (refused.status_code, refused.json()["state"]) == (409, "expired")


def test_who_waits_for_the_slot_hears_of_an_approval(client, waits):
    heard = []
    follower = Thread(
        target=lambda: heard.extend(client.get("/dsa/commands", params={"wait": 30}).json()["commands"])
    )
    follower.start()
    until(lambda: 'followers{topic="dsa"} 1.0' in client.get("/metrics").text)
    approve(client, waits)
    follower.join(30)
    assert [one["id"] for one in heard] == [waits]


def test_only_who_may_approve_does(client, waits, keys):
    def as_key(*scopes):
        token = keys("make", "a person", *(f"--scope={scope}" for scope in scopes))
        return TestClient(client.app, headers={"X-API-Key": token})

    for judge in (approve, deny):
        refused = judge(as_key("send:dsa", "claim:dsa", "read:dsa", "approve:lwa"), waits)
        assert refused.json()["detail"] == "this key lacks the scope approve:dsa"
    assert approve(as_key("approve:dsa"), waits).status_code == 200
