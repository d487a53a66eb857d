"""Trying again: how long between, for what, and until when."""

import logging
import threading
from itertools import islice, repeat
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovro_alert.link.relay import Away, Refused
from ovro_alert.link.retry import Stopped, backoff, persist


@given(st.randoms(use_true_random=False))
def test_delays_stay_under_a_ceiling_that_doubles_up_to_the_cap(random):
    ceilings = [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]
    for delay, ceiling in zip(backoff(random, first=0.2, cap=5.0), ceilings, strict=False):
        assert 0 <= delay <= ceiling


def test_delays_are_spread_and_follow_from_their_source_of_randomness():
    assert list(islice(backoff(Random(1)), 20)) == list(islice(backoff(Random(1)), 20))
    assert len(set(islice(backoff(Random(1)), 20))) == 20


def fails_with(*errors):
    left = list(errors)

    def attempt():
        if left:
            raise left.pop(0)
        return "answer"

    return attempt


def test_it_goes_on_while_the_relay_is_away_or_the_key_is_wrong_and_says_each_once(caplog):
    caplog.set_level(logging.INFO)
    away, key = Away("down"), Refused(401, "wrong key", {})
    attempt = fails_with(away, away, away, key, key, away)
    assert persist(attempt, threading.Event(), repeat(0.0)) == "answer"
    levels = [(each.levelname, "key" in each.getMessage()) for each in caplog.records]
    assert levels == [("WARNING", False), ("ERROR", True), ("WARNING", False), ("INFO", False)]


def test_any_other_no_is_the_callers():
    with pytest.raises(Refused, match="409"):
        persist(fails_with(Refused(409, "claimed", {})), threading.Event(), repeat(0.0))


def test_it_stops_when_told_even_between_two_tries():
    stop = threading.Event()
    tries = []

    def attempt():
        tries.append(1)
        threading.Timer(0.01, stop.set).start()
        raise Away("down")

    with pytest.raises(Stopped):
        persist(attempt, stop, repeat(3600.0))
    assert len(tries) == 1
    with pytest.raises(Stopped):
        persist(attempt, stop)
    assert len(tries) == 1
