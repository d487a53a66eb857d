"""DSA-110's own triggers, as its search writes them and as they are rewritten."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ovro_alert.alert import AlertType, FastRadioBurst, Localization, Role
from ovro_alert.formats import Unreadable, read

NAME = "260301aaaa"
# As T2 writes it into etcd; the place as DSA-110 computes it from the pointing.
TRIGGER: dict[str, Any] = {
    "mjds": 61100.5,
    "snr": 9.5,
    "ibox": 4,
    "dm": 279.5,
    "ibeam": 179,
    "cntb": 3,
    "cntc": 35,
    "specnum": 456225256,
    "ra": 346.75,
    "dec": 12.625,
}


def keyed(name: str = NAME, **changes: Any) -> bytes:
    """A trigger under its name; `...` takes a field away."""
    fields = {key: value for key, value in (TRIGGER | changes).items() if value is not ...}
    return json.dumps({name: fields}).encode()


def flat(**changes: Any) -> bytes:
    fields = {"trigname": NAME} | TRIGGER | changes
    return json.dumps({key: value for key, value in fields.items() if value is not ...}).encode()


@pytest.mark.parametrize("raw", [keyed(), flat(), keyed(trigname=NAME)])
def test_every_field(raw: bytes) -> None:
    alert = read(raw)
    assert alert.event_id == f"dsa-{NAME}"
    assert alert.alert_id.startswith(f"dsa-{NAME}-t2-")
    assert (alert.source, alert.mission, alert.instrument) == ("dsa", "DSA-110", "DSA-110")
    assert (alert.role, alert.alert_type) == (Role.OBSERVATION, AlertType.INITIAL)
    assert alert.event_time == datetime(2026, 3, 1, 12, tzinfo=UTC)  # MJD 61100 is 2026-03-01
    assert alert.localization == Localization(ra=346.75, dec=12.625)
    # Four samples of 262.144 µs; the time holds at the top of the band.
    assert alert.frb == FastRadioBurst(dm=279.5, snr=9.5, width_ms=1.048576, reference_mhz=1530.0)


def test_what_is_optional() -> None:
    alert = read(flat(raerr=30, decerr=12240.0, radecerr=7200, dmerr=0.5, probability=0.875, save=True))
    assert alert.localization == Localization(ra=346.75, dec=12.625, error_deg=3.4)  # 12240″, the larger axis
    assert alert.frb is not None
    assert (alert.frb.dm_error, alert.frb.importance) == (0.5, 0.875)
    assert read(flat(radecerr=36)).localization == Localization(ra=346.75, dec=12.625, error_deg=0.01)


def test_the_gcn_notice_of_the_burst_is_of_the_same_event() -> None:
    notice = {
        "$schema": "https://gcn.nasa.gov/schema/v6.1.0/gcn/notices/dsa110/frb.schema.json",
        "alert_type": "initial",
        "trigger_time": "2026-03-01T12:00:00.000",
        "id": NAME,
        "snr": 9.5,
        "dm": 279.5,
        "event_duration": 1.048576,
        "ra": 346.75,
        "dec": 12.625,
        "ra_dec_error": [0.016, 0.016],
        "importance": 0.9,
    }
    told, ours = read(json.dumps(notice).encode()), read(keyed())
    assert (told.source, told.event_id) == (ours.source, ours.event_id)
    assert told.event_time == ours.event_time
    assert told.alert_id != ours.alert_id


def test_the_same_burst_in_the_same_words_is_the_same_alert_whoever_wrote_them() -> None:
    rewritten = dict.fromkeys(["raerr", "probability", "injected", "gulp", "real"], None)
    more = {"filterbank": "/data/x.fil", "save": True, "label": "astrophysical", "ibeam_prob": 0.5}
    first = read(keyed())
    assert read(flat(**rewritten, **more)) == first
    assert read(flat(ibox=4.0)) == first


def test_the_same_burst_in_better_words_is_another_alert_that_a_rule_may_act_on() -> None:
    first, second = read(keyed(ra=..., dec=...)), read(flat())
    assert first.localization is None
    assert first.event_id == second.event_id
    assert first.alert_id != second.alert_id
    assert second.alert_type is AlertType.INITIAL


@pytest.mark.parametrize(
    "raw",
    [
        keyed("260301aaaa_inj0"),
        keyed("260301aaaa_inj"),
        keyed(injected=True),
        flat(trigname="260301aaab_inj12"),
    ],
)
def test_injections_are_tests(raw: bytes) -> None:
    assert read(raw).role is Role.TEST


def test_what_is_not_an_injection_is_none() -> None:
    assert read(keyed(injected=False)).role is Role.OBSERVATION


@pytest.mark.parametrize(
    "place", [{"ra": ..., "dec": ...}, {"ra": None, "dec": None}, {"ra": 0.0, "dec": 0.0}]
)
def test_a_place_that_is_not_known(place: dict[str, Any]) -> None:
    assert read(keyed(**place)).localization is None


@pytest.mark.parametrize("place", [{"ra": 0.0}, {"dec": 0.0}])
def test_one_coordinate_may_well_be_zero(place: dict[str, Any]) -> None:
    assert read(keyed(**place)).localization is not None


def test_a_search_without_boxes_says_no_width() -> None:
    alert = read(keyed(ibox=-1))
    assert alert.frb is not None
    assert alert.frb.width_ms is None


def test_times_are_good_to_a_few_microseconds() -> None:
    moment = read(keyed(mjds=59436.59969748689)).event_time
    assert moment is not None
    # 0.59969748689 d = 14 h 23 min 33.862867… s
    expected = datetime(2021, 8, 10, 14, 23, 33, 862867, tzinfo=UTC)
    assert abs(moment - expected) < timedelta(microseconds=5)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (keyed(mjds=...), f"{NAME}.mjds: is required"),
        (flat(mjds=...), "mjds: is required"),
        (json.dumps({NAME: {}}).encode(), f"{NAME}.mjds: is required"),
        (json.dumps({NAME: []}).encode(), f"{NAME}: must be a JSON object"),
        (json.dumps({NAME: TRIGGER, "260301aaab": TRIGGER}).encode(), "must be one trigger, and there are 2"),
        (b"{}", "not a format"),
        (flat(trigname=...), "trigname: is required"),
        (flat(trigname="a\nb"), "trigname: must match"),
        (keyed(trigname="260301aaab"), f"{NAME}.trigname: must be the name under which it stands"),
        (keyed(mjds="61100.5"), f"{NAME}.mjds: must be a valid number"),
        (keyed(snr="9.5"), f"{NAME}.snr: must be a valid number"),
        (keyed(mjds=True), f"{NAME}.mjds: must be a valid number"),
        (keyed(mjds=2461101.0), f"{NAME}.mjds: must be an MJD between"),
        (keyed(mjds=1772366400), f"{NAME}.mjds: must be an MJD between"),
        (keyed(mjds=0), f"{NAME}.mjds: must be an MJD between"),
        (keyed(mjds=-1e300), f"{NAME}.mjds: must be an MJD between"),
        (keyed(dec=float("nan")), "is not JSON"),
        (keyed(snr=float("inf")), "is not JSON"),
        (keyed(ra=360.0), f"{NAME}.ra: must be less than 360"),
        (keyed(dec=-90.5), f"{NAME}.dec: must be greater than or equal to -90"),
        (keyed(dec=...), f"{NAME}.dec: is required beside the other coordinate"),
        (keyed(dm=0), f"{NAME}.dm: must be greater than 0"),
        (keyed(ibox=-2), f"{NAME}.ibox: must be greater than or equal to 0"),
        (keyed(radecerr=-1), f"{NAME}.radecerr: must be greater than or equal to 0"),
        (keyed(probability=1.5), f"{NAME}.probability: must be between 0 and 1"),
        (keyed(injected="no"), f"{NAME}.injected: must be a valid boolean"),
    ],
)
def test_a_faulty_field_is_named(raw: bytes, reason: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read(raw)
    assert str(caught.value).startswith(reason)


def test_a_format_by_name_must_be_the_one() -> None:
    assert read(keyed(), "dsa110-t2").source == "dsa"
    with pytest.raises(Unreadable, match="must be one trigger"):
        read(b"{}", "dsa110-t2")


def test_the_recorded_trigger(corpus: Path) -> None:
    alert = read((corpus / "dsa110" / "t2trigger.json").read_bytes())
    assert (alert.source, alert.event_id) == ("dsa", "dsa-210810aaaa")
    assert (alert.role, alert.alert_type) == (Role.OBSERVATION, AlertType.INITIAL)
    assert alert.event_time is not None
    assert alert.event_time.isoformat(timespec="milliseconds") == "2021-08-10T14:23:33.862+00:00"
    assert alert.localization is None  # its ra and dec are 0
    assert alert.frb == FastRadioBurst(
        dm=29.0454, snr=9.03739, width_ms=1.048576, importance=0.0, reference_mhz=1530.0
    )
