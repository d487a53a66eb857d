"""What others have seen of the same thing, whichever comes first: over the relay's doors, in its log."""

import json
from base64 import b64encode
from itertools import permutations

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from ovro_alert.cli import app as cli
from ovro_alert.demo.sample_bursts import Burst, chime_notice, chime_voevent
from ovro_alert.demo.sample_map import sky_map
from ovro_alert.demo.sample_waves import BBH, BNS, gw_notice
from ovro_alert.relay.app import create_app
from support import until
from tests.relay.skies import BY_WAVE, CHIME, DSA, NO_DSA, NOW, SEEN_TWICE, WITH_WAVE, rule


@pytest.fixture
def relay(relay_settings, clock, tmp_path):
    """Makes a relay of a policy."""
    opened = []

    def relay(*rules):
        policy = tmp_path / "policy.toml"
        policy.write_text("".join(rules))
        client = TestClient(create_app(relay_settings.model_copy(update={"policy": policy}), clock))
        client.headers["X-API-Key"] = "s3cret"
        opened.append(client)
        return client.__enter__()

    yield relay
    for client in opened:
        client.__exit__(None, None, None)


def post(client, raw):
    answer = client.post("/alerts", content=raw)
    assert answer.status_code == 200, answer.text
    return answer.json()


def commands(client):
    return [
        (one["command"], one["event_id"], one["args"], one["state"])
        for one in client.get("/lwa/commands").json()["commands"]
    ]


def live(client):
    return [one[:2] for one in commands(client) if one[3] == "queued"]


@pytest.mark.parametrize("messages", [*permutations([DSA, chime_voevent(CHIME), chime_notice(CHIME)])])
def test_a_burst_that_two_have_seen_leads_to_one_command_whichever_comes_first(relay, messages):
    client = relay(SEEN_TWICE)
    for raw in messages:
        post(client, raw)
    ((command, event, args, state),) = commands(client)
    assert (command, state) == ("twice", "queued")
    assert args == {"ra": 291.61, "dsa": "dsa-260304aaaa"}
    told = client.get(f"/events/{event}").json()
    assert {alert["source"] for alert in told["alerts"]} == {"chime"}


def test_what_was_asked_again_says_for_what_and_is_told_of(relay):
    client = relay(SEEN_TWICE)
    event = post(client, chime_notice(CHIME))["event_id"]
    last = client.get("/feed").json()["next"]
    dsa = post(client, DSA)
    assert dsa["commands"] == []
    (decision,) = [
        one for one in client.get(f"/events/{event}").json()["decisions"] if one["verdict"] == "yes"
    ]
    assert decision["reasons"][0] == f"asked again after {dsa['alert_id']}"
    assert 'codetected("dsa") = "dsa-260304aaaa"' in decision["reasons"][2]
    told = client.get("/feed", params={"after": last}).json()["entries"]
    assert [(one["kind"], one["event_id"]) for one in told if one["event_id"] == event] == [
        ("decided", event),
        ("queued", event),
    ]


def test_an_alert_sent_again_answers_with_what_it_has_led_to_since(relay):
    client = relay(SEEN_TWICE)
    assert post(client, chime_notice(CHIME))["commands"] == []
    post(client, DSA)
    again = post(client, chime_notice(CHIME))
    assert again["duplicate"]
    assert len(again["commands"]) == len(commands(client)) == 1


def test_what_another_retracts_is_cancelled_and_said_why(relay):
    client = relay(SEEN_TWICE)
    event = post(client, chime_notice(CHIME))["event_id"]
    post(client, DSA)
    gone = post(client, NO_DSA)
    assert [one[3] for one in commands(client)] == ["cancelled"]
    last = client.get(f"/events/{event}").json()["decisions"][-1]
    assert last["reasons"][0] == f"asked again after {gone['alert_id']}"
    assert "/lwa #1 twice: what it asks of other events holds no more" in last["reasons"][1]
    # And whatever comes after it sees nothing of it.
    other = Burst("424243", CHIME.seen, CHIME.ra, CHIME.dec, CHIME.dm, 0.97)
    assert post(client, chime_notice(other))["commands"] == []


def test_what_has_begun_goes_on(relay):
    client = relay(SEEN_TWICE)
    for raw in (chime_notice(CHIME), DSA):
        post(client, raw)
    (command,) = client.get("/lwa/commands").json()["commands"]
    path = f"/commands/{command['id']}"
    held = client.post(f"{path}/claim", json={"client": "me", "lease_s": 30}).json()
    client.post(f"{path}/report", json={"token": held["token"], "state": "running", "detail": None})
    post(client, NO_DSA)
    assert client.get(path).json()["state"] == "running"


@pytest.mark.parametrize("test_first", [True, False])
def test_what_is_real_sees_no_test_but_a_test_what_is_real(relay, test_first):
    test = Burst("424242", CHIME.seen, CHIME.ra, CHIME.dec, CHIME.dm, 0.97, role="test")
    named = rule("drill", 'source == "chime"', 'codetected("dsa") != ""', tests="tests = true")
    client = relay(SEEN_TWICE, named, rule("real", 'source == "dsa"', 'codetected("chime") != ""'))
    for raw in [chime_voevent(test), DSA] if test_first else [DSA, chime_voevent(test)]:
        post(client, raw)
    assert [name for name, _ in live(client)] == ["drill"]


@pytest.mark.parametrize("wave_first", [True, False])
def test_a_burst_beside_a_wave_is_told_of_with_its_overlap_and_chance(relay, wave_first):
    client = relay(WITH_WAVE)
    messages = [gw_notice("S260304abc", "PRELIMINARY", NOW, BNS), chime_notice(BY_WAVE)]
    for raw in messages if wave_first else messages[::-1]:
        post(client, raw)
    ((_, _, args, _),) = commands(client)
    assert args["wave"] == "ligo-S260304abc"
    assert args["overlap"] > 100
    # 2 a day, 660 s, and some 417 of 41253 deg².
    assert args["chance"] == pytest.approx(2 * 660 / 86400 * 417 / 41253, rel=0.2)


def test_a_wave_that_moves_away_takes_its_burst_along(relay):
    """The map of the same event that came first is not looked at any more."""
    client = relay(WITH_WAVE)
    post(client, chime_notice(BY_WAVE))
    post(client, gw_notice("S260304abc", "PRELIMINARY", NOW, BNS))
    assert len(live(client)) == 1
    moved = json.loads(gw_notice("S260304abc", "UPDATE", NOW, BBH))
    moved["event"]["skymap"] = b64encode(sky_map(20.0, 40.0, 9.0, 1.6, 780.0)).decode()
    post(client, json.dumps(moved).encode())
    assert [one[3] for one in commands(client)] == ["cancelled"]


@pytest.mark.parametrize("wave_first", [True, False])
def test_a_rule_may_ask_for_others_and_for_the_map_whichever_comes_first(relay, wave_first):
    """The wave's map is looked for in the log when its rule is asked again."""
    asks = ('coincident("chime", 60, 600) != ""', "probability_up(event_time, 5) > 0.9 and area(0.9) < 300")
    both = rule("both", 'source == "ligo"', *asks, args="args.area = 'area(0.9)'")
    client = relay(both.replace("args.ra = 'localization.ra'\n", ""))
    messages = [gw_notice("S260304abc", "PRELIMINARY", NOW, BNS), chime_notice(BY_WAVE)]
    for raw in messages if wave_first else messages[::-1]:
        post(client, raw)
    told = client.get("/events/ligo-S260304abc").json()
    (command,) = told["commands"]
    assert command["command"] == "both"
    assert command["args"]["area"] == pytest.approx(203, abs=2)


def test_a_late_one_changes_nothing_that_is_too_late(relay, clock):
    client = relay(rule("twice", 'source == "chime"', 'codetected("dsa") != ""', useful=60))
    post(client, chime_notice(CHIME))
    clock.later(90)
    post(client, DSA)
    assert commands(client) == []


def test_together_or_one_after_the_other(relay):
    client = relay(SEEN_TWICE)
    messages = [{"content": b64encode(raw).decode()} for raw in (chime_notice(CHIME), DSA, NO_DSA)]
    client.post("/alerts/batch", json={"messages": messages[:2]})
    assert len(live(client)) == 1
    client.post("/alerts/batch", json={"messages": messages})
    assert live(client) == []


CSV = "name,repeater_name,ra,dec,dm\nFRB A,FRB A,291.6,71.5,530\n"


def import_(file, settings, *options):
    environment = {"OVRO_ALERT_DATABASE_URL": settings.database_url}
    result = CliRunner().invoke(cli, ["catalogue", "import", str(file), *options], env=environment)
    assert result.exit_code == 0, result.output


def test_a_catalogue_is_known_to_a_relay_that_runs(relay, relay_settings, tmp_path):
    client = relay(rule("repeater", "repeats(0.1, 5)", args="args.name = 'known(0.1, 5)'"))
    post(client, chime_notice(CHIME))
    assert commands(client) == []
    file = tmp_path / "mine.csv"
    file.write_text(CSV)
    numbers = iter(range(500000, 600000))

    def asked():
        another = Burst(str(next(numbers)), CHIME.seen, CHIME.ra, CHIME.dec, CHIME.dm, 0.97)
        post(client, chime_notice(another))
        return [args["name"] for _, _, args, _ in commands(client)]

    import_(file, relay_settings)
    until(asked)
    assert set(asked()) == {"FRB A"}
    file.write_text(CSV.replace("FRB A", "FRB B"))
    import_(file, relay_settings, "--replace")
    until(lambda: "FRB B" in asked())


def test_a_relay_that_starts_knows_its_catalogues(relay, relay_settings, tmp_path):
    file = tmp_path / "mine.csv"
    file.write_text(CSV)
    import_(file, relay_settings)
    client = relay(rule("repeater", "repeats(0.1, 5)"))
    post(client, chime_notice(CHIME))
    assert len(commands(client)) == 1
