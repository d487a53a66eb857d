"""Many alerts in one request: the same as one after the other."""

import json
from base64 import b64encode
from itertools import groupby, pairwise

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ovro_alert.demo.sample_bursts import Burst, chime_notice, chime_retraction, chime_voevent
from ovro_alert.demo.samples import samples
from tests.relay.skies import ASKING, NOW, fresh_relay, messages, rule

STORY = {sample.name: sample.raw for sample in samples(NOW)}
BURST = Burst("424242", NOW, 212.34, 48.21, 812.4, 0.97)
# What tells of one event by two transports, by names that they share and names that they do not, comes first.
OF_ONE = [chime_voevent(BURST), chime_notice(BURST), chime_retraction(BURST, NOW)]
MESSAGES = [*OF_ONE, *STORY.values(), b"{}", b"?"]


def message(raw, **transport):
    return {"content": b64encode(raw).decode(), "transport": transport}


def post(client, raws):
    answer = client.post("/alerts/batch", json={"messages": [message(raw) for raw in raws]})
    assert answer.status_code == 200, answer.text
    return answer.json()["answers"]


def log_of(client):
    """All that a relay tells, without what is its own: the mark in its commands' ids, the feed's numbers."""

    def own(value):
        if isinstance(value, dict):
            return {key: own(each) for key, each in value.items() if key not in ("n", "via")}
        if isinstance(value, list):
            return [own(each) for each in value]
        return value & 0xFFFFFFFF if isinstance(value, int) and value > 1 << 40 else value

    events = sorted(event["event_id"] for event in client.get("/events").json()["events"])
    feed = client.get("/feed", params={"after": 0}).json()["entries"]
    by_alert = sorted(feed, key=lambda entry: (str(entry["alert_id"]), entry["n"]))
    return own(
        {
            "slots": {
                slot: client.get(f"/{slot}/commands").json() for slot in ("lwa", "dsa", "chime", "ligo")
            },
            "events": {id: client.get(f"/events/{id.replace('#', '%23')}").json() for id in events},
            "feed": {id: [*its] for id, its in groupby(by_alert, key=lambda entry: str(entry["alert_id"]))},
            "set aside": [one["reasons"] for one in client.get("/setaside").json()["setaside"]],
        }
    )


@example([0, 1, 2], {1})  # the last two share no name with each other
@example([2, 1, 0], {1})
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.integers(0, len(MESSAGES) - 1), min_size=2, max_size=14),
    st.sets(st.integers(1, 13), max_size=3),
)
def test_together_they_lead_to_what_they_would_one_after_the_other(which, cuts):
    compare([MESSAGES[n] for n in which], cuts)


ASKED_FOR = list(messages().values())
# What goes by the order of arrival does so in both.
ALONE = rule("alone", 'codetected("dsa") == ""') + "cooldown_s = 3600\n"


@example(list(range(len(ASKED_FOR))), set())
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.integers(0, len(ASKED_FOR) - 1), min_size=2, max_size=14),
    st.sets(st.integers(1, 13), max_size=3),
)
def test_where_rules_ask_for_other_events_they_see_one_another_as_though_one_had_come_after_the_other(
    which, cuts
):
    compare([ASKED_FOR[n] for n in which], cuts, ASKING + ALONE)


def compare(raws, cuts, policy=None):
    with fresh_relay(policy) as one_by_one, fresh_relay(policy) as together:
        for raw in raws:
            one_by_one.post("/alerts", content=raw)
        edges = sorted({0, len(raws), *(cut for cut in cuts if cut < len(raws))})
        for begin, end in pairwise(edges):
            post(together, raws[begin:end])
        assert log_of(together) == log_of(one_by_one)


def test_each_has_its_answer_in_order_and_the_unreadable_is_set_aside(client, clock):
    raws = [chime_voevent(BURST), b"not an alert", chime_notice(BURST), chime_voevent(BURST)]
    first, aside, second, again = post(client, raws)
    assert [one["status"] for one in (first, aside, second, again)] == [200, 422, 200, 200]
    assert (first["duplicate"], second["duplicate"], again["duplicate"]) == (False, False, True)
    assert first["event_id"] == second["event_id"]
    assert "neither JSON nor XML" in aside["detail"][0]["msg"]
    assert client.get(f"/setaside/{aside['setaside']}/raw").content == b"not an alert"
    assert {name: again[name] for name in first if name != "duplicate"} == {
        name: first[name] for name in first if name != "duplicate"
    }


def test_how_each_came_is_kept(client):
    raws = [STORY["dsa-detection"], STORY["flarescope-request"]]
    messages = [message(raw, via="kafka", offset=n) for n, raw in enumerate(raws)]
    ids = [
        one["event_id"] for one in client.post("/alerts/batch", json={"messages": messages}).json()["answers"]
    ]
    for n, id in enumerate(ids):
        (alert,) = client.get(f"/events/{id}").json()["alerts"]
        assert alert["transport"] == {"via": "kafka", "offset": n}


def test_without_the_right_to_one_of_them_none_is_taken(client, with_key):
    chime = with_key("send:chime", "read:*")
    raws = [chime_voevent(BURST), STORY["gw-merger"]]
    refused = chime.post("/alerts/batch", json={"messages": [message(raw) for raw in raws]})
    assert refused.status_code == 403
    assert refused.json()["detail"].endswith("send:ligo")
    assert client.get("/feed").json()["entries"] == []
    assert post(chime, raws[:1])[0]["commands"]


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, "messages"),
        ({"messages": [{}]}, "content"),
        ({"messages": [{"content": "nicht base64!"}]}, "content"),
        ({"messages": [{"content": "AA==", "transport": []}]}, "transport"),
        ({"messages": [{"content": "AA=="}] * 1001}, "messages"),
    ],
)
def test_a_request_that_is_none_is_refused_by_the_name_of_its_field(client, body, where):
    refused = client.post("/alerts/batch", content=json.dumps(body))
    assert refused.status_code == 422
    assert refused.json()["detail"][0]["loc"][-1] == where
    assert client.get("/setaside").json()["setaside"] == []
