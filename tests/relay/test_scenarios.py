"""What the policy that comes with ovro-alert makes of the messages that the observatory is there for.

Each scenario by its messages, as their senders write them, over the relay's doors: it leads to its commands,
by its rule; a retraction takes them back; tests, mocks and what would be of no use lead to nothing. Real
messages, where they are at hand, as though they happened now.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from ovro_alert.demo.replay import as_though_now, recorded
from ovro_alert.demo.sample_bursts import (
    GCN_SCHEMA,
    Burst,
    chime_notice,
    chime_retraction,
    chime_voevent,
    dsa_notice,
)
from ovro_alert.demo.sample_waves import BBH, BNS, EARLY, gw_notice
from ovro_alert.demo.wire import to_json, utc
from tests.relay.skies import CHIME, DSA, NO_DSA, NOW, fresh_relay

# Near the zenith of OVRO at NOW is right ascension 119.8, declination 37.2; 180 degrees away is the nadir.
HIGH, LOW = {"ra": 121.5, "dec": 35.0}, {"ra": 299.8, "dec": -37.2}
SEEN = NOW - timedelta(seconds=2)
NEW = Burst("424250", SEEN, 121.5, 35.0, 812.4, 0.97)
AGAIN = replace(NEW, number="424251", known_source="60792403")
BEAM, SEARCH, REPOINT = ("lwa", "powerbeam"), ("dsa", "CHIME FRB"), ("dsa", "repoint")
DUMP, GUANO, VOLTAGES = ("lwa", "trigger"), ("world", "swift"), ("lwa", "voltagebeam")
LOUD = BNS | {"far": 1e-10}


def changed(raw: bytes, **fields: Any) -> bytes:
    return to_json(json.loads(raw) | fields)


def at(seconds_ago: float) -> str:
    return utc(NOW - timedelta(seconds=seconds_ago))


def notice(mission: str, instrument: str, schema: str, **fields: Any) -> bytes:
    said = {"$schema": f"{GCN_SCHEMA}/{schema}.schema.json", "mission": mission, "instrument": instrument}
    return to_json(said | {"alert_type": "initial", "trigger_time": at(40)} | fields)


SWIFT = notice(
    "Swift", "BAT", "swift/bat/alert", id=["1300001"], **HIGH, ra_dec_error=0.05, rate_duration=0.256
)
FERMI = notice("Fermi", "GBM", "fermi/gbm/trigger", id=["745121685", "bn260304213"], rate_duration=0.512)
FERMI_PLACE = changed(
    FERMI,
    alert_type="update",
    **HIGH,
    ra_dec_error=4.7,
    containment_probability=0.68,
    classification={"GRB": 0.94},
)
EINSTEIN = notice(
    "Einstein Probe",
    "WXT",
    "einstein_probe/wxt/alert",
    id=["01708973486"],
    **HIGH,
    ra_dec_error=0.02,
    image_snr=9.1,
)
FLARE = to_json(
    {"name": "YZ CMi", **HIGH, "start": utc(NOW + timedelta(hours=1)), "duration": 600, "int_time": 64}
)


def wave(name: str, stage: str, candidate: dict[str, Any] | None) -> bytes:
    return gw_notice(f"{name}260304abc", stage, NOW, candidate)


@dataclass(frozen=True)
class Scenario:
    """Messages of which the last leads to commands by a rule; what takes it back; the same as tests."""

    rule: str
    messages: tuple[bytes, ...]
    sent: tuple[tuple[str, str], ...]
    retraction: bytes
    tests: tuple[bytes, ...]
    state: str = "queued"


SCENARIOS = {
    "CHIME repeater to OVRO-LWA": Scenario(
        "CHIME repeater",
        (chime_voevent(AGAIN),),
        (BEAM, SEARCH),
        chime_retraction(AGAIN, NOW),
        (chime_voevent(replace(AGAIN, role="test")),),
    ),
    "CHIME burst to OVRO-LWA": Scenario(
        "CHIME burst",
        (chime_voevent(NEW),),
        (BEAM, SEARCH),
        chime_retraction(NEW, NOW),
        (chime_voevent(replace(NEW, role="test")),),
    ),
    "CHIME burst that DSA-110 tells of later": Scenario(
        "CHIME burst that DSA-110 has seen, too",
        (chime_voevent(CHIME), DSA),
        (VOLTAGES,),
        NO_DSA,
        (chime_voevent(replace(CHIME, role="test")), dsa_notice("260304aaaa_inj1", "initial", NOW)),
    ),
    "CHIME burst that DSA-110 has told of": Scenario(
        "CHIME burst that DSA-110 has seen, too",
        (DSA, chime_notice(CHIME)),
        (VOLTAGES,),
        changed(chime_notice(CHIME), alert_type="retraction"),
        (chime_voevent(replace(CHIME, role="test")), dsa_notice("260304aaaa_inj1", "initial", NOW)),
    ),
    "new CHIME repeater to DSA-110, when a person has approved": Scenario(
        "new CHIME repeater",
        (chime_notice(AGAIN),),
        (REPOINT,),
        changed(chime_notice(AGAIN), alert_type="retraction"),
        (chime_voevent(replace(AGAIN, role="test")),),
        "pending approval",
    ),
    "DSA-110 burst to OVRO-LWA": Scenario(
        "DSA-110 burst", (DSA,), (BEAM,), NO_DSA, (dsa_notice("260304aaaa_inj1", "initial", NOW),)
    ),
    "DSA-110 burst to Swift, for GUANO": Scenario(
        "DSA-110 burst to Swift", (DSA,), (GUANO,), NO_DSA, (dsa_notice("260304aaaa_inj1", "initial", NOW),)
    ),
    "LIGO neutron-star merger to the buffer": Scenario(
        "LIGO neutron-star merger",
        (wave("S", "PRELIMINARY", LOUD),),
        (DUMP,),
        wave("S", "RETRACTION", None),
        (wave("MS", "PRELIMINARY", LOUD), wave("TS", "INITIAL", LOUD)),
    ),
    "LIGO early warning to the buffer": Scenario(
        "LIGO early warning",
        (wave("S", "EARLYWARNING", LOUD),),
        (DUMP,),
        wave("S", "RETRACTION", None),
        (wave("MS", "EARLYWARNING", LOUD),),
    ),
    "short burst of Swift's to OVRO-LWA": Scenario(
        "short gamma-ray burst",
        (SWIFT,),
        (BEAM,),
        changed(SWIFT, alert_type="retraction"),
        (changed(SWIFT, alert_tense="test"),),
    ),
    "short burst of Fermi's to OVRO-LWA, once it has a place": Scenario(
        "short gamma-ray burst",
        (FERMI, FERMI_PLACE),
        (BEAM,),
        changed(FERMI, alert_type="retraction"),
        (changed(FERMI, alert_tense="test"), changed(FERMI_PLACE, alert_tense="test")),
    ),
    "Flarescope's request to OVRO-LWA, at its time": Scenario(
        "Flarescope request",
        (FLARE,),
        (BEAM,),
        changed(FLARE, alert_type="retraction"),
        (changed(FLARE, role="test"),),
    ),
    "Einstein Probe's transient to OVRO-LWA": Scenario(
        "Einstein Probe transient",
        (EINSTEIN,),
        (BEAM,),
        changed(EINSTEIN, alert_type="retraction"),
        (changed(EINSTEIN, alert_tense="test"),),
    ),
}


@pytest.fixture(scope="module")
def any_relay() -> Iterator[TestClient]:
    """One relay for all that moves nothing: nothing of it bears on the rest."""
    with fresh_relay() as client:
        yield client


def told(client: TestClient, raw: bytes) -> dict[str, Any]:
    answer = client.post("/alerts", content=raw)
    assert answer.status_code == 200, answer.text
    return event_of(client, answer.json()["event_id"])


def event_of(client: TestClient, event_id: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/events/{quote(event_id)}").json()
    return found


def commands_of(client: TestClient, rule: str) -> list[dict[str, Any]]:
    """All that a rule has led to, of whichever event."""
    events = [event_of(client, one["event_id"]) for one in client.get("/events").json()["events"]]
    return [one for event in events for one in event["commands"] if one["rule"] == rule]


def sent_of(commands: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return sorted((one["slot"], one["command"], one["state"]) for one in commands)


named = pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS.keys())


@named
def test_it_leads_to_its_commands_once_and_a_retraction_takes_them_back(scenario: Scenario) -> None:
    with fresh_relay() as client:
        for raw in (*scenario.messages, *scenario.messages):
            told(client, raw)
        commands = commands_of(client, scenario.rule)
        due = [(slot, command, scenario.state) for slot, command in scenario.sent]
        assert sent_of(commands) == sorted(due)
        for one in commands:
            assert one["margin_s"] > 0
            assert one["deadline"] > "2026-03-04T05:06:07"
        told(client, scenario.retraction)
        assert {one["state"] for one in commands_of(client, scenario.rule)} == {"cancelled"}
        for raw in scenario.messages:
            told(client, raw)
        assert len(commands_of(client, scenario.rule)) == len(commands)


@named
def test_after_its_retraction_it_leads_to_nothing(scenario: Scenario) -> None:
    with fresh_relay() as client:
        told(client, scenario.retraction)
        for raw in scenario.messages:
            told(client, raw)
        left = [one for one in commands_of(client, scenario.rule) if one["state"] != "cancelled"]
        assert left == []


@named
def test_as_a_test_it_leads_to_nothing_and_says_so(scenario: Scenario) -> None:
    with fresh_relay() as client:
        for raw in scenario.tests:
            event = told(client, raw)
            said = [one["reasons"][-1] for one in event["decisions"] if one["rule"] == scenario.rule]
        assert said[-1].startswith("a test moves nothing")
        assert client.get("/lwa/commands").json()["commands"] == []
        assert commands_of(client, scenario.rule) == []


@pytest.mark.parametrize(
    ("rule", "raw", "reason"),
    [
        ("CHIME burst", chime_notice(replace(NEW, dm=99.0)), "frb.dm >= 100"),
        ("CHIME burst", chime_notice(replace(NEW, number="2", importance=0.89)), "frb.importance"),
        ("CHIME burst", chime_notice(replace(NEW, number="3", **LOW)), "altitude"),
        ("CHIME repeater", chime_notice(replace(AGAIN, number="4", **LOW)), "altitude"),
        ("DSA-110 burst", changed(DSA, id="260304bbbb", importance=0.4), "frb.importance"),
        ("DSA-110 burst", changed(DSA, id="260304cccc", **LOW), "altitude"),
        ("DSA-110 burst to Swift", changed(DSA, id="260304eeee", importance=None), "frb.importance"),
        ("LIGO neutron-star merger", wave("S", "UPDATE", LOUD), "stage"),
        ("LIGO neutron-star merger", gw_notice("S260304b", "PRELIMINARY", NOW, BBH), "HasNS"),
        ("LIGO early warning", gw_notice("S260304c", "EARLYWARNING", NOW, EARLY), "gw.far"),
        ("short gamma-ray burst", changed(SWIFT, id=["2"], rate_duration=2.048), "transient.rate_duration"),
        ("short gamma-ray burst", changed(SWIFT, id=["3"], **LOW), "altitude"),
        ("short gamma-ray burst", changed(FERMI, id=["4"]), "localization != null"),
        (
            "short gamma-ray burst",
            changed(FERMI_PLACE, id=["5"], classification={"SOLAR_FLARE": 0.9}),
            "transient.classification",
        ),
        ("short gamma-ray burst", changed(SWIFT, id=["6"], trigger_time=at(642)), "too late by 42.0 s"),
        ("Einstein Probe transient", changed(EINSTEIN, id=["7"], image_snr=3.0), "transient.image_snr"),
        ("Einstein Probe transient", changed(EINSTEIN, id=["8"], **LOW), "altitude"),
        ("Flarescope request", changed(FLARE, **LOW), "altitude"),
        ("Flarescope request", changed(FLARE, start="2026-03-04T04:00:00Z"), "too late by 56.1 min"),
        (
            "DSA-110 burst to Swift",
            changed(DSA, id="260304dddd", trigger_time=at(1542)),
            "too late by 42.0 s",
        ),
    ],
)
def test_what_would_be_of_no_use_is_not_sent_and_why_is_said(
    any_relay: TestClient, rule: str, raw: bytes, reason: str
) -> None:
    event = told(any_relay, raw)
    (said,) = [one for one in event["decisions"] if one["rule"] == rule]
    assert said["verdict"] == "no"
    assert reason in said["reasons"][-1]
    assert [one for one in event["commands"] if one["rule"] == rule] == []


def test_a_beam_waits_for_the_start_that_flarescope_asks_for() -> None:
    with fresh_relay() as client:
        ((command,), deadline) = told(client, FLARE)["commands"], "2026-03-04T06:16:07"
        assert command["args"]["start"] == "2026-03-04T06:06:07Z"
        assert (command["args"]["duration"], command["args"]["int_time_ms"]) == (600.0, 64.0)
        assert command["deadline"].startswith(deadline)


def test_a_repeater_of_the_catalogue_is_no_new_one(any_relay: TestClient) -> None:
    """Nor is one whose importance is small."""
    faint = told(any_relay, chime_notice(replace(AGAIN, number="11", importance=0.5)))
    assert "new CHIME repeater" not in {one["rule"] for one in faint["commands"]}


def test_a_merger_that_was_warned_of_is_dumped_once() -> None:
    with fresh_relay() as client:
        for stage in ("EARLYWARNING", "PRELIMINARY", "INITIAL"):
            event = told(client, wave("S", stage, LOUD))
        ((slot, command, _),) = sent_of(event["commands"])
        assert (slot, command) == DUMP
        last = [one["reasons"][-1] for one in event["decisions"] if one["rule"] == "LIGO neutron-star merger"]
        assert last[-1].startswith('ruled out: asked("lwa", "trigger")')


def test_swift_is_asked_of_two_bursts_a_day_and_of_no_more() -> None:
    with fresh_relay() as client:
        for id in ("260304aaab", "260304aaac", "260304aaad"):
            event = told(client, changed(DSA, id=id))
        assert len(commands_of(client, "DSA-110 burst to Swift")) == 2
        (said,) = [one for one in event["decisions"] if one["rule"] == "DSA-110 burst to Swift"]
        assert "2 times in 24 h" in said["reasons"][-1]


def test_people_are_told_of_a_merger_and_of_what_it_moved() -> None:
    with fresh_relay() as client:
        event = told(client, wave("S", "PRELIMINARY", LOUD))["event_id"]
        told_of = [one for one in client.get("/feed").json()["entries"] if one["event_id"] == event]
        assert [one["kind"] for one in told_of] == ["logged", "decided", "queued"]
        assert "BNS 0.98" in told_of[0]["data"]["summary"]
        assert (told_of[2]["data"]["slot"], told_of[2]["data"]["command"]) == DUMP


def test_a_better_place_moves_the_beam_that_waits() -> None:
    with fresh_relay() as client:
        told(client, SWIFT)
        better = changed(SWIFT, alert_type="update", ra=121.52, ra_dec_error=0.001, rate_duration=None)
        event = told(client, better)
        states = {one["args"]["ra"]: one["state"] for one in event["commands"]}
        assert states == {121.5: "cancelled", 121.52: "queued"}


def test_one_burst_that_is_a_repeaters_by_one_transport_only_is_looked_at_once() -> None:
    unknown = replace(AGAIN, known_source="")
    for messages in (
        [chime_notice(AGAIN), chime_voevent(unknown)],
        [chime_voevent(unknown), chime_notice(AGAIN)],
    ):
        with fresh_relay() as client:
            for raw in messages:
                event = told(client, raw)
            beams = [one for one in event["commands"] if one["slot"] == "lwa"]
            assert len(beams) == 1


REAL = {
    "gcn-notices/chime/frb.detection.json": {BEAM, SEARCH},
    "gcn-notices/chime/frb.subsequent.json": {BEAM, SEARCH, REPOINT},
    "gcn-notices/dsa110/frb.detection.json": {BEAM, GUANO},
    "gcn-notices/einstein_probe/wxt/alert.json": set(),  # its image_snr is 1
    "gcn-notices/fermi/gbm/trigger.flight1.json": set(),  # 2 s long, and below the Earth's horizon
    "gcn-classic-voevent/swift_bat_type61.xml": {BEAM},  # 0.256 s
    "gcn-classic-voevent/SWIFT00.xml": set(),  # 4 s
    "gcn-classic-voevent/Fermi01.xml": set(),  # 0.016 s; it says no place
    "gcn-classic-voevent/Fermi_GRB.xml": {BEAM},  # 0.512 s
    "igwn/S241102br-preliminary.json": set(),  # black holes
    "igwn/gw_notice_significant.json": set(),  # terrestrial
    "dsa110/t2trigger.json": set(),  # a pulsar, without a place
}


@pytest.mark.parametrize("name", REAL)
def test_real_messages(corpus: Path, name: str) -> None:
    """Each as though it happened now, at one of the moments of a day when it is up."""
    (sample,) = (one for one in recorded(corpus) if one.name == name)
    found: set[tuple[str, str]] = set()
    for hour in range(0, 24, 4):
        moment = NOW + timedelta(hours=hour)
        with fresh_relay(now=moment) as client:
            event = told(client, as_though_now(sample, moment)[0].raw)
            found |= {(one["slot"], one["command"]) for one in event["commands"]}
    assert found == REAL[name]
