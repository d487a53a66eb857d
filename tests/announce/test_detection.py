"""The args of a command become one detection, or are refused by the name of the field."""

from datetime import UTC, datetime

import pytest

from announcing import ARGS
from ovro_alert.announce.detection import Unfit, read


def test_what_the_rule_to_swift_sends_is_enough() -> None:
    args = {name: ARGS[name] for name in ("ra", "dec", "dm", "toa", "name")}
    found = read(args | {"chime": "whatever else a rule says"})
    assert (found.name, found.ra, found.dec, found.dm) == ("260304aaaa", 291.61, 71.52, 531.7)
    assert found.toa == datetime(2026, 3, 4, 5, 6, 7, 123456, UTC)
    assert found.snr is None


def test_numbers_may_be_text_and_null_is_absent() -> None:
    found = read(ARGS | {"ra": "291.61", "snr": None, "importance": "0.5"})
    assert (found.ra, found.snr, found.importance) == (291.61, None, 0.5)


@pytest.mark.parametrize("field", ["error_deg", "dm_error", "snr", "width_ms", "fluence", "peak_flux"])
def test_a_0_of_what_was_not_measured_is_not_given(field: str) -> None:
    # As T2 writes `raerr` and `decerr` of a place without an error, and `ibox` of a search without boxes.
    assert getattr(read(ARGS | {field: 0}), field) is None
    assert getattr(read(ARGS | {field: 0.0}), field) is None


@pytest.mark.parametrize(
    ("toa", "utc"),
    [("2026-03-04T05:06:07", 5), ("2026-03-04 05:06:07Z", 5), ("2026-03-04T05:06:07-08:00", 13)],
)
def test_a_time_is_utc_unless_it_says_otherwise(toa: str, utc: int) -> None:
    assert read(ARGS | {"toa": toa}).toa == datetime(2026, 3, 4, utc, 6, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ra", 400),
        ("ra", -0.1),
        ("ra", "east"),
        ("ra", float("nan")),
        ("dec", 91),
        ("dec", True and [1]),
        ("dm", 0),
        ("dm", -5),
        ("dm", float("inf")),
        ("dm", 1e6),
        ("toa", 61103.2),  # an MJD is not seconds of 1970
        ("toa", "61103.2"),
        ("toa", "2026-03-04"),
        ("toa", "1970-01-18T00:00:00Z"),
        ("toa", "9999-12-31T23:59:59-12:00"),
        ("name", "260304"),
        ("name", "dsa-260304AAAA"),
        ("name", "260304aaaa/../../etc"),
        ("name", 260304),
        ("error_deg", -1),
        ("error_deg", 181),
        ("snr", -1),
        ("width_ms", -1),
        ("importance", 1.5),
        ("role", "utility"),
        ("alert_type", "retraction"),
        ("description", "two\nlines"),
        ("known_source", "x" * 501),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(field: str, value: object) -> None:
    with pytest.raises(Unfit, match=rf"^args\.{field}: "):
        read(ARGS | {field: value})


@pytest.mark.parametrize("field", ["ra", "dec", "dm", "toa", "name"])
def test_what_is_missing_is_named(field: str) -> None:
    with pytest.raises(Unfit, match=rf"args\.{field}: "):
        read({name: value for name, value in ARGS.items() if name != field})


@pytest.mark.parametrize(
    ("changes", "is_test"),
    [
        ({}, False),
        ({"role": "test"}, True),
        ({"name": "260304aaaa_inj0"}, True),
        ({"name": "260304aaaa_inj"}, True),
    ],
)
def test_what_was_injected_is_never_news_of_the_sky(changes: dict[str, str], is_test: bool) -> None:
    assert read(ARGS | changes).is_test is is_test


def test_at_infinite_frequency_it_came_earlier() -> None:
    # 4148.808 s MHz² · 531.7 / (1530 MHz)², Lorimer & Kramer eq. 4.6
    found = read(ARGS)
    assert (found.toa - found.at_infinite_frequency).total_seconds() == pytest.approx(0.942339, abs=2e-6)
