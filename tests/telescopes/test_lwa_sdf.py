"""Session definition files against texts written by hand, and every promise on the way back."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ovro_alert.telescopes.lwa import sdf
from ovro_alert.telescopes.lwa.session import Observation, Pointing, Session, SessionMode

# The Crab: 83.633083° ÷ 15 = 5.5755388666… h. 2026-01-01 is MJD 61041 and 23 July the 204th day: MJD 61244.
# 04:05:06.789 is 14706.789 s past midnight; 1669523 ms are 27 minutes 49 s.
POWER = """\
PI_ID            7
PI_NAME          A. Observer

PROJECT_ID       0
SESSION_ID       777
SESSION_MODE     POWER
SESSION_DRX_BEAM 3
CONFIG_FILE      /home/pipeline/proj/lwa-shell/mnc_python/config/lwa_config_calim.yaml
CAL_DIR          /home/pipeline/caltables/latest
DO_CAL           True

OBS_ID           1
OBS_TARGET       Crab
OBS_START_MJD    61244
OBS_START_MPM    14706789
OBS_START        UTC 2026 07 23 04:05:06.789
OBS_DUR          1669523
OBS_DUR+         00:27:49
OBS_INT_TIME     128
OBS_MODE         TRK_RADEC
OBS_RA           5.575538867
OBS_DEC          +22.014500000
OBS_FREQ1        1161394218
OBS_FREQ1+       53.000000009 MHz
OBS_FREQ2        1599656187
OBS_FREQ2+       73.000000010 MHz
OBS_BW           7
OBS_BW+          19.600 MHz
OBS_DRX_GAIN     6
"""
# 359.9999999999° are 24 h to nine decimals, which is 0 h. A day and an hour are 25 hours.
VOLT = """\
PI_ID            0
PI_NAME          Observer

PROJECT_ID       0
SESSION_ID       9007199254740991
SESSION_MODE     VOLT
SESSION_DRX_BEAM 1
CONFIG_FILE      /etc/lwa.yaml
DO_CAL           False

OBS_ID           1
OBS_TARGET       FRB20260101A
OBS_START_MJD    61041
OBS_START_MPM    0
OBS_START        UTC 2026 01 01 00:00:00.000
OBS_DUR          90000000
OBS_DUR+         25:00:00
OBS_MODE         TRK_RADEC
OBS_RA           0.000000000
OBS_DEC          -0.500000000
OBS_FREQ1        1161394218
OBS_FREQ1+       53.000000009 MHz
OBS_FREQ2        1599656187
OBS_FREQ2+       73.000000010 MHz
OBS_BW           7
OBS_BW+          19.600 MHz
OBS_DRX_GAIN     6
"""
# Word 2³¹ ÷ 4 = 536870912 is 196 ÷ 8 = 24.5 MHz; 2³⁰ is 49 MHz. Two observations, a second and then the Sun.
VOLTRAW = """\
PI_ID            0
PI_NAME          Observer

PROJECT_ID       0
SESSION_ID       5
SESSION_MODE     VOLTRAW
SESSION_DRX_BEAM 1
CONFIG_FILE      /etc/lwa.yaml
CAL_DIR          /cal
DO_CAL           False

OBS_ID           1
OBS_START_MJD    61040
OBS_START_MPM    86399999
OBS_START        UTC 2025 12 31 23:59:59.999
OBS_DUR          1000
OBS_DUR+         00:00:01
OBS_MODE         AZALT
OBS_AZ           180.000000000
OBS_ALT          45.250000000
OBS_FREQ1        536870912
OBS_FREQ1+       24.500000000 MHz
OBS_FREQ2        1073741824
OBS_FREQ2+       49.000000000 MHz
OBS_BW           1
OBS_BW+          0.250 MHz
OBS_DRX_GAIN     15

OBS_ID           2
OBS_TARGET       Sun
OBS_START_MJD    61041
OBS_START_MPM    999
OBS_START        UTC 2026 01 01 00:00:00.999
OBS_DUR          1
OBS_DUR+         00:00:00
OBS_MODE         TRK_SOL
OBS_FREQ1        1161394218
OBS_FREQ1+       53.000000009 MHz
OBS_FREQ2        1599656187
OBS_FREQ2+       73.000000010 MHz
OBS_BW           7
OBS_BW+          19.600 MHz
OBS_DRX_GAIN     0
"""


def observation(**changes: object) -> Observation:
    fields = {"obs_id": 1, "start": datetime(2026, 1, 1, tzinfo=UTC), "duration_ms": 1000, "ra": 0, "dec": 0}
    return Observation.model_validate(fields | changes)


def session(**changes: object) -> Session:
    fields = {"session_id": 1, "mode": "VOLT", "beam": 1, "observations": [observation()]}
    return Session.model_validate(fields | changes)


def test_a_power_beam() -> None:
    crab = observation(
        target="Crab",
        start=datetime(2026, 7, 23, 4, 5, 6, 789000, UTC),
        duration_ms=1669523,
        int_time_ms=128,
        ra=83.633083,
        dec=22.0145,
    )
    asked = session(
        session_id=777, mode="POWER", beam=3, pi_id=7, pi_name="A. Observer", do_cal=True, observations=[crab]
    )
    assert sdf.write(asked) == POWER
    assert asked.name == "777_POWER3"


def test_a_voltage_beam() -> None:
    burst = observation(
        target="FRB20260101A",
        # Half a millisecond before the year's end is nearer to the next day.
        start=datetime(2025, 12, 31, 23, 59, 59, 999501, UTC),
        duration_ms=90_000_000,
        ra=359.9999999999,
        dec=-0.5,
    )
    asked = session(session_id=2**53 - 1, config_file="/etc/lwa.yaml", cal_dir=None, observations=[burst])
    assert sdf.write(asked) == VOLT


def test_raw_voltages_of_two_observations() -> None:
    first = observation(
        start=datetime(2025, 12, 31, 23, 59, 59, 999499, UTC),
        mode="AZALT",
        ra=None,
        dec=None,
        az=180,
        alt=45.25,
        freq1=2**29,
        freq2=2**30,
        bandwidth=1,
        gain=15,
    )
    second = observation(
        obs_id=2,
        target="Sun",
        start=first.start + timedelta(seconds=1),
        duration_ms=1,
        mode="TRK_SOL",
        ra=None,
        dec=None,
        gain=0,
    )
    asked = session(
        session_id=5,
        mode="VOLTRAW",
        config_file="/etc/lwa.yaml",
        cal_dir="/cal",
        observations=[first, second],
    )
    assert sdf.write(asked) == VOLTRAW


@pytest.mark.parametrize("text", [POWER, VOLT, VOLTRAW])
def test_the_reader_reads_what_was_written_by_hand(text: str) -> None:
    assert sdf.write(sdf.parse(text)) == text


NEEDED = ["SESSION_ID", "SESSION_MODE", "SESSION_DRX_BEAM", "OBS_ID", "OBS_DUR", "OBS_MODE"]


def without(text: str, *keys: str) -> str:
    return "".join(line for line in text.splitlines(True) if not line.split() or line.split()[0] not in keys)


@pytest.mark.parametrize("key", NEEDED)
def test_the_reader_names_a_missing_key(key: str) -> None:
    with pytest.raises(ValueError, match=f"^{key} is missing$"):
        sdf.parse(without(POWER, key))


def test_the_reader_needs_a_start() -> None:
    with pytest.raises(ValueError, match=r"^OBS_START is missing$"):
        sdf.parse(without(POWER, "OBS_START", "OBS_START_MJD"))


def test_the_reader_needs_a_target_by_name_or_by_place() -> None:
    assert sdf.parse(without(POWER, "OBS_TARGET")).observations[0].ra is not None
    assert sdf.parse(without(POWER, "OBS_RA", "OBS_DEC")).observations[0].target == "Crab"
    with pytest.raises(ValueError, match="OBS_TARGET"):
        sdf.parse(without(POWER, "OBS_TARGET", "OBS_RA", "OBS_DEC"))


def test_the_reader_takes_the_day_and_milliseconds_where_there_is_no_other_start() -> None:
    assert sdf.parse(without(POWER, "OBS_START")) == sdf.parse(POWER)


@pytest.mark.parametrize(
    ("line", "instead", "name"),
    [
        ("SESSION_MODE     POWER", "SESSION_MODE     LOUD", "mode"),
        ("SESSION_DRX_BEAM 3", "SESSION_DRX_BEAM 17", "SESSION_DRX_BEAM"),
        ("SESSION_ID       777", "SESSION_ID       seven", "SESSION_ID"),
        ("OBS_DUR          1669523", "OBS_DUR          0", "duration_ms"),
        ("OBS_RA           5.575538867", "OBS_RA           83.633083", "ra"),
        ("OBS_RA           5.575538867", "OBS_RA           05:34:32", "OBS_RA"),
        ("OBS_RA           5.575538867", "OBS_RA           nan", "OBS_RA"),
        ("OBS_DEC          +22.014500000", "OBS_DEC          +95", "dec"),
        ("OBS_INT_TIME     128", "OBS_INT_TIME     2048", "OBS_INT_TIME"),
        ("OBS_INT_TIME     128", "OBS_INT_TIME     0", "OBS_INT_TIME"),
        ("OBS_START        UTC 2026 07 23", "OBS_START        TAI 2026 07 23", "OBS_START"),
        ("OBS_START        UTC 2026 07 23", "OBS_START        UTC 2026 02 30", "OBS_START"),
        ("OBS_FREQ2        1599656187", "OBS_FREQ2        2147483647", "OBS_FREQ2"),
        ("OBS_BW           7", "OBS_BW           8", "bandwidth"),
        ("OBS_DRX_GAIN     6", "OBS_DRX_GAIN     16", "OBS_DRX_GAIN"),
    ],
)
def test_the_reader_names_a_wrong_value(line: str, instead: str, name: str) -> None:
    assert line in POWER
    with pytest.raises(ValueError, match=name):
        sdf.parse(POWER.replace(line, instead))


WHOLE = {
    "PI_ID": "7",
    "SESSION_ID": "777",
    "SESSION_DRX_BEAM": "3",
    "OBS_ID": "1",
    "OBS_START_MJD": "61244",
    "OBS_START_MPM": "14706789",
    "OBS_DUR": "1669523",
    "OBS_INT_TIME": "128",
    "OBS_FREQ1": "1161394218",
    "OBS_FREQ2": "1599656187",
    "OBS_BW": "7",
    "OBS_DRX_GAIN": "6",
}


def with_value(key: str, value: str, text: str = POWER) -> str:
    assert f"\n{key} " in f"\n{text}"
    return "".join(
        f"{key} {value}\n" if line.split()[:1] == [key] else line for line in text.splitlines(True)
    )


@pytest.mark.parametrize("key", WHOLE)
def test_a_whole_number_is_plain_figures(key: str) -> None:
    plain = WHOLE[key]
    assert sdf.parse(with_value(key, plain)) == sdf.parse(POWER)
    for other in (
        f"{plain}.0",
        f"{plain[0]}_{plain}",
        f"+{plain}",
        f"0{plain}",
        "1e2",
        "-1",
        "٣",
        "9" * 17,
        "",
    ):
        with pytest.raises(ValueError, match=f"^{key}: "):
            sdf.parse(with_value(key, other))


@pytest.mark.parametrize("key", ["OBS_RA", "OBS_DEC"])
@pytest.mark.parametrize("value", ["1_1.5", "1e1", "inf", "٣.5", "1,5", "0x1", ""])
def test_a_decimal_is_figures_and_a_point(key: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"^{key}: "):
        sdf.parse(with_value(key, value))


@pytest.mark.parametrize("value", [1025, 1500, 2047])
def test_the_integration_time_is_limited_before_it_is_rounded(value: int) -> None:
    with pytest.raises(ValueError, match=r"^OBS_INT_TIME: "):
        sdf.parse(with_value("OBS_INT_TIME", str(value)))


@pytest.mark.parametrize("text", [VOLT, VOLTRAW])
def test_voltages_have_no_integration_time(text: str) -> None:
    with pytest.raises(ValueError, match=r"OBS_INT_TIME: VOLT(RAW)? is not integrated"):
        sdf.parse(text.replace("OBS_MODE ", "OBS_INT_TIME 1\nOBS_MODE "))


def test_milliseconds_past_midnight_are_of_that_day() -> None:
    with pytest.raises(ValueError, match=r"^OBS_START_MPM: "):
        sdf.parse(without(with_value("OBS_START_MPM", "86400000"), "OBS_START"))


@pytest.mark.parametrize(
    "start",
    [
        "UTC 2026 7 23 04:05:06.789",
        "UTC 2026 07 23 4:5:6",
        "UTC 2026 07 23 04:05:06.78",
        "UTC 2026 07 23 04:05:06.789123",
        "UTC 2026 07 23 24:05:06",
        "UTC 2026 07 23 040506.7",
        "UTC 0001 01 01 00:00:00",
        "2026 07 23 04:05:06",
    ],
)
def test_a_start_is_written_as_the_format_has_it(start: str) -> None:
    assert sdf.parse(without(with_value("OBS_START", "UTC 2026 07 23 04:05:06.789"), "OBS_START_MJD"))
    with pytest.raises(ValueError, match=r"^OBS_START"):
        sdf.parse(without(with_value("OBS_START", start), "OBS_START_MJD"))


def test_an_end_beyond_all_dates_is_refused() -> None:
    with pytest.raises(ValueError, match="OBS_DUR"):
        sdf.parse(with_value("OBS_DUR", "9" * 16))


def test_a_session_that_does_not_say_otherwise_is_calibrated() -> None:
    assert sdf.parse(without(POWER.replace("True", "False"), "DO_CAL")).do_cal


def test_the_reader_rounds_the_integration_time_down_and_takes_1_ms_without_it() -> None:
    assert sdf.parse(POWER.replace("TIME     128", "TIME     100")).observations[0].int_time_ms == 64
    assert sdf.parse(without(POWER, "OBS_INT_TIME")).observations[0].int_time_ms == 1


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"mode": "VOLT", "beam": 2}, "SESSION_DRX_BEAM: VOLT has beam 1 only"),
        ({"mode": "VOLTRAW", "beam": 3}, "SESSION_DRX_BEAM"),
        ({"mode": "POWER", "beam": 0}, "SESSION_DRX_BEAM"),
        ({"mode": "POWER", "beam": None}, "SESSION_DRX_BEAM"),
        ({"mode": "FAST", "beam": 1}, "SESSION_DRX_BEAM"),
        ({"observations": []}, "observations"),
        ({"observations": [observation(int_time_ms=1)]}, "OBS_INT_TIME"),
        ({"cal_dir": "/two words"}, "cal_dir"),
        ({"pi_name": "two\nOBS_ID 9"}, "pi_name"),
    ],
)
def test_a_session_that_its_mode_cannot_do(changes: dict[str, object], key: str) -> None:
    with pytest.raises(ValidationError, match=key):
        session(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"ra": None},
        {"ra": None, "dec": None},
        {"ra": 360},
        {"mode": "AZALT"},
        {"az": 1},
        {"int_time_ms": 3},
        {"duration_ms": 0},
        {"freq1": 2**27, "bandwidth": 7},  # 6.125 MHz is less than 9.8 from the bottom
        {"start": datetime(2026, 1, 1)},
        {"target": "two words"},
    ],
)
def test_an_observation_that_cannot_be(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        observation(**changes)


moments = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)).map(lambda each: each.replace(tzinfo=UTC))
# Where days, years and leap seconds meet: UTC inserted one before 2017-01-01 and 2012-07-01.
edges = st.builds(
    lambda day, micro: day + timedelta(microseconds=micro),
    st.sampled_from(
        [
            datetime(2017, 1, 1, tzinfo=UTC),
            datetime(2012, 7, 1, tzinfo=UTC),
            datetime(2024, 2, 29, tzinfo=UTC),
        ]
    ),
    st.integers(-3000, 3000),
)


@given(
    start=moments | edges,
    ra=st.floats(0, 360, exclude_max=True),
    dec=st.floats(-90, 90),
    duration_ms=st.integers(1, 10**9),
    power=st.integers(0, 10),
    beam=st.integers(1, 16),
)
def test_what_is_written_is_read_back(
    start: datetime, ra: float, dec: float, duration_ms: int, power: int, beam: int
) -> None:
    asked = observation(start=start, ra=ra, dec=dec, duration_ms=duration_ms, int_time_ms=1 << power)
    text = sdf.write(session(mode="POWER", beam=beam, observations=[asked]))
    [read] = sdf.parse(text).observations
    assert abs(read.start - start) <= timedelta(microseconds=500)
    assert (read.start, read.duration_ms, read.int_time_ms) == (asked.start, duration_ms, 1 << power)
    assert read.ra is not None
    assert read.dec is not None
    assert abs((read.ra - ra + 180) % 360 - 180) < 1e-8  # nine decimals of an hour are 15 × 0.5e-9°
    assert abs(read.dec - dec) < 1e-9
    assert sdf.parse(text) == sdf.parse(sdf.write(sdf.parse(text)))


@given(moments | edges)
def test_both_ways_to_say_the_start_agree(start: datetime) -> None:
    text = sdf.write(session(observations=[observation(start=start)]))
    values = dict(line.split(None, 1) for line in text.splitlines() if line)
    assert 0 <= int(values["OBS_START_MPM"]) < 86_400_000
    assert sdf.parse(without(text, "OBS_START")) == sdf.parse(text)


@given(st.text(max_size=300))
def test_the_reader_has_a_clear_word_for_any_text(text: str) -> None:
    with pytest.raises(ValueError, match=r"is missing|is not"):
        sdf.parse(text)


def test_a_session_without_a_beam() -> None:
    fast = session(mode=SessionMode.FAST, beam=None, observations=[observation(mode=Pointing.RADEC)])
    assert "SESSION_DRX_BEAM" not in sdf.write(fast)
    assert sdf.parse(sdf.write(fast)) == fast
    assert fast.name == "1_FAST"


@pytest.mark.parametrize("text", [POWER, VOLT, VOLTRAW])
def test_what_the_scheduler_shows_of_a_file_is_the_file_again(text: str) -> None:
    shown = sdf.as_shown(text)
    assert shown["SESSION"]["SESSION_MODE"] == sdf.parse(text).mode
    assert shown["OBSERVATIONS"]["OBSERVATION_1"]["OBS_START"][0] == "UTC"
    assert sdf.parse(sdf.rewrite(shown)) == sdf.parse(text)


@pytest.mark.parametrize(
    "shown", [{}, {"SESSION": 7, "OBSERVATIONS": {}}, {"SESSION": {"A": 1}, "OBSERVATIONS": {}}]
)
def test_what_is_no_session_is_not_written_again(shown: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not a session"):
        sdf.rewrite(shown)


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("OBS_START_MPM    14706789", "OBS_START_MPM    14706", "OBS_START"),
        ("OBS_START_MJD    61244", "OBS_START_MJD    61245", "OBS_START"),
        ("DO_CAL           True", "DO_CAL           yes", "DO_CAL"),
    ],
)
def test_what_readers_would_read_differently_is_refused(old: str, new: str, key: str) -> None:
    assert old in POWER
    with pytest.raises(ValueError, match=key):
        sdf.parse(POWER.replace(old, new))
