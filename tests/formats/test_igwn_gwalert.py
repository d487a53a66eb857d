"""Notices of gravitational waves."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ovro_alert.alert import Alert, AlertType, Coincidence, Role
from ovro_alert.formats import Unreadable, read, with_map

Changed = Callable[..., bytes]


def test_every_field(gw: Changed, skymap_text: str) -> None:
    alert = read(gw(event__skymap=skymap_text))
    assert alert.alert_id.startswith("ligo-S260301ab-PRELIMINARY-")
    assert alert.event_id == "ligo-S260301ab"
    assert (alert.source, alert.instrument) == ("ligo", "H1,L1")
    assert (alert.role, alert.alert_type, alert.stage) == (
        Role.OBSERVATION,
        AlertType.INITIAL,
        "PRELIMINARY",
    )
    assert alert.event_time == datetime(2026, 3, 1, 12, 0, 0, 125000, tzinfo=UTC)
    assert alert.sent == datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
    assert alert.localization is None  # a densest pixel is no position with an error
    assert alert.gw is not None
    assert (alert.gw.far, alert.gw.significant, alert.gw.group) == (1.5e-10, True, "CBC")
    assert (alert.gw.pipeline, alert.gw.search) == ("gstlal", "AllSky")
    assert alert.gw.instruments == ("H1", "L1")
    assert alert.gw.classification == {"BNS": 0.95, "NSBH": 0.04, "BBH": 0.0, "Terrestrial": 0.01}
    assert alert.gw.properties == {"HasNS": 1.0, "HasRemnant": 0.75, "HasMassGap": 0.0}
    assert alert.gw.skymap is not None
    assert alert.gw.skymap.distance_mpc == 104.0
    assert alert.gw.skymap.ra == pytest.approx(197.45, abs=0.2)
    assert alert.gw.skymap.dec == pytest.approx(-3.38, abs=0.2)


def test_the_map_is_at_hand_and_no_part_of_what_the_alert_says(gw: Changed, skymap_text: str) -> None:
    raw = gw(event__skymap=skymap_text)
    alert = read(raw)
    assert alert.gw is not None
    assert alert.gw.skymap is not None
    assert len(alert.gw.skymap.whole.density) == alert.gw.skymap.pixels
    logged = Alert.model_validate_json(alert.model_dump_json())
    assert logged.gw is not None
    assert logged.gw.skymap is not None
    assert logged.gw.skymap.whole is None
    assert logged == alert
    assert hash(logged.gw.skymap) == hash(alert.gw.skymap)


def test_the_map_of_an_alert_from_the_log_comes_back_from_its_raw_bytes(
    gw: Changed, skymap_text: str
) -> None:
    raw = gw(event__skymap=skymap_text)
    logged = Alert.model_validate_json(read(raw).model_dump_json())
    again = with_map(logged, raw)
    assert again == logged
    assert again.gw is not None
    assert again.gw.skymap is not None
    assert len(again.gw.skymap.whole.density) == again.gw.skymap.pixels
    assert with_map(again, b"not looked at") is again


@pytest.mark.parametrize("skymap", [None, ""])
def test_an_alert_without_a_map_is_left_as_it_is(gw: Changed, skymap: str | None) -> None:
    alert = read(gw(event__skymap=skymap))
    assert with_map(alert, b"not looked at") is alert


@pytest.mark.parametrize(
    ("word", "alert_type"),
    [
        ("EARLYWARNING", AlertType.INITIAL),
        ("PRELIMINARY", AlertType.INITIAL),
        ("INITIAL", AlertType.INITIAL),
        ("UPDATE", AlertType.UPDATE),
        ("RETRACTION", AlertType.RETRACTION),
    ],
)
def test_alert_types(gw: Changed, word: str, alert_type: AlertType) -> None:
    alert = read(gw(alert_type=word))
    assert (alert.alert_type, alert.stage) == (alert_type, word)


def test_a_retraction_has_no_event(gw: Changed) -> None:
    alert = read(gw(alert_type="RETRACTION", event=None))
    assert alert.alert_type is AlertType.RETRACTION
    assert alert.role is Role.OBSERVATION
    assert alert.event_id == "ligo-S260301ab"
    assert (alert.gw, alert.event_time) == (None, None)


def test_anything_else_has_one(gw: Changed) -> None:
    with pytest.raises(Unreadable, match=r"^event: is required unless alert_type is RETRACTION$"):
        read(gw(event=None))


@pytest.mark.parametrize("name", ["MS260301ab", "TS260301ab"])
def test_mocks_and_tests_are_told_by_their_id_not_by_search(gw: Changed, name: str) -> None:
    assert read(gw(superevent_id=name)).role is Role.TEST
    assert read(gw(event__search="MDC")).role is Role.OBSERVATION


def test_optional_means_optional(gw: Changed) -> None:
    """Bursts have no classes, single-mass searches lack properties, and any number may be null."""
    event = {"group": "Burst", "classification": {}, "properties": None, "far": None, "time": None}
    alert = read(gw(event=event, urls=..., external_coinc=...))
    assert alert.gw is not None
    assert (alert.gw.group, alert.gw.classification, alert.gw.properties) == ("Burst", {}, {})
    assert (alert.gw.far, alert.gw.significant, alert.gw.skymap) == (None, None, None)
    assert read(gw(event={})).gw is not None
    assert read(gw(event__properties={"HasNS": None, "HasRemnant": 0.5})).gw.properties == {"HasRemnant": 0.5}


def test_a_probability_a_rounding_error_beyond_one_is_one(gw: Changed) -> None:
    classes = {"BNS": 1.0000000000000002, "Terrestrial": -1.1e-16}
    assert read(gw(event__classification=classes)).gw.classification == {"BNS": 1.0, "Terrestrial": 0.0}


@pytest.mark.parametrize(
    ("search", "properties", "classification"),
    [
        ("SSM", {"HasSSM": 0.98, "HasNS": 1.0, "HasMassGap": 0.0}, {"SSM": 0.7, "Terrestrial": 0.3}),
        ("SSM", {"HasSSM": 0.98, "HasNS": 1.0, "HasMassGap": 0.0}, {}),
        ("VTInjection", {}, {}),
    ],
)
def test_searches_have_properties_and_classes_of_their_own(
    gw: Changed, search: str, properties: dict[str, float], classification: dict[str, float]
) -> None:
    """Below a solar mass there is no HasRemnant; whatever the names are, they are kept."""
    alert = read(gw(event__search=search, event__properties=properties, event__classification=classification))
    assert alert.gw is not None
    assert (alert.gw.search, alert.gw.properties) == (search, properties)
    assert alert.gw.classification == classification


def test_a_burst(gw: Changed) -> None:
    """No distance, no classes, a duration and a frequency in their place."""
    event = {"group": "Burst", "pipeline": "CWB", "search": "AllSky", "duration": 0.02, "classification": {}}
    alert = read(gw(event=event | {"central_frequency": 210.0, "instruments": ["H1", "L1", "V1"]}))
    assert alert.gw is not None
    assert (alert.gw.group, alert.gw.pipeline, alert.gw.classification) == ("Burst", "CWB", {})
    assert alert.instrument == "H1,L1,V1"


COINCIDENCE: dict[str, Any] = {
    "gcn_notice_id": 794059205,
    "ivorn": "ivo://nasa.gsfc.gcn/Fermi#GBM_Alert_2026-03-01T12:00:01.95_794059205_1-036",
    "observatory": "Fermi",
    "search": "GRB",
    "time_difference": 1.7,
    "time_coincidence_far": 3.9e-13,
    "time_sky_position_coincidence_far": 1e-15,
    "combined_skymap": "…",
}


def test_a_coincidence_is_kept_and_its_event_stays_another(gw: Changed) -> None:
    alert = read(gw(external_coinc=COINCIDENCE))
    assert alert.gw is not None
    assert alert.gw.coincidence == Coincidence(
        observatory="Fermi",
        search="GRB",
        ivorn=COINCIDENCE["ivorn"],
        gcn_notice_id="794059205",
        time_difference=1.7,
        time_far=3.9e-13,
        time_sky_far=1e-15,
    )
    # Under no name would the burst's own alerts find this event.
    assert (alert.event_id, alert.event_names) == ("ligo-S260301ab", ())
    assert COINCIDENCE["ivorn"] not in alert.alert_id


def test_a_coincidence_is_told(gw: Changed) -> None:
    assert read(gw(external_coinc=COINCIDENCE)).description == "Coincident with Fermi GRB, +1.70 s"
    assert read(gw(external_coinc={})).description == "Coincident with another observatory"
    assert read(gw(event=None, alert_type="RETRACTION", external_coinc=COINCIDENCE)).gw is None
    alert = read(gw())
    assert alert.gw is not None
    assert (alert.description, alert.gw.coincidence) == ("", None)


def test_the_same_notice_is_the_same_alert_whatever_the_order_of_its_names(gw: Changed) -> None:
    notice = json.loads(gw())
    turned = dict(reversed(notice.items())) | {"event": dict(reversed(notice["event"].items()))}
    assert read(json.dumps(turned, indent=1).encode()) == read(gw())
    assert read(gw(event__far=1.6e-10)).alert_id != read(gw()).alert_id


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"alert_type": "RETRACTATION"}, "alert_type: must be 'EARLYWARNING', 'PRELIMINARY'"),
        ({"alert_type": ...}, "alert_type: is required"),
        ({"alert_type": 1}, "alert_type: must be"),
        ({"time_created": ...}, "time_created: is required"),
        ({"time_created": "yesterday"}, "time_created: must be an ISO 8601 time"),
        ({"time_created": "2026-03-01"}, "time_created: must be an ISO 8601 time"),
        ({"time_created": "0001-01-01T00:00:00+23:59"}, "time_created: must be an ISO 8601 time"),
        ({"time_created": 1772366430}, "time_created: must be an ISO 8601 time"),
        ({"superevent_id": "G12345"}, "superevent_id: must match"),
        ({"superevent_id": "S260301ab\n"}, "superevent_id: must match"),
        ({"superevent_id": None}, "superevent_id: must be a valid string"),
        ({"event": []}, "event: "),
        ({"event": "S260301ab"}, "event: "),
        ({"event__far": "1e-10"}, "event.far: must be a valid number"),
        ({"event__far": True}, "event.far: must be a valid number"),
        ({"event__far": -1.0}, "event.far: must be greater than or equal to 0"),
        ({"event__significant": "yes"}, "event.significant: must be a valid boolean"),
        ({"event__instruments": "H1,L1"}, "event.instruments: "),
        ({"event__instruments": [1]}, "event.instruments.0: must be a valid string"),
        ({"event__classification": {"BNS": 1.5}}, "event.classification.BNS: must be between 0 and 1"),
        ({"event__classification": {"BNS": "0.9"}}, "event.classification.BNS: must be a valid number"),
        ({"event__classification": ["BNS"]}, "event.classification: "),
        ({"event__skymap": 12}, "event.skymap: must be a valid string"),
        ({"event__skymap": "not base64!"}, "event.skymap: must be base64"),
        ({"event__skymap": "é"}, "event.skymap: must be base64"),
        (
            {"event__skymap": base64.b64encode(b"\x89PNG and so on").decode()},
            "event.skymap: is not a FITS file",
        ),
        ({"external_coinc": "Fermi"}, "external_coinc: "),
        ({"external_coinc": {"time_difference": "1.7"}}, "external_coinc.time_difference: must be a valid"),
        (
            {"external_coinc": {"time_coincidence_far": -1}},
            "external_coinc.time_coincidence_far: must be gre",
        ),
    ],
)
def test_a_faulty_field_is_named(gw: Changed, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read(gw(**changes))
    assert str(caught.value).startswith(reason)


def test_a_sky_map_that_is_cut_off(gw: Changed, skymap_text: str) -> None:
    with pytest.raises(Unreadable, match=r"^event\.skymap: "):
        read(gw(event__skymap=skymap_text[:40000]))


def test_recorded_notices(corpus: Path) -> None:
    """Field by field against the JSON itself; areas are checked in tests/sky."""
    files = sorted((corpus / "igwn").glob("*.json"))
    assert files
    for file in files:
        raw = file.read_bytes()
        notice, alert = json.loads(raw), read(raw)
        event = notice["event"]
        assert alert.event_id == f"ligo-{notice['superevent_id']}"
        assert alert.stage == notice["alert_type"]
        assert alert.role is Role.OBSERVATION
        assert alert.sent == datetime.fromisoformat(notice["time_created"])
        if event is None:
            assert alert.gw is None
            continue
        assert alert.gw is not None
        assert alert.event_time == datetime.fromisoformat(event["time"])
        for name in ("far", "significant", "group", "pipeline", "search", "classification", "properties"):
            assert getattr(alert.gw, name) == event[name]
        assert list(alert.gw.instruments) == event["instruments"]
        assert alert.gw.skymap is not None


def test_the_three_words_on_s241102br(corpus: Path) -> None:
    alerts = [
        read((corpus / "igwn" / f"S241102br-{word}.json").read_bytes())
        for word in ("preliminary", "initial", "update")
    ]
    assert {alert.event_id for alert in alerts} == {"ligo-S241102br"}
    assert len({alert.alert_id for alert in alerts}) == 3
    assert [round(alert.gw.skymap.distance_mpc) for alert in alerts if alert.gw and alert.gw.skymap] == [
        465,
        354,
        364,
    ]
