"""Fast radio bursts by GCN."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ovro_alert.alert import AlertType, FastRadioBurst, Localization, Role
from ovro_alert.formats import Unreadable, read

Changed = Callable[..., bytes]
DSA = "https://gcn.nasa.gov/schema/main/gcn/notices/dsa110/frb.schema.json"


def test_every_field_of_chime(chime: Changed) -> None:
    alert = read(chime(alert_datetime="2026-03-01T12:01:00Z", alert_tense="current"))
    assert alert.event_id == "chime-123456789"
    assert alert.alert_id.startswith("chime-123456789-initial-")
    assert (alert.source, alert.mission, alert.instrument) == ("chime", "CHIME", "CHIME/FRB")
    assert (alert.role, alert.alert_type) == (Role.OBSERVATION, AlertType.INITIAL)
    assert alert.event_time == datetime(2026, 3, 1, 12, 0, 0, 250000, tzinfo=UTC)
    assert alert.sent == datetime(2026, 3, 1, 12, 1, tzinfo=UTC)
    # The larger axis; 120 is a position angle. 0.9 is the schema's default.
    assert alert.localization == Localization(ra=346.75, dec=12.625, error_deg=0.625, containment=0.9)
    assert alert.frb == FastRadioBurst(
        dm=279.5, dm_error=0.25, dm_galactic=37.75, snr=12.5, importance=0.9375, reference_mhz=400.0
    )
    assert alert.description == "Made by a machine."


def test_dsa110(chime: Changed) -> None:
    alert = read(chime(schema=DSA, id="260301aaaa", event_duration=1, ra_dec_error=[0.016, 0.02]))
    assert (alert.source, alert.event_id) == ("dsa", "dsa-260301aaaa")
    assert alert.localization is not None
    assert alert.localization.error_deg == 0.02
    assert alert.frb is not None
    assert (alert.frb.width_ms, alert.frb.reference_mhz) == (1.0, 1530.0)


@pytest.mark.parametrize("name", ["260301aaaa_inj0", "260301aaaa_inj"])
def test_bursts_that_dsa110_injected_are_tests(chime: Changed, name: str) -> None:
    assert read(chime(schema=DSA, id=name)).role is Role.TEST


@pytest.mark.parametrize(
    "schema",
    [
        "https://gcn.nasa.gov/schema/v4.2.0/gcn/notices/chime/frb.schema.json",
        "https://gcn.nasa.gov/schema/stable/gcn/notices/chime/frb.schema.json",
        "https://gcn.nasa.gov/schema/gcn/notices/chime/frb",
        "gcn/notices/chime/frb.schema.json",
    ],
)
def test_the_schemas_version_does_not_matter(chime: Changed, schema: str) -> None:
    assert read(chime(schema=schema)).source == "chime"


@pytest.mark.parametrize(
    "schema",
    [
        "https://gcn.nasa.gov/schema/main/gcn/notices/chime/frb.schema.json?evil",
        "https://gcn.nasa.gov/schema/main/xgcn/notices/chime/frb.schema.json",
        "https://gcn.nasa.gov/schema/main/gcn/circulars.schema.json",
    ],
)
def test_other_schemas_are_named_in_the_refusal(chime: Changed, schema: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read(chime(schema=schema))
    assert str(caught.value) == f"not a format that ovro-alert reads: a notice of '{schema}'"


@pytest.mark.parametrize("alert_type", ["update", "retraction"])
def test_update_and_retraction_have_neither_position_nor_dm(chime: Changed, alert_type: str) -> None:
    gone = dict.fromkeys(
        ["ra", "dec", "ra_dec_error", "dm", "dm_error", "snr", "dm_gal_ne_2001_max", "importance"], ...
    )
    alert = read(chime(alert_type=alert_type, update_message="It was the moon.", **gone))
    assert alert.alert_type == alert_type
    assert alert.event_id == "chime-123456789"
    assert alert.localization is None
    assert alert.frb is None or alert.frb.dm is None
    assert alert.description == "It was the moon."


def test_a_notice_repeated_is_the_same_alert_whatever_the_order_of_its_fields(chime: Changed) -> None:
    raw = chime(alert_type="update", update_message="first")
    again = json.dumps(dict(reversed(json.loads(raw).items())), indent=4).encode()
    assert read(raw) == read(again)


def test_two_updates_of_one_event_are_two_alerts(chime: Changed) -> None:
    first, second = (read(chime(alert_type="update", update_message=said)) for said in ("a", "b"))
    assert first.event_id == second.event_id
    assert first.alert_id != second.alert_id


def test_an_id_may_be_a_list(chime: Changed) -> None:
    alert = read(chime(id=["1", "2"], event_name=["FRB 20260301A", "TNS name"]))
    assert alert.event_id == "chime-1"
    assert alert.event_names == ("chime-2",)
    assert alert.name == "FRB 20260301A"


def test_a_subsequent_is_of_a_known_source(chime: Changed) -> None:
    alert = read(chime(alert_type="subsequent", known_source="FRB 20231013B", association_probability=0.9375))
    assert alert.alert_type is AlertType.SUBSEQUENT
    assert alert.frb is not None
    assert (alert.frb.known_source, alert.frb.association_probability) == ("FRB 20231013B", 0.9375)


@pytest.mark.parametrize(
    ("written", "second"),
    [
        ("2026-03-01T12:00:00.250000Z", 0.25),
        ("2026-03-01 12:00:00.250000+00:00", 0.25),
        ("2026-03-01T12:00:00", 0),  # GCN means UTC
        ("2026-03-01T13:30:05+01:30", 5),
        ("2026-03-01T12:00:00.250000999Z", 0.25),
    ],
)
def test_times(chime: Changed, written: str, second: float) -> None:
    moment = read(chime(trigger_time=written)).event_time
    assert moment is not None
    assert moment.tzinfo is UTC
    assert (moment - datetime(2026, 3, 1, 12, tzinfo=UTC)).total_seconds() == second


def test_a_time_without_zone_is_utc_wherever_the_relay_stands(
    chime: Changed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "America/Los_Angeles")
    time.tzset()
    try:
        moment = read(chime(trigger_time="2026-03-01T12:00:00")).event_time
    finally:
        monkeypatch.undo()
        time.tzset()
    assert moment == datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("tense", "role"),
    [
        ("current", Role.OBSERVATION),
        ("archival", Role.OBSERVATION),
        ("test", Role.TEST),
        ("injection", Role.TEST),
        ("mock", Role.TEST),
        ("planned", Role.PREDICTION),
    ],
)
def test_tenses(chime: Changed, tense: str, role: Role) -> None:
    assert read(chime(alert_tense=tense)).role is role


def test_errors_of_either_shape(chime: Changed) -> None:
    assert read(chime(ra_dec_error=0.5)).localization == Localization(
        ra=346.75, dec=12.625, error_deg=0.5, containment=0.9
    )
    without = read(chime(ra_dec_error=..., containment_probability=0.95)).localization
    assert without == Localization(ra=346.75, dec=12.625)
    burst = read(chime(dm_error=[0.25, 0.5])).frb
    assert burst is not None
    assert burst.dm_error == 0.5


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"alert_type": ...}, "alert_type: is required"),
        ({"alert_type": "new"}, "alert_type: must be 'initial'"),
        ({"alert_tense": "simulated"}, "alert_tense: must be 'current'"),
        ({"id": ...}, "id: is required"),
        ({"alert_type": None}, "alert_type: is required"),
        ({"id": None}, "id: is required"),
        ({"id": []}, "id: is required"),
        ({"id": ""}, "id: is required"),
        ({"id": ["1", True]}, "id.1: must be a valid string"),
        ({"id": 7.5}, "id.0: must be a valid string"),
        ({"id": "a\nb"}, "id: must match|id.0: must match"),
        ({"id": "x" * 201}, "id.0: must have at most 200 characters"),
        ({"ra": 360.0}, "ra: must be less than 360"),
        ({"ra": -0.1}, "ra: must be greater than or equal to 0"),
        ({"dec": 90.5}, "dec: must be less than or equal to 90"),
        ({"dec": ...}, "dec: is required beside the other coordinate"),
        ({"ra": None}, "ra: is required beside the other coordinate"),
        ({"ra": "346.75"}, "ra: must be a valid number"),
        ({"ra_dec_error": [-0.1, 0.5]}, "ra_dec_error: must be a number, or one to three"),
        ({"ra_dec_error": []}, "ra_dec_error: must be a number, or one to three"),
        ({"ra_dec_error": [1, 2, 3, 4]}, "ra_dec_error: must be a number, or one to three"),
        ({"ra_dec_error": ["1"]}, "ra_dec_error: must be a number, or one to three"),
        ({"ra_dec_error": True}, "ra_dec_error: must be a valid number"),
        ({"dm": 0}, "dm: must be greater than 0"),
        ({"dm": {"value": 1}}, "dm: must be a valid number"),
        ({"importance": 1.5}, "importance: must be between 0 and 1"),
        ({"trigger_time": "noon"}, "trigger_time: must be an ISO 8601 time"),
    ],
)
def test_a_faulty_field_is_named(chime: Changed, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read(chime(**changes))
    assert any(str(caught.value).startswith(one) for one in reason.split("|")), caught.value


@pytest.mark.parametrize(("folder", "source"), [("chime", "chime"), ("dsa110", "dsa")])
def test_recorded_notices(corpus: Path, folder: str, source: str) -> None:
    files = sorted((corpus / "gcn-notices" / folder).glob("frb.*.json"))
    assert files
    for file in files:
        notice, alert = json.loads(file.read_bytes()), read(file.read_bytes())
        assert alert.event_id == f"{source}-{notice['id']}"
        assert alert.alert_type == notice["alert_type"]
        assert alert.event_time == datetime.fromisoformat(notice["trigger_time"])
        if "ra" not in notice:
            assert alert.localization is None
            continue
        assert alert.localization is not None
        assert (alert.localization.ra, alert.localization.dec) == (notice["ra"], notice["dec"])
        assert alert.localization.error_deg == max(notice["ra_dec_error"][:2])
        assert alert.frb is not None
        for ours, theirs in [
            ("dm", "dm"),
            ("snr", "snr"),
            ("importance", "importance"),
            ("width_ms", "event_duration"),
            ("dm_galactic", "dm_gal_ne_2001_max"),
            ("association_probability", "association_probability"),
        ]:
            assert getattr(alert.frb, ours) == notice.get(theirs)
        assert alert.frb.known_source == notice.get("known_source", "")
