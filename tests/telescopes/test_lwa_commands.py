"""What each command means at the telescope, and the reason where it means nothing."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ovro_alert.command import Entry
from ovro_alert.telescopes.lwa import sdf
from ovro_alert.telescopes.lwa.commands import Dump, Nothing, Observe, Refused, interpret
from ovro_alert.telescopes.lwa.session import SessionMode, Sessions
from ovro_alert.telescopes.lwa.settings import LwaSettings

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)  # MJD 61041.5
CRAB = {"ra": 83.633083, "dec": 22.0145}
Make = Callable[..., Entry]


def observe(entry: Entry, **changes: Any) -> Observe:
    action = interpret(entry, NOW, LwaSettings(**changes), {})
    assert isinstance(action, Observe), action
    return action


def refusal(entry: Entry) -> str:
    action = interpret(entry, NOW, LwaSettings(), {})
    assert isinstance(action, Refused), action
    return action.reason


def test_a_power_beam_at_once(command: Make) -> None:
    action = observe(
        command("powerbeam", CRAB | {"duration": 60, "name": "FRB 20260101A"}), beams=(4,), pi_id=3
    )
    session, [observation] = action.session, action.session.observations
    assert action.submission == "asap"
    assert (session.session_id, session.mode, session.beam, session.pi_id) == (777, SessionMode.POWER, 4, 3)
    assert (observation.ra, observation.dec, observation.int_time_ms) == (83.633083, 22.0145, 128)
    assert (observation.start, observation.duration_ms) == (NOW, 60_000)
    assert observation.target == "FRB_20260101A"
    assert not session.do_cal


def test_a_free_beam_is_taken_in_the_order_of_the_settings(command: Make) -> None:
    def occupied(beam: int, begin_s: float, end_s: float) -> Sessions:
        return {f"POWER{beam}": {f"{beam}_POWER{beam}": [61041.5 + t / 86400 for t in (begin_s, end_s)]}}

    def beam(sessions: Sessions, **args: Any) -> int | str | None:
        entry = command("powerbeam", CRAB | {"duration": 60} | args)
        action = interpret(entry, NOW, LwaSettings(beams=(3, 5)), sessions)
        return action.session.beam if isinstance(action, Observe) else getattr(action, "reason", None)

    assert beam({}) == 3
    assert beam(occupied(3, 30, 90)) == 5
    assert beam(occupied(3, -60, 0)) == 3
    assert beam(occupied(3, 64, 90)) == 5  # at once may be a few seconds later
    assert beam(occupied(3, 66, 90)) == 3
    both = occupied(3, 0, 60) | occupied(5, 0, 60)
    assert beam(both) == "no beam is free for it: 3_POWER3, 5_POWER5"
    assert beam(both, beamnum=7) == 7
    assert beam(both, beamnum=5) == "no beam is free for it: 5_POWER5"


def test_a_voltage_beam_is_beam_1_without_integration(command: Make) -> None:
    session = observe(command("voltagebeam", CRAB | {"duration": 60})).session
    assert (session.mode, session.beam, session.observations[0].int_time_ms) == (SessionMode.VOLT, 1, None)
    assert "beam 1 only" in refusal(command("voltagebeam", CRAB | {"duration": 60, "beamnum": 3}))


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
    assert observe(command("PowerBeam", args)) == observe(command("powerbeam", CRAB | {"duration": 60}))


def test_beam_and_integration_in_their_spellings(command: Make) -> None:
    for args in (
        {"beamnum": 5, "int_time_ms": 100},
        {"beam_num": "5", "int_time": "64"},
        {"Beam": 5, "INT_TIME": 64},
    ):
        session = observe(command("powerbeam", CRAB | {"duration": 60} | args)).session
        assert (session.beam, session.observations[0].int_time_ms) == (5, 64)


def test_a_burst_is_waited_for_until_it_has_swept_down(command: Make) -> None:
    # 4148.808 × 1000 ÷ 50² = 1659.5232 s, and 10 s more.
    [observation] = observe(command("powerbeam", CRAB | {"dm": 1000})).session.observations
    assert observation.duration_ms == 1_669_523


def test_a_start_that_passed_keeps_the_end(command: Make) -> None:
    began = (NOW - timedelta(seconds=40)).isoformat()
    action = observe(command("powerbeam", CRAB | {"start": began, "duration": 60}))
    assert action.submission == "asap"
    assert (action.session.observations[0].start, action.session.observations[0].duration_ms) == (NOW, 20_000)


def test_nothing_left_is_too_late(command: Make) -> None:
    began = (NOW - timedelta(seconds=60)).isoformat()
    reason = refusal(command("powerbeam", CRAB | {"start": began, "duration": 60}))
    assert reason == "too late: args.start and args.duration end at 2026-01-01T12:00:00Z"


@pytest.mark.parametrize(
    ("ahead", "submission", "calibrate", "start", "duration_ms"),
    [
        (535, "buffer", True, 535, 60_000),  # 55 s of lead and 480 to calibrate
        (534, "buffer", False, 534, 60_000),
        (55, "buffer", False, 55, 60_000),
        (54, "asap", False, 0, 114_000),  # too near for the scheduler: at once, and until its end
    ],
)
def test_a_start_to_come(
    command: Make, ahead: int, submission: str, calibrate: bool, start: int, duration_ms: int
) -> None:
    args = CRAB | {"start": (NOW + timedelta(seconds=ahead)).isoformat(), "duration": 60}
    action = observe(command("powerbeam", args))
    [observation] = action.session.observations
    assert (action.submission, action.session.do_cal) == (submission, calibrate)
    assert (observation.start, observation.duration_ms) == (NOW + timedelta(seconds=start), duration_ms)


def test_beams_are_not_calibrated_where_the_operator_says_so(command: Make) -> None:
    args = CRAB | {"start": (NOW + timedelta(hours=1)).isoformat(), "duration": 60}
    assert not observe(command("powerbeam", args), do_cal=False).session.do_cal


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


def test_a_trigger_dumps_the_whole_buffer_unless_it_says_how_much(command: Make) -> None:
    def files(args: dict[str, Any], **changes: Any) -> int:
        action = interpret(command("trigger", args), NOW, LwaSettings(**changes), {})
        assert isinstance(action, Dump), action
        assert action.plan.id == "777"
        assert action.metadata == {"event_id": "event", **args}
        return action.plan.nfile

    assert files({"event": "S260101a", "far": 1e-9}) == 4  # 158 ÷ 41.8 s
    assert files({}, buffer_s=1660) == 40
    assert files({"duration": 41}) == 1
    assert files({"nsamp": "1000320"}) == 1
    assert files({"nsamp": 1000321, "duration": 1}) == 2


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        ({"duration": 1801}, "args.duration: 1801 s; no dump is longer than 1800 s"),
        ({"nsamp": 10**9}, "args.nsamp: 41796 s; no dump is longer than 1800 s"),
        ({"nsamp": 0}, "args.nsamp: "),
        ({"nsamp": "many"}, "args.nsamp: "),
    ],
)
def test_a_trigger_that_cannot_be_names_the_field(command: Make, args: dict[str, Any], reason: str) -> None:
    assert refusal(command("trigger", args)).startswith(reason)


def test_a_test_moves_nothing(command: Make) -> None:
    assert isinstance(interpret(command("test", CRAB), NOW, LwaSettings(), {}), Nothing)


def test_an_unknown_command_is_told_the_known_ones(command: Make) -> None:
    reason = refusal(command("repoint"))
    assert reason == "command: 'repoint' is not known here; known are powerbeam, voltagebeam, trigger, test"


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
    action = observe(command("powerbeam", CRAB | {"duration": 1, "name": name}))
    [read] = sdf.parse(action.document()).observations
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
    ["ra", "dec", "start", "duration", "dm", "beamnum", "name", "int_time_ms", "position", "nsamp"]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    word=st.sampled_from(["powerbeam", "voltagebeam", "trigger", "test"]) | st.text(max_size=80),
    args=st.dictionaries(names | st.text(max_size=10), anything, max_size=6),
)
def test_any_command_is_an_action_or_a_reason(command: Make, word: str, args: dict[str, Any]) -> None:
    action = interpret(command(word, args), NOW, LwaSettings(), {})
    if isinstance(action, Observe):
        assert sdf.parse(action.document()).name == action.session.name
    elif isinstance(action, Refused):
        assert action.reason
