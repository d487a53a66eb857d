"""When a source is deaf: by hand at the limits, and as what must hold of every history."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovro_alert.hearing import Expectation, Hearing, Source, judge

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HEARTBEAT = Expectation(cadence_s=60)
HOURLY = Expectation(cadence_s=7200)
NO_CADENCE = Expectation()


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def hearing(source: Source, expected: Expectation, now: float, started: float = 0) -> Hearing:
    return judge(source, expected, at(started), at(now))[0]


CONNECTED = Source("s", START, at(1000), "kafka", "host", True, at(5), "", at(1000))
SILENT = replace(CONNECTED, heard_at=at(700))
LOST = replace(CONNECTED, connected=False, since=at(990), trouble="no route to host")


@pytest.mark.parametrize(
    ("source", "expected", "now", "state"),
    [
        (CONNECTED, HEARTBEAT, 1003, "hearing"),
        (replace(CONNECTED, heard_at=at(940)), HEARTBEAT, 1003, "hearing"),
        (replace(CONNECTED, heard_at=at(939)), HEARTBEAT, 1003, "deaf"),
        (replace(CONNECTED, heard_at=at(939)), HOURLY, 1003, "hearing"),
        (replace(CONNECTED, heard_at=at(0)), NO_CADENCE, 1003, "hearing"),
        # Of a source that has messages at a cadence, only these count: a broker's iamalive is none of them.
        (replace(CONNECTED, expected_at=at(939)), HEARTBEAT, 1003, "deaf"),
        (replace(CONNECTED, expected_at=at(940)), HEARTBEAT, 1003, "hearing"),
        # Never a message: silent since it is watched.
        (replace(CONNECTED, heard_at=None), HEARTBEAT, 1003, "deaf"),
        (replace(CONNECTED, heard_at=None), HOURLY, 1003, "hearing"),
        # Its receiver says nothing any more: dead, hung or cut off.
        (CONNECTED, HEARTBEAT, 1060, "hearing"),
        (CONNECTED, HEARTBEAT, 1061, "deaf"),
        (CONNECTED, HOURLY, 1120, "hearing"),
        (CONNECTED, HOURLY, 1121, "deaf"),
        (CONNECTED, NO_CADENCE, 1121, "deaf"),
        # The connection is lost.
        (LOST, HEARTBEAT, 1003, "lost"),
        (LOST, HOURLY, 1050, "lost"),
        (replace(LOST, since=at(900)), HOURLY, 1020, "lost"),
        (replace(LOST, since=at(900)), HOURLY, 1021, "deaf"),
        (replace(LOST, since=at(900)), NO_CADENCE, 1021, "deaf"),
        (replace(LOST, since=at(900)), HEARTBEAT, 961, "deaf"),
        # It comes, but not through.
        (replace(CONNECTED, behind=1000, waiting=1000), HEARTBEAT, 1003, "hearing"),
        (replace(CONNECTED, behind=1001), HEARTBEAT, 1003, "behind"),
        (replace(CONNECTED, waiting=1001), HEARTBEAT, 1003, "behind"),
        (replace(CONNECTED, waiting=1), Expectation(most_behind=0), 1003, "behind"),
        # Named in the settings, and no receiver ever came.
        (Source("s", START), HOURLY, 120, "unknown"),
        (Source("s", START), HOURLY, 121, "deaf"),
        (Source("s", START), HEARTBEAT, 61, "deaf"),
    ],
)
def test_how_a_source_is_heard(source, expected, now, state):
    assert hearing(source, expected, now) == state
    unwatched = expected.model_copy(update={"watched": False})
    assert hearing(source, unwatched, now) == "unwatched"


def test_while_the_relay_was_away_nobody_could_report():
    assert hearing(CONNECTED, HOURLY, 9000, started=8900) == "unknown"
    assert hearing(CONNECTED, HOURLY, 9021, started=8900) == "deaf"
    assert hearing(Source("s", START), HOURLY, 9000, started=8900) == "unknown"
    # Nor does a report from before say anything of now: what is silent in it may have spoken since.
    assert hearing(replace(CONNECTED, heard_at=at(0)), HEARTBEAT, 1100, started=1090) == "unknown"


def test_what_was_deaf_is_so_until_it_hears():
    assert hearing(replace(LOST, deaf_at=at(900)), HEARTBEAT, 1003) == "deaf"
    assert hearing(replace(CONNECTED, deaf_at=at(900)), HOURLY, 9000, started=8999) == "deaf"
    assert hearing(replace(CONNECTED, deaf_at=at(900)), HEARTBEAT, 1003) == "hearing"
    assert hearing(replace(CONNECTED, deaf_at=at(900), behind=5000), HEARTBEAT, 1003) == "behind"


@pytest.mark.parametrize(
    ("source", "expected", "now", "why"),
    [
        (SILENT, HEARTBEAT, 1003, "no message for 5 min, where 60 s are the most"),
        (
            replace(CONNECTED, expected_at=at(700)),
            HEARTBEAT,
            1003,
            "no expected message for 5 min, where 60 s are the most",
        ),
        (CONNECTED, HEARTBEAT, 4600, "its receiver has reported nothing for 60 min"),
        (LOST, HEARTBEAT, 1003, "not connected for 13 s: no route to host"),
        (replace(CONNECTED, behind=1001), HEARTBEAT, 1003, "1001 messages behind the broker"),
        (Source("s", START), HEARTBEAT, 5, "no receiver has reported of it"),
        (CONNECTED, HEARTBEAT, 1003, ""),
    ],
)
def test_it_is_said_why(source, expected, now, why):
    assert judge(source, expected, START, at(now))[1] == why


moments = st.floats(0, 1e6).map(at)
some = st.none() | moments
counts = st.none() | st.integers(0, 5000)
expectations = st.builds(
    Expectation,
    cadence_s=st.none() | st.floats(1, 1e5),
    most_behind=st.integers(0, 5000),
    watched=st.booleans(),
)


@st.composite
def sources(draw):
    reported = draw(some)
    never = Source("s", draw(moments), deaf_at=draw(some))
    if reported is None:
        return never
    return replace(
        never,
        reported_at=reported,
        connected=draw(st.booleans()),
        since=draw(moments),
        heard_at=draw(some),
        expected_at=draw(some),
        behind=draw(counts),
        waiting=draw(counts),
    )


@given(sources(), expectations, moments, moments, st.floats(0, 1e6))
def test_time_alone_mends_nothing(source, expected, started, now, more):
    state, _ = judge(source, expected, started, now)
    later, _ = judge(source, expected, started, now + timedelta(seconds=more))
    if state is Hearing.DEAF:
        assert later is Hearing.DEAF
    if later is Hearing.HEARING:
        assert state is Hearing.HEARING


@given(sources(), expectations, moments, moments)
def test_none_is_silent_for_long_and_heard_all_the_same(source, expected, started, now):
    state, why = judge(source, expected, started, now)
    if state is Hearing.HEARING:
        assert source.connected
        assert source.reported_at is not None
        assert now - source.reported_at <= timedelta(minutes=2)
        if expected.cadence_s is not None:
            spoke = source.expected_at or source.heard_at or source.watched_at
            assert (source.reported_at - spoke).total_seconds() <= expected.cadence_s
    assert bool(why) == (state is not Hearing.HEARING) or state is Hearing.UNWATCHED


@given(sources(), expectations, moments, moments)
def test_what_is_not_watched_is_never_deaf_and_what_is_watched_is_never_unwatched(
    source, expected, started, now
):
    state, _ = judge(source, expected, started, now)
    assert (state is Hearing.UNWATCHED) == (not expected.watched)


@given(sources(), expectations, moments, moments, moments)
def test_a_start_of_the_relay_neither_mends_what_is_deaf_nor_deafens(source, expected, earlier, later, now):
    earlier, later = sorted((earlier, later))
    before, _ = judge(source, expected, earlier, now)
    after, _ = judge(source, expected, later, now)
    if source.deaf_at is not None:
        assert (before is Hearing.DEAF) == (after is Hearing.DEAF)
    if after is Hearing.DEAF:
        assert before is Hearing.DEAF
