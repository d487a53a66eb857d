"""Stored keys at the relay's doors: each opens what its scopes say, from its making to its end."""

import pytest
from fastapi.testclient import TestClient

from ovro_alert.demo.samples import samples
from ovro_alert.relay.app import create_app
from support import until

COMMAND = {"command": "powerbeam", "command_mjd": 61103.25, "args": {}}
CLAIM = {"client": "a client", "lease_s": 10}


def lacks(answer):
    """The scope that a refusal names."""
    assert answer.status_code == 403, answer.text
    return answer.json()["detail"].removeprefix("this key lacks the scope ")


@pytest.fixture
def story(clock):
    return {sample.name: sample.raw for sample in samples(clock.now)}


def test_a_telescopes_client_follows_and_claims_its_own_and_nothing_else(client, with_key):
    lwa, dsa = (client.put(f"/{slot}", json=COMMAND).json()["id"] for slot in ("lwa", "dsa"))
    own = with_key("read:lwa", "claim:lwa")
    assert own.get("/lwa").json()["command"] == "powerbeam"
    assert own.get("/lwa/commands").json()["next"] == 1
    assert own.get(f"/commands/{lwa}").status_code == 200
    token = own.post(f"/commands/{lwa}/claim", json=CLAIM).json()["token"]
    assert own.post(f"/commands/{lwa}/report", json={"token": token, "state": "done"}).status_code == 200

    assert lacks(own.put("/lwa", json=COMMAND)) == "send:lwa"
    assert lacks(own.get("/dsa/commands")) == "read:dsa"
    assert lacks(own.get(f"/commands/{dsa}")) == "read:dsa"
    assert lacks(own.post(f"/commands/{dsa}/claim", json=CLAIM)) == "claim:dsa"
    assert lacks(own.post(f"/commands/{dsa}/report", json={"token": 1, "state": "done"})) == "claim:dsa"
    assert lacks(own.post(f"/commands/{dsa}/cancel", json={"reason": "no"})) == "send:<slot>"
    assert lacks(own.get("/feed")) == "read:*"
    assert lacks(own.post("/alerts", content=b"{}")) == "send:<slot>"
    assert client.get(f"/commands/{dsa}").json()["state"] == "queued"
    assert own.post("/commands/1/claim", json=CLAIM).status_code == 404


def test_a_receiver_posts_what_its_source_says_and_nothing_of_another(client, with_key, story):
    chime = with_key("send:chime", "read:chime")
    before = client.get("/feed").json()
    assert lacks(chime.post("/alerts", content=story["gw-merger"])) == "send:ligo"
    assert client.get("/feed").json() == before, "what was refused has left a trace"
    assert client.get("/events").json() == {"events": []}

    taken = chime.post("/alerts", content=story["chime-repeater"])
    assert taken.status_code == 200
    assert chime.get(f"/events/{taken.json()['event_id']}").json()["commands"]
    other = client.post("/alerts", content=story["gw-merger"]).json()["event_id"]
    assert lacks(chime.get(f"/events/{other}")) == "read:ligo"
    assert chime.post("/alerts", content=b"not an alert").json()["setaside"] == 1


def test_who_sends_to_a_slot_may_take_back_what_was_sent_there(client, with_key):
    command = client.put("/lwa", json=COMMAND).json()["id"]
    reason = {"reason": "clouds"}
    assert lacks(with_key("send:dsa").post(f"/commands/{command}/cancel", json=reason)) == "send:lwa"
    assert with_key("send:lwa").post(f"/commands/{command}/cancel", json=reason).status_code == 200


def test_who_reads_all_slots_reads_what_tells_of_all(client, with_key):
    reader = with_key("read:*")
    for path in ("/lwa", "/chime/commands", "/feed", "/events", "/setaside"):
        assert reader.get(path).status_code == 200
    assert lacks(reader.put("/lwa", json=COMMAND)) == "send:lwa"


def test_admin_may_do_all(client, with_key):
    admin = with_key("admin")
    command = admin.put("/lwa", json=COMMAND).json()["id"]
    assert admin.post(f"/commands/{command}/claim", json=CLAIM).status_code == 200
    assert admin.get("/feed").status_code == 200


def test_a_running_relay_notices_what_is_made_rotated_and_revoked(anyone, keys):
    def status(token):
        return anyone.get("/lwa", headers={"Authorization": f"Bearer {token}"}).status_code

    old = keys("make", "lwa-alert", "--scope=read:lwa")
    until(lambda: status(old) == 200, 5)
    new = keys("rotate", old)
    until(lambda: status(new) == 200, 5)
    until(lambda: status(old) == 401, 5)
    keys("revoke", new)
    until(lambda: status(new) == 401, 5)


def test_a_key_ends_at_its_moment_by_the_relays_clock(anyone, keys, clock):
    clock.now = clock.now.replace(year=2100)
    token = keys("make", "a visitor", "--scope=read:*", "--expires=2100-03-04T05:07:07Z")
    headers = {"X-API-Key": token}
    until(lambda: anyone.get("/lwa", headers=headers).status_code == 200, 5)
    clock.later(59)
    assert anyone.get("/lwa", headers=headers).status_code == 200
    clock.later(1)
    assert anyone.get("/lwa", headers=headers).status_code == 401


def test_a_key_that_is_right_but_for_its_secret_is_wrong(anyone, keys):
    token = keys("make", "lwa-alert", "--scope=admin")
    for wrong in (
        token[:-1] + ("A" if token[-1] != "A" else "B"),
        token[:14] + "_" + "A" * 43,
        token.upper(),
    ):
        assert anyone.get("/lwa", headers={"X-API-Key": wrong}).status_code == 401


def test_it_is_noted_that_a_key_is_in_use(anyone, keys, clock):
    token = keys("make", "lwa-alert", "--scope=read:lwa")
    keys("make", "unused", "--scope=read:lwa")
    until(lambda: anyone.get("/lwa", headers={"X-API-Key": token}).status_code == 200, 5)
    until(lambda: f"{clock.now:%Y-%m-%d %H:%M}" in keys("list").splitlines()[1], 10)
    assert f"{clock.now:%Y-%m-%d %H:%M}" not in keys("list").splitlines()[2]


def test_keys_in_the_address_can_be_switched_off(relay_settings, clock):
    settings = relay_settings.model_copy(update={"query_key": False})
    with TestClient(create_app(settings, clock)) as client:
        answer = client.get("/lwa?key=s3cret")
        assert answer.status_code == 401
        assert "X-API-Key" in answer.json()["detail"]
        assert client.get("/lwa?key=s3cret", headers={"X-API-Key": "s3cret"}).status_code == 200
        assert "query" not in client.get("/openapi.json").json()["components"]["securitySchemes"]


def test_the_first_start_without_any_key_makes_one_and_says_so_once(relay_settings, clock, capfd):
    settings = relay_settings.model_copy(update={"key": None})
    with TestClient(create_app(settings, clock)) as client:
        said = capfd.readouterr().err
        (token,) = (line.strip() for line in said.splitlines() if line.strip().startswith("oa_"))
        assert "all rights" in said
        assert client.get("/feed", headers={"X-API-Key": token}).status_code == 200
    with TestClient(create_app(settings, clock)) as client:
        assert "oa_" not in capfd.readouterr().err
        assert client.get("/feed", headers={"X-API-Key": token}).status_code == 200


def test_with_a_key_in_the_settings_none_is_made(anyone, keys, capfd):
    assert keys("list").splitlines()[1:] == []


def test_no_secret_is_in_the_database(anyone, keys, relay_settings, tmp_path):
    tokens = [keys("make", f"key {n}", "--scope=admin") for n in range(3)]
    until(lambda: anyone.get("/lwa", headers={"X-API-Key": tokens[0]}).status_code == 200, 5)
    anyone.get("/lwa", headers={"X-API-Key": "a-wrong-key"})
    files = list(tmp_path.glob("relay.sqlite*"))
    everything = b"".join(path.read_bytes() for path in files)
    assert tokens[0].split("_")[1].encode() in everything, "this looks in the wrong place"
    for secret in ("s3cret", "a-wrong-key", *(token.split("_", 2)[2] for token in tokens)):
        assert secret.encode() not in everything
