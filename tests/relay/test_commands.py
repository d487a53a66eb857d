"""Claiming and reporting over HTTP; what they mean is tested with the log."""

import pytest

PUT = {"command": "powerbeam", "command_mjd": 61103.25, "args": {}}


@pytest.fixture
def command(client):
    return client.put("/lwa", json=PUT).json()["id"]


def claim(client, command, who="a", **more):
    return client.post(f"/commands/{command}/claim", json={"client": who, "lease_s": 30} | more)


def report(client, command, token, state, detail=None):
    return client.post(f"/commands/{command}/report", json={"token": token, "state": state, "detail": detail})


def test_claimed_reported_done(client, command):
    held = claim(client, command).json()
    assert held["expires"] == "2026-03-04T05:06:37Z"
    assert report(client, command, held["token"], "running").json()["state"] == "running"
    done = report(client, command, held["token"], "done", {"sdf": "x.sdf"})
    assert (done.status_code, done.json()["state"]) == (200, "done")
    assert client.get(f"/commands/{command}").json() == done.json()
    told = client.get("/feed", params={"after": 1}).json()["entries"]
    assert [(one["kind"], one["data"].get("state")) for one in told] == [
        ("claimed", None),
        ("reported", "running"),
        ("reported", "done"),
    ]
    assert told[-1]["data"]["detail"] == {"sdf": "x.sdf"}


def test_a_second_client_is_refused_with_the_reason(client, command, clock):
    first = claim(client, command, "a").json()
    refused = claim(client, command, "b")
    assert refused.status_code == 409
    assert refused.json() == {"detail": "a has claimed it until 05:06:37 UTC", "state": "claimed"}
    assert claim(client, command, "a", token=first["token"]).json()["token"] == first["token"]
    clock.later(31)
    second = claim(client, command, "b").json()
    assert report(client, command, first["token"], "done").status_code == 409
    assert report(client, command, second["token"], "done").status_code == 200
    assert report(client, command, second["token"], "failed").status_code == 409


def cancel(client, command, reason="the target has set"):
    return client.post(f"/commands/{command}/cancel", json={"reason": reason})


def test_a_cancelled_command_is_refused_to_its_client_with_the_state(client, command):
    held = claim(client, command).json()
    assert cancel(client, command).json()["state"] == "cancelled"
    for answer in (
        claim(client, command, token=held["token"]),
        report(client, command, held["token"], "running"),
        claim(client, command, "b"),
        cancel(client, command),
    ):
        assert (answer.status_code, answer.json()["state"]) == (409, "cancelled")
    told = client.get("/feed").json()["entries"][-1]
    assert (told["kind"], told["command_id"], told["data"]["reason"]) == (
        "cancelled",
        command,
        "the target has set",
    )


def test_what_runs_is_not_cancelled(client, command):
    token = claim(client, command).json()["token"]
    report(client, command, token, "running")
    refused = cancel(client, command)
    assert (refused.status_code, refused.json()["state"]) == (409, "running")
    assert report(client, command, token, "done").json()["state"] == "done"


def test_a_cancel_says_why(client, command):
    answer = client.post(f"/commands/{command}/cancel", json={"reason": ""})
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["reason"])
    said = client.put("/chime", json=PUT | {"command": "hello"}).json()["id"]
    assert cancel(client, said).status_code == 409


def test_an_unknown_command_is_not_found(client):
    assert claim(client, 1).status_code == 404
    assert cancel(client, 1).status_code == 404
    assert report(client, 1, 1, "done").status_code == 404
    assert client.get("/commands/1").status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"lease_s": 3}', "client"),
        (b'{"client": "", "lease_s": 3}', "client"),
        (b'{"client": "a", "lease_s": 0}', "lease_s"),
        (b'{"client": "a", "lease_s": 1e9}', "lease_s"),
        (b'{"client": "a", "lease_s": "long"}', "lease_s"),
    ],
)
def test_a_claim_that_is_none_names_its_field(client, command, body, field):
    answer = client.post(f"/commands/{command}/claim", content=body)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == [field]


@pytest.mark.parametrize("state", ["queued", "cancelled", "pending approval"])
def test_a_report_of_what_is_not_the_clients_to_say(client, command, state):
    token = claim(client, command).json()["token"]
    assert report(client, command, token, state).status_code == 409
    assert report(client, command, token, "flying").status_code == 422


@pytest.mark.parametrize("detail", [5, -1.5e39, True, "5", "", [1], None])
def test_any_json_may_be_said_of_a_command(client, command, detail):
    token = claim(client, command).json()["token"]
    for state in ("running", "done"):
        assert report(client, command, token, state, detail).status_code == 200
    assert client.get("/feed").json()["entries"][-1]["data"]["detail"] == detail


@pytest.mark.parametrize("number", [-1, 2**63, 10**40])
def test_a_number_that_no_command_can_have_is_refused(client, number):
    assert client.get(f"/commands/{number}").status_code == 422
    assert claim(client, number).status_code == 422
    assert client.get(f"/setaside/{number}/raw").status_code == 422
