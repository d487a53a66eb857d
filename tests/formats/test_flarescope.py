"""Flarescope's requests."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from ovro_alert.alert import AlertType, BeamRequest, Localization, Role
from ovro_alert.formats import Unreadable, read

REQUEST = {"name": "AD Leo", "ra": 154.5, "dec": 19.875, "start": "2026-03-01T12:00:00Z", "duration": 600}
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def request(**changes: Any) -> bytes:
    return json.dumps({k: v for k, v in {**REQUEST, **changes}.items() if v is not ...}).encode()


def test_every_field() -> None:
    alert = read(request(int_time=128))
    assert alert.alert_id == alert.event_id
    assert alert.alert_id.startswith("flarescope-AD_Leo-2026-03-01T12:00:00Z-")
    assert (alert.source, alert.name, alert.role) == ("flarescope", "AD Leo", Role.OBSERVATION)
    assert alert.event_time == NOON
    assert alert.localization == Localization(ra=154.5, dec=19.875)
    assert alert.request == BeamRequest(start=NOON, duration=600, int_time_ms=128)


def test_the_same_request_again_is_the_same_alert() -> None:
    assert read(request()) == read(json.dumps(REQUEST, indent=8, sort_keys=True).encode())
    assert read(request()).alert_id != read(request(duration=601)).alert_id


def test_optional_fields() -> None:
    alert = read(request(name=...))
    assert alert.alert_id.startswith("flarescope-request-")
    assert alert.request == BeamRequest(start=NOON, duration=600)


@pytest.mark.parametrize("name", [{}, {"id": "17"}])
def test_the_same_words_take_it_back(name: dict[str, str]) -> None:
    asked, taken_back = read(request(**name)), read(request(**name, alert_type="retraction"))
    assert taken_back.alert_type is AlertType.RETRACTION
    assert taken_back.event_id == asked.event_id
    assert taken_back.alert_id != asked.alert_id


def test_what_has_an_id_may_be_updated() -> None:
    asked, moved = read(request(id="17")), read(request(id="17", ra=155.0, alert_type="update"))
    assert (moved.alert_type, moved.event_id) == (AlertType.UPDATE, asked.event_id)
    assert moved.alert_id != asked.alert_id
    assert moved.localization == Localization(ra=155.0, dec=19.875)


@pytest.mark.parametrize("said", [{"test": True}, {"role": "test"}, {"role": "observation", "test": True}])
def test_tests(said: dict[str, Any]) -> None:
    assert read(request(**said)).role is Role.TEST


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ra": ...}, "ra: is required"),
        ({"dec": ...}, "dec: is required"),
        ({"start": ...}, "start: is required"),
        ({"ra": 360}, "ra: must be less than 360"),
        ({"dec": "19"}, "dec: must be a valid number"),
        ({"duration": 0}, "duration: must be greater than 0"),
        ({"duration": "600"}, "duration: must be a valid number"),
        ({"int_time": -1}, "int_time: must be greater than 0"),
        ({"start": "soon"}, "start: must be an ISO 8601 time"),
        ({"role": "utility"}, "role: must be"),
        ({"test": "yes"}, "test: must be a valid boolean"),
        ({"name": ["AD Leo"]}, "name: must be a valid string"),
        ({"alert_type": "subsequent"}, "alert_type: must be"),
        ({"alert_type": "update"}, "id: is required of an update"),
    ],
)
def test_a_faulty_field_is_named(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read(request(**changes))
    assert str(caught.value).startswith(reason)


def test_by_name_every_missing_field_is_named() -> None:
    with pytest.raises(Unreadable) as caught:
        read(b"{}", "flarescope")
    assert [reason.loc for reason in caught.value.reasons] == [("ra",), ("dec",), ("start",), ("duration",)]
