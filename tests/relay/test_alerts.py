"""`POST /alerts`: logged once with all that follows, or set aside with the reason."""

import base64
import json
from datetime import timedelta

import pytest

from ovro_alert.demo.sample_bursts import Burst, chime_notice, chime_retraction, chime_voevent
from ovro_alert.demo.samples import samples


@pytest.fixture
def story(clock):
    """The samples, as though they happened at the relay's moment."""
    return {sample.name: sample for sample in samples(clock.now)}


def post(client, raw, **about):
    return client.post("/alerts", content=raw, **about)


def test_every_sample_leads_to_what_the_policy_says(client, story):
    for sample in story.values():
        answer = post(client, sample.raw)
        if answer.status_code == 422:
            assert sample.name == "gw-malformed", answer.json()
            continue
        sent = [client.get(f"/commands/{one}").json() for one in answer.json()["commands"]]
        assert {(one["slot"], one["command"]) for one in sent} == set(sample.expects), sample.name
        assert all(one["reasons"] for one in answer.json()["decisions"])


def test_the_same_alert_again_is_answered_the_same_and_does_nothing(client, story):
    raw = story["chime-repeater"].raw
    first = post(client, raw).json()
    feed = client.get("/feed").json()
    again = post(client, raw).json()
    assert (first.pop("duplicate"), again.pop("duplicate")) == (False, True)
    assert first == again
    assert len(first["commands"]) == 3
    assert client.get("/feed").json() == feed


def test_one_burst_by_two_transports_is_one_event_and_leads_to_commands_once(client, story):
    by_voevent = post(client, story["chime-repeater"].raw).json()
    by_gcn = post(client, story["chime-repeater-gcn"].raw).json()
    assert by_gcn["event_id"] == by_voevent["event_id"]
    assert by_gcn["alert_id"] != by_voevent["alert_id"]
    assert not by_gcn["duplicate"]
    assert by_gcn["commands"] == []
    assert any("already acted" in one["reasons"][-1] for one in by_gcn["decisions"])


def test_the_raw_bytes_are_kept_whatever_is_in_the_id(client, story):
    raw = story["chime-repeater"].raw
    alert_id = post(client, raw).json()["alert_id"]
    assert "#" in alert_id
    assert "/" in alert_id
    path = alert_id.replace("#", "%23").replace("+", "%2B")
    assert client.get(f"/alerts/{path}/raw").content == raw
    assert client.get("/alerts/nonsense/raw").status_code == 404


def test_a_retraction_cancels_what_its_event_queued(client, clock):
    gw = {
        "alert_type": "PRELIMINARY",
        "time_created": "2026-03-04T05:06:06Z",
        "superevent_id": "S260304xy",
        "urls": {"gracedb": "https://example.org/superevents/S260304xy/view/"},
        "event": {
            "significant": True,
            "time": "2026-03-04T05:06:00Z",
            "far": 1e-15,
            "instruments": ["H1", "L1"],
            "group": "CBC",
            "pipeline": "gstlal",
            "search": "AllSky",
            "properties": {"HasNS": 1.0},
            "classification": {"BNS": 0.99, "Terrestrial": 0.01},
            "duration": None,
            "central_frequency": None,
            "skymap": None,
        },
        "external_coinc": None,
    }
    first = post(client, json.dumps(gw)).json()
    (command,) = first["commands"]
    retraction = gw | {"alert_type": "RETRACTION", "event": None, "time_created": "2026-03-04T05:07:00Z"}
    answer = post(client, json.dumps(retraction)).json()
    assert [one["verdict"] for one in answer["decisions"]] == ["yes"]
    assert client.get(f"/commands/{command}").json()["state"] == "cancelled"
    late = gw | {"alert_type": "INITIAL", "time_created": "2026-03-04T05:08:00Z"}
    answer = post(client, json.dumps(late)).json()
    assert answer["commands"] == []
    (said,) = [one for one in answer["decisions"] if one["rule"] == "LIGO neutron-star merger"]
    assert "retracted" in said["reasons"][-1]
    kinds = [entry["kind"] for entry in client.get("/feed").json()["entries"]]
    assert kinds == ["logged", "decided", "queued", "logged", "decided", "cancelled", "logged", "decided"]


def test_a_retraction_that_comes_first_by_another_name_reaches_the_event_that_proves_to_be_its_own(
    client, clock
):
    """CHIME's VOEvent retraction names an ivorn only, its GCN notice a number; the VOEvent knows both."""
    burst = Burst("77", clock.now - timedelta(seconds=1), 212.3, 48.2, 812.4, 0.97)
    by_gcn = post(client, chime_notice(burst)).json()
    assert len(by_gcn["commands"]) == 2
    post(client, chime_retraction(burst, clock.now))
    assert client.get(f"/commands/{by_gcn['commands'][0]}").json()["state"] == "queued"
    detection = post(client, chime_voevent(burst)).json()
    assert detection["event_id"] == by_gcn["event_id"]
    assert detection["commands"] == []
    assert [client.get(f"/commands/{one}").json()["state"] for one in by_gcn["commands"]] == ["cancelled"] * 2
    assert len(client.get("/events").json()["events"]) == 1


def test_an_alert_stands_in_its_senders_slot_for_clients_of_today(client, story):
    post(client, story["chime-repeater"].raw)
    newest = client.get("/chime").json()
    assert newest["command"] == "observation"
    assert newest["args"]["dm"] == 348.8
    assert newest["args"]["position"].startswith("41.37,63.21,")


def test_clients_of_today_are_not_told_to_act_on_what_no_rule_acts_on(client, story):
    """They act on every `observation` that they find; retractions they would crash on."""
    for name, word in (("gw-black-holes", "event"), ("gw-mock", "test"), ("gw-merger", "observation")):
        post(client, story[name].raw)
        assert client.get("/ligo").json()["command"] == word
    post(client, story["gw-retraction"].raw)
    assert client.get("/ligo").json()["command"] == "observation"
    words = [entry["command"] for entry in client.get("/ligo/commands").json()["commands"]]
    assert words == ["event", "test", "observation", "retraction"]


def test_two_notices_of_one_moment_that_differ_are_two_alerts(client, story):
    notice = json.loads(story["gw-black-holes"].raw)
    first = post(client, json.dumps(notice)).json()
    notice["event"]["significant"] = not notice["event"]["significant"]
    second = post(client, json.dumps(notice, indent=2)).json()
    assert second["event_id"] == first["event_id"]
    assert not second["duplicate"]
    assert post(client, json.dumps(notice)).json()["alert_id"] == second["alert_id"]


def test_what_the_transport_knew_is_kept_and_the_hops_are_timed(client, clock, story):
    arrived = clock.now - timedelta(milliseconds=250)
    about = {"via": "kafka", "topic": "t", "offset": 17, "arrived": arrived.isoformat()}
    answer = post(
        client, story["chime-repeater"].raw, headers={"X-Alert-Transport": json.dumps(about)}
    ).json()
    command = answer["commands"][0]
    clock.later(2)
    token = client.post(f"/commands/{command}/claim", json={"client": "c", "lease_s": 9}).json()["token"]
    clock.later(3)
    client.post(f"/commands/{command}/report", json={"token": token, "state": "done", "detail": {"sdf": "x"}})
    event = client.get(f"/events/{answer['event_id']}").json()
    assert event["alerts"][0]["transport"] == about
    told = event["commands"][0]
    assert (told["state"], told["detail"], told["client"]) == ("done", {"sdf": "x"}, "c")
    assert {hop["hop"]: hop["ms"] for hop in told["hops"]} == {
        "arrived": None,
        "received": 250.0,
        "logged": 0.0,
        "queued": 0.0,
        "claimed": 2000.0,
        "over": 3000.0,
    }


def test_the_format_may_be_named_and_a_wrong_name_is_refused(client, story):
    raw = story["flarescope-request"].raw
    assert post(client, raw, params={"format": "flarescope"}).status_code == 200
    answer = post(client, raw, params={"format": "telegram"})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["format"]


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
BOMB = f'<!DOCTYPE v [<!ENTITY l0 "ha">{LAUGHS}]><v>&l9;</v>'


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"\xff\xfe\x00",
        b'{"superevent_id": "S1"',
        b"<voe:VOEvent",
        BOMB.encode(),
        b'<!DOCTYPE v [<!ENTITY x SYSTEM "file:///etc/passwd">]><v>&x;</v>',
        b"[" * 200_000,
        b'{"ra": NaN, "dec": 1, "start": "2026-01-01T00:00:00Z", "duration": 3}',
        b'{"$schema": "https://gcn.nasa.gov/schema/main/gcn/circulars.schema.json"}',
    ],
)
def test_what_cannot_be_read_is_set_aside_with_the_reason(client, raw):
    answer = post(client, raw)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["msg"]
    (kept,) = client.get("/setaside").json()["setaside"]
    assert kept["reasons"]
    assert client.get(f"/setaside/{kept['n']}/raw").content == raw
    (told,) = client.get("/feed").json()["entries"]
    assert (told["kind"], told["data"]["setaside_id"]) == ("setaside", kept["n"])
    assert client.get("/healthz").is_success


def test_a_sky_map_that_is_none_names_its_field(client, story):
    notice = json.loads(story["gw-merger"].raw)
    notice["event"]["skymap"] = base64.b64encode(b"not FITS" * 1000).decode()
    answer = post(client, json.dumps(notice))
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["event", "skymap"]


def test_a_body_that_is_too_large_is_refused_and_its_beginning_kept(client):
    size = 17 * 2**20
    answer = post(client, b"x" * size)  # in one piece
    assert answer.status_code == 413
    (kept,) = client.get("/setaside").json()["setaside"]
    assert kept["size"] == size
    assert len(client.get(f"/setaside/{kept['n']}/raw").content) == 64 * 1024


def test_an_unreadable_word_of_the_transport_harms_nothing(client, story):
    words = ["{", "[]", '{"arrived": "yesterday"}', '{"arrived": 1e400}', '{"offset": 18446744073709551616}']
    words += ['{"topic": "\\ud800"}', '{"topic": "\\u0000"}', f'{{"a": {"[" * 5000}{"]" * 5000}}}']
    words += [
        f'{{"arrived": "{when}"}}' for when in ("0001-01-01T00:00:00+10:00", "9999-12-31T23:59:59-10:00")
    ]
    for word in words:
        answer = post(client, story["chime-repeater"].raw, headers={"X-Alert-Transport": word})
        assert answer.status_code == 200


def test_a_format_that_no_database_would_keep_is_kept_as_far_as_it_goes(client):
    answer = client.post("/alerts", params={"format": "a\0" + "b" * 300}, content=b"{}")
    assert answer.status_code == 422
    (kept,) = client.get("/setaside").json()["setaside"]
    assert (kept["n"], kept["format"]) == (answer.json()["setaside"], "a" + "b" * 99)


def test_a_retraction_that_is_a_test_takes_nothing_back(client, clock):
    burst = Burst("424242", clock.now, 212.34, 48.21, 812.4, 0.97)
    (command, _) = client.post("/alerts", content=chime_voevent(burst)).json()["commands"]
    drill = chime_retraction(burst, clock.now).replace(b'role="utility"', b'role="test"')
    answer = client.post("/alerts", content=drill).json()
    assert client.get(f"/commands/{command}").json()["state"] == "queued"
    event = client.get(f"/events/{answer['event_id']}").json()
    assert (event["retracted_by"], len(event["alerts"])) == (None, 2)
