"""The policy's file while the relay runs: changed, broken, mended; and rules that fail on an alert."""

import pytest
from fastapi.testclient import TestClient

from ovro_alert.demo.sample_bursts import Burst, chime_notice, chime_voevent
from ovro_alert.relay.app import create_app
from support import until

RULE = """
[[rule]]
name = "{name}"
when = ['{when}']
[[rule.then]]
slot = "lwa"
command = "powerbeam"
deadline = 'after(now, 60)'
args.ra = 'localization.ra'
"""
ALWAYS, NEVER, FAILS = 'source == "chime"', 'source == "lsst"', "1 / (localization.ra - localization.ra) > 0"


@pytest.fixture
def policy(tmp_path):
    policy = tmp_path / "policy.toml"
    policy.write_text(RULE.format(name="first", when=NEVER))
    return policy


@pytest.fixture
def client(relay_settings, clock, policy):
    app = create_app(relay_settings.model_copy(update={"policy": policy}), clock)
    with TestClient(app, headers={"X-API-Key": "s3cret"}) as client:
        yield client


@pytest.fixture
def burst(clock):
    numbers = iter(range(100000, 200000))
    return lambda: Burst(str(next(numbers)), clock.now, 212.34, 48.21, 812.4, 0.97)


def told(client, *kinds):
    return [one["data"] for one in client.get("/feed").json()["entries"] if one["kind"] in kinds]


def refused(client):
    return "ovro_alert_policy_refused 1.0" in client.get("/metrics").text


def test_a_changed_policy_is_in_force_without_a_restart(client, policy, burst):
    assert client.post("/alerts", content=chime_notice(burst())).json()["commands"] == []
    policy.write_text(RULE.format(name="second", when=ALWAYS))
    until(lambda: told(client, "policy"))
    answer = client.post("/alerts", content=chime_notice(burst())).json()
    assert [(one["rule"], one["verdict"]) for one in answer["decisions"]] == [("second", "yes")]
    (said,) = told(client, "policy")
    assert (said["rules"], said["trouble"]) == (1, None)


def test_a_broken_one_leaves_the_old_in_force_and_people_are_told_until_it_is_mended(client, policy, burst):
    good = policy.read_text()
    policy.write_text(RULE.format(name="second", when="sauce == 1"))
    (said,) = until(lambda: told(client, "policy"))
    assert "policy.toml:4: sauce == 1: unknown name 'sauce'" in said["trouble"]
    assert refused(client)
    answer = client.post("/alerts", content=chime_notice(burst())).json()
    assert [one["rule"] for one in answer["decisions"]] == ["first"]
    policy.write_text(good)
    until(lambda: len(told(client, "policy")) == 2)
    assert [said["trouble"] is None for said in told(client, "policy")] == [False, True]
    assert not refused(client)


def test_a_file_that_is_taken_away_leaves_the_old_in_force(client, policy, burst):
    policy.unlink()
    until(lambda: refused(client))
    answer = client.post("/alerts", content=chime_notice(burst())).json()
    assert [one["rule"] for one in answer["decisions"]] == ["first"]


def test_a_rule_that_fails_stops_no_other_and_people_are_told_once(client, policy, burst):
    policy.write_text(RULE.format(name="fails", when=FAILS) + RULE.format(name="holds", when=ALWAYS))
    until(lambda: told(client, "policy"))
    for message in (chime_notice(burst()), chime_voevent(burst()), chime_notice(burst())):
        answer = client.post("/alerts", content=message).json()
        assert [one["verdict"] for one in answer["decisions"]] == ["error", "yes"]
        assert answer["commands"]
    (said,) = told(client, "fails")
    assert said["rule"] == "fails"
    assert "divi" in said["reason"].lower()
