"""What a command for a beam asks of the telescope, and the field that is wrong where it cannot be."""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from ovro_alert.command import Entry
from ovro_alert.telescopes.lwa import sdf
from ovro_alert.telescopes.lwa.session import Observation, Session, SessionMode
from ovro_alert.telescopes.lwa.settings import LwaSettings
from ovro_alert.telescopes.lwa.wanted import Unfit, Wanted, session, wanted

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)  # MJD 61041.5
CRAB = {"ra": 83.633083, "dec": 22.0145}
Make = Callable[..., Entry]


def asked(entry: Entry, **changes: Any) -> Wanted:
    return wanted(entry, NOW, LwaSettings(**changes))


def made(entry: Entry, **changes: Any) -> tuple[Session, Observation]:
    """The session that it is on the first beam that it may have."""
    its = asked(entry, **changes)
    its_session = session(entry, its, its.beams[0], False, LwaSettings(**changes))
    return its_session, its_session.observations[0]


def refusal(entry: Entry) -> str:
    with pytest.raises(Unfit) as unfit:
        asked(entry)
    return str(unfit.value)


def test_a_power_beam_at_once(command: Make) -> None:
    entry = command("powerbeam", CRAB | {"duration": 60, "name": "FRB 20260101A"})
    session, observation = made(entry, beams=(5,), pi_id=3)
    assert asked(entry).submission == "asap"
    assert (session.mode, session.beam, session.pi_id) == (SessionMode.POWER, 5, 3)
    assert session.session_id == 777
    assert (observation.ra, observation.dec, observation.int_time_ms) == (83.633083, 22.0145, 128)
    assert (observation.start, observation.duration_ms) == (NOW, 60_000)
    assert observation.target == "FRB_20260101A"
    assert not session.do_cal


def test_a_voltage_beam_is_beam_1_without_integration(command: Make) -> None:
    session, observation = made(command("voltagebeam", CRAB | {"duration": 60}))
    assert (session.mode, session.beam, observation.int_time_ms) == (SessionMode.VOLT, 1, None)
    assert "beam 1 only" in refusal(command("voltagebeam", CRAB | {"duration": 60, "beamnum": 3}))


def test_only_the_beams_that_are_allowed_may_be_had(command: Make) -> None:
    assert asked(command("powerbeam", CRAB | {"duration": 60}), beams=(5, 3)).beams == (5, 3)
    assert asked(command("powerbeam", CRAB | {"duration": 60, "beamnum": 5})).beams == (5,)
    reason = refusal(command("powerbeam", CRAB | {"duration": 60, "beamnum": 4}))
    assert reason == "args.beamnum: 4 is reserved for others; allowed for POWER are 3, 5, 6, 7, 8, 9, 10, 1"
    with pytest.raises(Unfit, match="no beam is allowed for VOLT here"):
        asked(command("voltagebeam", CRAB | {"duration": 60}), voltage_beams=())


@pytest.mark.parametrize(
    "args",
    [
        {"position": "83.633083,22.0145", "duration": "60"},
        {"position": "83.633083, 22.0145, 0.1", "duration": 60.0, "instrument": "CHIME", "mission": "CHIME"},
        {"RA": "83.633083", "Dec": "22.0145", "Duration": 60},
        {"RA": 83.633083, "DEC": 22.0145, "duration": 60, "start time": NOW.isoformat()},
        {**CRAB, "duration": 60, "Start_Time": 61041.5, "beam_num": None},
        {**CRAB, "duration": 60, "startTime": "2026-01-01T12:00:00", "ra": 83.633083},
        {**CRAB, "duration": 60, "start": "now"},
        {**CRAB, "duration": 60, "start": "61041.5"},
        {**CRAB, "duration": 60, "start": "2026-01-01T13:00:00+01:00"},
    ],
)
def test_every_spelling_means_the_same(command: Make, args: dict[str, Any]) -> None:
    assert asked(command("PowerBeam", args)) == asked(command("powerbeam", CRAB | {"duration": 60}))


def test_beam_and_integration_in_their_spellings(command: Make) -> None:
    for args in (
        {"beamnum": 5, "int_time_ms": 100},
        {"beam_num": "5", "int_time": "64"},
        {"Beam": 5, "INT_TIME": 64},
    ):
        session, observation = made(command("powerbeam", CRAB | {"duration": 60} | args))
        assert (session.beam, observation.int_time_ms) == (5, 64)


def test_a_burst_is_waited_for_until_it_has_swept_down(command: Make) -> None:
    # 4148.808 × 1000 ÷ 50² = 1659.5232 s, and 10 s more.
    _, observation = made(command("powerbeam", CRAB | {"dm": 1000}))
    assert observation.duration_ms == 1_669_523


def test_a_start_that_passed_keeps_the_end(command: Make) -> None:
    began = (NOW - timedelta(seconds=40)).isoformat()
    entry = command("powerbeam", CRAB | {"start": began, "duration": 60})
    assert asked(entry).submission == "asap"
    _, observation = made(entry)
    assert (observation.start, observation.duration_ms) == (NOW, 20_000)


def test_a_start_that_had_passed_when_it_was_asked_for_is_refused(command: Make) -> None:
    # Asked at 12:00:00 by its own time, and a minute's grace: 11:59:00 is right, and 11:58:59 is not.
    entry = command("powerbeam", CRAB | {"start": "2026-01-01T11:58:59Z", "duration": 3600})
    entry = entry.model_copy(update={"command_mjd": 61041.5})
    assert refusal(entry) == "args.start: 2026-01-01T11:58:59Z had passed when it was asked for"
    later = {**entry.args, "start": "2026-01-01T11:59:00Z"}
    assert asked(entry.model_copy(update={"args": later})).end == NOW + timedelta(minutes=59)
    asked_later = entry.model_copy(update={"command_mjd": 1e300})
    assert "had passed" in refusal(asked_later)


def test_nothing_left_is_too_late(command: Make) -> None:
    began = (NOW - timedelta(seconds=60)).isoformat()
    reason = refusal(command("powerbeam", CRAB | {"start": began, "duration": 60}))
    assert reason == "too late: args.start and args.duration end at 2026-01-01T12:00:00Z"


@pytest.mark.parametrize(
    ("ahead", "submission", "calibrate", "start", "duration_ms"),
    [
        (540, "buffer", True, 540, 60_000),  # 55 s of lead, 480 to calibrate and 5 of notice
        (539, "buffer", False, 539, 60_000),
        (60, "buffer", False, 60, 60_000),
        (59, "asap", False, 0, 119_000),  # too near for the scheduler: at once, and until its end
    ],
)
def test_a_start_to_come(
    command: Make, ahead: int, submission: str, calibrate: bool, start: int, duration_ms: int
) -> None:
    args = CRAB | {"start": (NOW + timedelta(seconds=ahead)).isoformat(), "duration": 60}
    entry = command("powerbeam", args)
    _, observation = made(entry)
    its = asked(entry)
    assert (its.submission, its.calibratable) == (submission, calibrate)
    assert (observation.start, observation.duration_ms) == (NOW + timedelta(seconds=start), duration_ms)


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        ({}, r"args\.ra: Field required; args\.dec: Field required"),
        ({"ra": 360, "dec": 0, "duration": 1}, r"args\.ra: .*less than 360"),
        ({"ra": -1, "dec": 0, "duration": 1}, r"args\.ra: "),
        ({"ra": 0, "dec": 91, "duration": 1}, r"args\.dec: "),
        ({"ra": "nan", "dec": 0, "duration": 1}, r"args\.ra: "),
        ({"ra": [1], "dec": 0, "duration": 1}, r"args\.ra: "),
        ({"position": "1,100", "duration": 1}, r"args\.dec: "),
        ({"position": "here", "duration": 1}, r"args\.ra: "),
        (CRAB, r"args\.duration: missing, and so is args\.dm"),
        (CRAB | {"duration": 0}, r"args\.duration: "),
        (CRAB | {"duration": "inf"}, r"args\.duration: "),
        (CRAB | {"duration": 86401}, r"args\.duration: 86401 s; no session is longer than 86400 s"),
        (CRAB | {"dm": 1e6}, r"args\.duration: "),
        (CRAB | {"dm": -5}, r"args\.dm: "),
        (CRAB | {"duration": 1, "beamnum": 17}, r"args\.beamnum: "),
        (CRAB | {"duration": 1, "beamnum": 0}, r"args\.beamnum: "),
        (CRAB | {"duration": 1, "int_time_ms": 2048}, r"args\.inttime: "),
        (CRAB | {"duration": 1, "start": "soon"}, r"args\.start: .*neither ISO 8601 nor an MJD"),
        (CRAB | {"duration": 1, "start": 1e12}, r"args\.start: .*not an MJD"),
        (CRAB | {"duration": 1, "start": "nan"}, r"args\.start: .*not an MJD"),
        (CRAB | {"duration": 1, "start": True}, r"args\.start: "),
        (CRAB | {"duration": 86400, "start": "9999-12-31T23:00:00Z"}, r"args\.start: .*end of time"),
        (CRAB | {"duration": 1, "RA": 5}, r"args: ra is given twice"),
    ],
)
def test_a_beam_that_cannot_be_names_the_field(command: Make, args: dict[str, Any], reason: str) -> None:
    assert re.match(reason, refusal(command("powerbeam", args)))


@pytest.mark.parametrize(
    ("other", "meant"),
    [
        ("start_mjd", "start"),
        ("begin", "start"),
        ("Begin Time", "start"),
        ("startUTC", "start"),
        ("tstart", "start"),
        ("OBS_START", "start"),
        ("OBS_START_MJD", "start"),
        ("observation_start", "start"),
        ("dur", "duration"),
        ("duration_s", "duration"),
        ("OBS_DUR", "duration"),
        ("beam_number", "beamnum"),
        ("beams", "beamnum"),
        ("SESSION_DRX_BEAM", "beamnum"),
        ("integration_time", "inttime"),
        ("int_time_s", "inttime"),
        ("OBS_INT_TIME", "inttime"),
        ("tint", "inttime"),
        ("integ_time", "inttime"),
    ],
)
def test_a_name_that_can_only_mean_an_argument_is_not_left_out_of_account(
    command: Make, other: str, meant: str
) -> None:
    args = CRAB | {"dm": 100, other: 17}
    assert f"did you mean {meant}?" in refusal(command("powerbeam", args))
    both = args | {meant: {"start": "now"}.get(meant, 5)}
    assert asked(command("powerbeam", both)) == asked(
        command("powerbeam", {name: both[name] for name in both if name != other})
    )


def test_what_senders_of_today_and_rules_say_more_is_for_people(command: Make) -> None:
    """The names of every slot of today, of the policies that are shipped, and of DSA-110's own triggers."""
    root = Path(__file__).parents[2]
    policies = [root / "src/ovro_alert/policy/policy.toml", root / "docs/examples/policy.toml"]
    rules = [name for path in policies for name in re.findall(r"^args\.(\w+) =", path.read_text(), re.M)]
    today = (
        "role event_no dm toa position known id instrument mission trigname FAR BNS HasNS Terrestrial GraceID"
    )
    today += " AlertType nsamp read_mjd mjds snr ibox ibeam cntb cntc specnum raerr decerr radecerr dmerr"
    today += " probability injected importance rate_duration event_duration interference intensity"
    names = {*rules, *today.split()} - {"duration", "start", "int_time_ms", "ra", "dec", "dm", "name"}
    plain = CRAB | {"dm": 100}
    for name in names - {"position"}:
        assert asked(command("powerbeam", plain | {name: "1"})) == asked(command("powerbeam", plain)), name


@pytest.mark.parametrize("name", ["ra", "dec", "start", "duration", "dm", "beam", "int_time_ms"])
@pytest.mark.parametrize("value", [True, False])
def test_a_truth_is_no_number(command: Make, name: str, value: bool) -> None:
    args = {key: each for key, each in (CRAB | {"duration": 60}).items() if key != name}
    assert "must not be true or false" in refusal(command("powerbeam", args | {name: value}))


@pytest.mark.parametrize(
    ("position", "is_same"),
    [
        ("83.633083,22.0145", True),
        (" 83.633083 , 22.0145, 0.1", True),
        ("83.6331,22.015,0.1", True),  # as a person would round it
        ("83.633083,-22.0145", False),
        ("5.5755,22.0145", False),  # hours
        ("here,there", False),
    ],
)
def test_a_position_is_where_ra_and_dec_are(command: Make, position: str, is_same: bool) -> None:
    plain = CRAB | {"duration": 60}
    if is_same:
        assert asked(command("powerbeam", plain | {"position": position})) == asked(
            command("powerbeam", plain)
        )
    else:
        assert "is given twice, and differently" in refusal(
            command("powerbeam", plain | {"position": position})
        )


@pytest.mark.parametrize(
    ("duration", "reason"),
    [
        (1e300, "args.duration: 1e+300 s; no session is longer than 86400 s"),
        (0.0004, "args.duration: 0.0004 s; no session is shorter than 1 ms"),
        (1e-300, "args.duration: 1e-300 s; no session is shorter than 1 ms"),
    ],
)
def test_a_duration_that_no_session_has_is_told_shortly(command: Make, duration: float, reason: str) -> None:
    assert refusal(command("powerbeam", CRAB | {"duration": duration})) == reason
    assert made(command("powerbeam", CRAB | {"duration": 0.001}))[1].duration_ms == 1


def test_a_start_far_ahead_is_no_start(command: Make) -> None:
    # The Julian date of 2026-01-01T12 is 2461042; `date -d "1858-11-17 +2461042 days"` is the MJD's.
    reason = refusal(command("powerbeam", CRAB | {"start": 2461042, "duration": 60}))
    assert reason == "args.start: 8596-12-24T00:00:00Z is more than 30 d ahead"
    start = (NOW + timedelta(days=30)).isoformat()
    entry = command("powerbeam", CRAB | {"start": start, "duration": 60})
    assert asked(entry).submission == "buffer"
    with pytest.raises(Unfit, match=r"args\.start: 2026-01-31T12:00:00Z is more than 29 d ahead"):
        asked(entry, ahead_s=29 * 86400)


@pytest.mark.parametrize("path", ["/beam{n:02d}", "/beam{}", "/beam{beam:s}", "/beam{beam", "/{beam.no}"])
@pytest.mark.parametrize("setting", ["power_path", "voltage_path"])
def test_a_path_that_names_no_beam_is_refused_before_anything_is_recorded(setting: str, path: str) -> None:
    with pytest.raises(ValueError, match=f"(?s){setting}.*beam's number"):
        LwaSettings(**{setting: path})
    assert LwaSettings(**{setting: "/data/{beam}"})


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("ivo://ca.chimenet.frb/FRB-DETECTION-#2026-01-01-00:00:00.5UTC+0000_ab", None),
        ("Barnard's star\nSESSION_ID 9", "Barnard_s_star_SESSION_ID_9"),
        ("Sun", "Sun_field"),  # the reader would follow the Sun itself
        ("★", "unnamed"),
        ("", "event"),
        (12345, "12345"),
    ],
)
def test_a_target_is_one_word(command: Make, name: object, target: str | None) -> None:
    its, _ = made(command("powerbeam", CRAB | {"duration": 1, "name": name}))
    [read] = sdf.parse(sdf.write(its)).observations
    assert read.target is not None
    assert len(read.target) <= 64
    if target is not None:
        assert read.target == target


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
names = st.sampled_from(
    ["ra", "dec", "start", "duration", "dm", "beamnum", "name", "int_time_ms", "position"]
)


@hypothesis(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    word=st.sampled_from(["powerbeam", "voltagebeam"]),
    args=st.dictionaries(names | st.text(max_size=10), anything, max_size=6),
    mjd=st.floats(allow_nan=False, allow_infinity=False),
)
def test_any_arguments_make_a_session_or_a_reason(
    command: Make, word: str, args: dict[str, Any], mjd: float
) -> None:
    entry = command(word, args).model_copy(update={"command_mjd": mjd})
    with suppress(Unfit):
        its, _ = made(entry)
        assert sdf.write(sdf.parse(sdf.write(its))) == sdf.write(its)
