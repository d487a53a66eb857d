"""What the voltage buffer still holds, by hand: a file is 1,000,320 × 8192 ÷ 196e6 = 41.80929 s."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovro_alert.sky import ring

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def ago(seconds):
    return NOW - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("start", "end", "since", "files"),
    [
        # A ring of 158 s: its oldest sample is so old, and whatever comes before the end is written too.
        (100, 90, 100, 2),  # 68 s of 41.81 each
        (158, 117, 158, 1),  # 41 s
        (158, 116, 158, 2),  # 42 s
        (400, 150, 158, 1),  # of what has begun to leave the rest
        (10, 0, 10, 4),  # all of it
        (1, -200, 1, 9),  # 358 s: the most of it is still to come
        (-5, -6, -5, 4),
    ],
)
def test_what_is_held_of_a_window_and_the_dump_of_it(start, end, since, files):
    window = ring.held(ago(start), ago(end), NOW, 158)
    assert (window.start, window.end, window.files) == (ago(since), ago(end), files)
    assert window.seconds == pytest.approx(files * 41.809289796)
    assert window.bytes == files * 67_605_626_880 * 16


@pytest.mark.parametrize(("start", "end"), [(400, 158), (400, 300), (90, 100)])
def test_of_what_has_left_nothing_is_held(start, end):
    assert ring.held(ago(start), ago(end), NOW, 158) is None


@given(st.floats(1, 4000), st.floats(-1000, 4000), st.floats(0, 3000))
def test_it_is_held_until_it_leaves_and_the_files_reach_its_end(length, age, lasts):
    start, end = ago(age), ago(age) + timedelta(seconds=lasts)
    window = ring.held(start, end, NOW, length)
    until_it_leaves = (ring.leaves(start, length) - NOW).total_seconds()
    if abs(until_it_leaves) > 1e-3 and lasts > 0:
        assert (window is not None and window.start == start) == (until_it_leaves > 0)
    if window is not None:
        reached = ago(length) + timedelta(seconds=window.seconds)
        assert reached >= end - timedelta(microseconds=2)
        assert window.files == 1 or reached - end < timedelta(seconds=41.82)


def test_a_file_holds_whole_blocks():
    assert ring.FILE_SAMPLES % ring.BLOCK_SAMPLES == 0


@pytest.mark.parametrize(
    ("samples", "files", "of_each"),
    [
        (0, 1, 960),
        (961, 1, 1920),
        (1_000_320, 1, 1_000_320),
        (1_000_321, 2, 501_120),  # 521 blocks and a sample, halved: 522
        (3_349_610, 4, 838_080),
    ],
)
def test_files_hold_less_than_a_block_each_too_many(samples, files, of_each):
    assert ring.split(samples) == (files, of_each)


@given(st.integers(1, 10**10), st.integers(1, 1042))
def test_samples_are_split_into_as_few_files_as_hold_them(samples, blocks):
    files, of_each = ring.split(samples, blocks * 960)
    assert of_each % 960 == 0
    assert of_each <= blocks * 960
    assert 0 <= files * of_each - samples < files * 960
    assert (files - 1) * blocks * 960 < samples
