"""The slot protocol of today (bodies, `?key=`, newest value), and each slot's log to follow."""

import threading

import pytest

COMMAND = {"command": "powerbeam", "command_mjd": 61103.25, "args": {"position": "12.5,-3.0", "duration": 60}}


def events_of(client, slot="chime"):
    return client.get(f"/{slot}/commands").json()["commands"]


def test_before_the_first_put_a_slot_holds_nulls_and_no_args(client):
    newest = client.get("/lwa").json()
    assert newest == {"read_mjd": pytest.approx(61103.2126, abs=1e-4), "command": None, "command_mjd": None}


def test_what_is_put_is_what_is_got(client):
    assert client.put("/lwa", json=COMMAND).status_code == 200
    newest = client.get("/lwa").json()
    assert {key: newest[key] for key in COMMAND} == COMMAND
    assert set(newest) == {"read_mjd", *COMMAND}


def test_a_client_of_today_shows_its_key_in_the_address_and_another_host(anyone):
    headers = {"Accept": "application/json", "Content-Type": "application/json", "Host": "ovro.caltech.edu"}
    assert anyone.put("/lwa", params={"key": "s3cret"}, headers=headers, json=COMMAND).status_code == 200
    assert anyone.get("/lwa", params={"key": "s3cret"}, headers=headers).json()["command_mjd"] == 61103.25


def test_no_command_is_overwritten_by_the_next(client):
    for mjd in (1.0, 2.0, 3.0):
        client.put("/lwa", json=COMMAND | {"command_mjd": mjd})
    log = client.get("/lwa/commands", params={"after": 1}).json()
    assert [entry["command_mjd"] for entry in log["commands"]] == [2.0, 3.0]
    assert [entry["seq"] for entry in log["commands"]] == [2, 3]
    assert log["next"] == 3
    assert {entry["state"] for entry in log["commands"]} == {"queued"}
    assert client.get("/lwa/commands", params={"after": 3}).json() == {"commands": [], "next": 3}


def test_a_follower_is_woken_by_the_next_command(client):
    answers = []
    follower = threading.Thread(
        target=lambda: answers.append(client.get("/lwa/commands", params={"wait": 30}).json())
    )
    follower.start()
    client.put("/lwa", json=COMMAND)
    follower.join(10)
    assert [entry["command"] for entry in answers[0]["commands"]] == ["powerbeam"]


def test_an_observation_of_a_receiver_of_today_becomes_an_alert_that_the_policy_acts_on(client, clock):
    mjd = 61103.0 + (5 * 3600 + 6 * 60 + 6) / 86400
    args = {
        "position": "212.3,48.2,0.1",
        "dm": 812.4,
        "id": "4242",
        "instrument": "CHIME",
        "mission": "CHIME",
    }
    known = {"known": "FRB 20180916B", "toa": mjd}
    put = {"command": "observation", "command_mjd": mjd, "args": args | known}
    answer = client.put("/chime", json=put).json()
    assert answer["kind"] == "event"
    event = client.get(f"/events/{answer['event_id']}").json()
    assert [(one["slot"], one["command"]) for one in event["commands"]] == [
        ("lwa", "powerbeam"),
        ("dsa", "CHIME FRB"),
    ]
    assert client.get("/chime").json()["args"] == put["args"]
    assert client.get("/lwa").json()["args"]["ra"] == 212.3


def test_ligos_values_come_as_text(client, clock):
    args = {
        "FAR": "1e-12",
        "BNS": "0.97",
        "HasNS": "1.0",
        "Terrestrial": "0.01",
        "GraceID": "S260304ab",
        "AlertType": "PRELIMINARY",
    }
    mjd = 61103.0 + (5 * 3600 + 6 * 60 + 5) / 86400
    event_id = client.put(
        "/ligo", json={"command": "observation", "command_mjd": mjd, "args": args | {"TOA": mjd}}
    ).json()["event_id"]
    (command,) = client.get(f"/events/{event_id}").json()["commands"]
    assert (command["slot"], command["command"]) == ("lwa", "trigger")


def test_a_test_of_a_sender_is_an_alert_that_moves_nothing(client):
    args = {"position": "212.3,48.2,0.1", "dm": 812.4, "id": "1", "known": "FRB 20180916B"}
    client.put("/chime", json={"command": "test", "command_mjd": 61103.2, "args": args})
    assert client.get("/lwa").json()["command"] is None
    (event,) = client.get("/events").json()["events"]
    (alert,) = client.get(f"/events/{event['event_id']}").json()["alerts"]
    assert alert["role"] == "test"


def test_the_gcn_receiver_of_today_says_gcn_for_an_observation(client):
    args = {"duration": 3600, "position": "120,40,0.02", "instrument": "WXT", "mission": "Einstein Probe"}
    answer = client.put("/gcn", json={"command": "gcn", "command_mjd": 61103.2, "args": args}).json()
    (alert,) = client.get(f"/events/{answer['event_id']}").json()["alerts"]
    assert (alert["role"], alert["body"]["localization"]["ra"]) == ("observation", 120)


def test_another_word_of_a_sender_is_kept_and_is_no_alert(client):
    answer = client.put("/chime", json={"command": "hello", "command_mjd": 61103.2, "args": {}}).json()
    assert (answer["kind"], answer["event_id"]) == ("event", None)
    assert client.get("/chime").json()["command"] == "hello"
    assert client.get("/events").json()["events"] == []


def test_dsa_is_both_what_it_says_and_what_it_is_asked(client):
    said = {"command": "observation", "command_mjd": 61103.2, "args": {"dm": 400, "ra": 10, "dec": 20}}
    asked = {"command": "CHIME FRB", "command_mjd": 61103.3, "args": {"ra": 1, "dec": 2, "dm": 3, "toa": 4}}
    client.put("/dsa", json=said)
    client.put("/dsa", json=asked)
    event, command = client.get("/dsa/commands").json()["commands"]
    assert (event["kind"], event["state"]) == ("event", None)
    assert (command["kind"], command["state"]) == ("command", "queued")
    claim = {"client": "dsa", "lease_s": 10}
    assert client.post(f"/commands/{event['id']}/claim", json=claim).status_code == 409
    assert client.post(f"/commands/{command['id']}/claim", json=claim).status_code == 200


def test_an_observation_put_again_acts_once(client):
    args = {"dm": 400, "ra": 10, "dec": 70, "trigname": "260304abcd", "toa": 61103.2125}
    for mjd in (61103.2125, 61103.2125, 61103.2126):  # sent, sent again after a timeout, said once more
        client.put("/dsa", json={"command": "observation", "args": args, "command_mjd": mjd})
    assert len(events_of(client, "dsa")) == 3
    (event,) = client.get("/events").json()["events"]
    whole = client.get(f"/events/{event['event_id']}").json()
    assert len(whole["alerts"]) == 2
    assert [one["slot"] for one in whole["commands"]] == ["lwa"], "Swift is asked of what was classified"


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/lwa", b'{"command": "x", "command_mjd": "soon", "args": {}}', ["command_mjd"]),
        ("/lwa", b'{"command": "x", "command_mjd": NaN, "args": {}}', []),
        ("/lwa", b'{"command": "x", "command_mjd": 1e999, "args": {}}', []),
        ("/lwa", b'{"command_mjd": 1, "args": {}}', ["command"]),
        ("/lwa", b'{"command": "%b", "command_mjd": 1}' % (b"x" * 201), ["command"]),
        ("/lwa", b'{"command": "x", "command_mjd": 1, "args": []}', ["args"]),
        ("/lwa", b'{"command": "x", "command_mjd": 1, "args": {"a": Infinity}}', []),
        ("/lwa", b'{"command": "x", "command_mjd": 1, "args": {}', []),
        ("/lwa", b"\xff\xfe", []),
        ("/lwa", b"[" * 100_000, []),
        ("/chime", b'{"command":"observation","command_mjd":1,"args":{"dm":"high"}}', ["args", "dm"]),
        ("/dsa", b'{"command":"event","command_mjd":1,"args":{"ra":400,"dec":1}}', ["args", "ra"]),
    ],
)
def test_a_body_that_cannot_be_accepted_is_refused_by_field_and_set_aside(client, path, body, field):
    answer = client.put(path, content=body)
    assert answer.status_code == 422
    detail = answer.json()["detail"][0]
    assert detail["loc"] == field
    assert detail["msg"]
    (kept,) = client.get("/setaside").json()["setaside"]
    assert (kept["n"], kept["size"]) == (answer.json()["setaside"], len(body))
    assert client.get(f"/setaside/{kept['n']}/raw").content == body


@pytest.mark.parametrize(
    "query", ["after=-1", "after=x", "wait=nan", "wait=-1", "after=99999999999999999999"]
)
def test_a_number_that_is_none_is_refused(client, query):
    answer = client.get(f"/lwa/commands?{query}")
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", query.split("=")[0]]


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_an_unknown_slot_is_not_found(client, method):
    answer = client.request(method, "/gbt", json=COMMAND)
    assert answer.status_code == 404
    assert "gbt" in answer.json()["detail"]
