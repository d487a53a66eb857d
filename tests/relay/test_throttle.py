"""The throttle: a burst, then one in an interval; by address; in bounded memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovro_alert.relay.throttle import ALL_OTHERS, Throttle, group


def test_a_burst_is_told_and_then_one_in_an_interval():
    throttle = Throttle(burst=3, interval_s=2)
    assert [throttle.take("a", 100) for _ in range(5)] == [0, 0, 0, 2, 2]
    assert throttle.take("a", 101.5) == 0.5
    assert [throttle.take("a", 102) for _ in range(2)] == [0, 2]
    assert [throttle.take("a", 1000) for _ in range(4)] == [0, 0, 0, 2]


def test_another_address_has_a_bucket_of_its_own():
    throttle = Throttle(burst=1, interval_s=2)
    assert [throttle.take(who, 5) for who in "aabb"] == [0, 2, 0, 2]


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 3)), max_size=200),
    st.integers(1, 4),
    st.integers(1, 3),
)
def test_whatever_comes_none_is_told_more_than_its_share(tries, burst, addresses):
    """In any stretch of time, each bucket tells at most a burst and one for each interval of it."""
    throttle = Throttle(burst, 1.0, addresses)
    now, told = 0.0, []
    for address, gap in tries:
        now += gap
        wait = throttle.take(address, now)
        assert 0 <= wait <= 1.0 + 1e-9
        if wait == 0:
            told.append((address, now))
        assert len(throttle) <= addresses + 1
    for address in "abcdef":
        own = [moment for who, moment in told if who == address]
        for first in range(len(own)):
            for last in range(first, len(own)):
                # Where the table was full it has shared a bucket meanwhile, which tells a burst as well.
                assert last - first + 1 <= 2 * (burst + own[last] - own[first]) + 1e-6


def test_a_storm_from_everywhere_is_kept_in_bounded_memory_and_wipes_nobody_out():
    throttle = Throttle(burst=2, interval_s=1, addresses=100)
    told = [throttle.take("culprit", 0) for _ in range(3)]
    assert told == [0, 0, 1]
    answers = [throttle.take(f"2001:db8:{n // 65536:x}:{n % 65536:x}::1", 0.001) for n in range(100_000)]
    assert len(throttle) == 101
    assert answers.count(0) == 99 + 2  # each of those that had room, and the burst of all others together
    assert throttle.take("culprit", 0.002) > 0
    assert throttle.take("a newcomer", 1000) == 0
    assert len(throttle) == 1, "who has been quiet is forgotten"


@pytest.mark.parametrize(
    ("address", "who"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_addresses_are_grouped_as_they_are_given_out(address, who):
    assert group(address) == who != ALL_OTHERS
