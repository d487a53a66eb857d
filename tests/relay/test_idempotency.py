"""A PUT that is repeated under its `Idempotency-Key` adds nothing."""

import pytest

COMMAND = {"command": "powerbeam", "command_mjd": 61103.25, "args": {"ra": 1}}
SAID = {"command": "observation", "command_mjd": 61103.2, "args": {"dm": 400, "ra": 10, "dec": 20}}


def put(client, key, body=COMMAND, slot="lwa", **headers):
    return client.put(f"/{slot}", json=body, headers={"Idempotency-Key": key, **headers})


def entries(client, slot="lwa"):
    return client.get(f"/{slot}/commands").json()["commands"]


def test_a_command_that_is_put_again_is_answered_the_same_and_queued_once(client, clock):
    first = put(client, "a1")
    clock.later(5)
    assert client.put("/lwa", json=COMMAND).json()["seq"] == 2  # without a key, one like any other
    again = put(client, "a1")
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert [entry["seq"] for entry in entries(client)] == [1, 2]
    assert put(client, "a2").json()["seq"] == 3


def test_it_is_answered_the_same_when_the_command_is_over_long_since(client):
    first = put(client, "a1").json()
    client.post(f"/commands/{first['id']}/cancel", json={"reason": "no"})
    assert put(client, "a1").json() == first


def test_what_a_sender_says_again_is_one_entry_and_one_alert(client):
    first = put(client, "b1", SAID, "dsa").json()
    assert first["event_id"]
    assert put(client, "b1", SAID, "dsa").json() == first
    assert len(entries(client, "dsa")) == 1
    (alert,) = client.get(f"/events/{first['event_id']}").json()["alerts"]
    assert alert["source"] == "dsa"


@pytest.mark.parametrize(("slot", "change"), [("lwa", {"args": {"ra": 2}}), ("dsa", {})])
def test_the_key_of_another_request_is_refused(client, slot, change):
    put(client, "c1")
    answer = put(client, "c1", COMMAND | change, slot)
    assert answer.status_code == 422
    (reason,) = answer.json()["detail"]
    assert reason["loc"] == ["header", "idempotency-key"]
    assert "another request" in reason["msg"]
    assert client.get("/setaside").json()["setaside"] == []
    assert len(entries(client)) == 1


def test_a_body_that_is_refused_uses_up_no_key(client):
    assert put(client, "d1", COMMAND | {"command_mjd": "soon"}).status_code == 422
    assert put(client, "d1").status_code == 200


@pytest.mark.parametrize("key", ["", " ", "a b", "ü".encode("latin-1"), "x" * 256])
def test_a_key_that_is_none_is_refused(client, key):
    answer = put(client, key)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["header", "idempotency-key"]


def test_a_key_is_known_for_a_week(client, clock):
    put(client, "e1")
    clock.later(7 * 86400 - 1)
    assert put(client, "e1").json()["seq"] == 1
    clock.later(1)
    assert put(client, "e1").json()["seq"] == 2


def test_each_holder_has_keys_of_its_own(client, keys):
    tokens = {name: keys("make", name, "--scope=send:lwa") for name in ("one", "other")}
    one, other = ({"X-API-Key": token} for token in tokens.values())
    assert put(client, "f1", **one).json()["seq"] == 1
    assert put(client, "f1", COMMAND | {"args": {}}, **other).json()["seq"] == 2
    assert put(client, "f1").json()["seq"] == 3
    rotated = keys("rotate", tokens["one"])
    assert put(client, "f1", **{"X-API-Key": rotated}).json()["seq"] == 1


def test_the_header_is_documented(client):
    (slot, key) = client.get("/openapi.json").json()["paths"]["/{slot}"]["put"]["parameters"]
    assert (slot["name"], key["name"], key["required"]) == ("slot", "Idempotency-Key", False)
