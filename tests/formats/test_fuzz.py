"""Whatever comes in is an alert or refused with its reasons: no other error, and within bounds of memory.

OVRO_ALERT_FUZZ says how many examples of each format; `python -m torture fuzz` makes many more.
"""

import os
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ovro_alert.formats import FORMATS
from ovro_alert.sky.skymap import MAX_BYTES
from tests.formats import mutants

EXAMPLES = int(os.environ.get("OVRO_ALERT_FUZZ", "150"))
some = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


def test_every_format_has_messages_to_damage() -> None:
    assert set(mutants.SEEDS) == set(FORMATS)
    for name, seeds in mutants.SEEDS.items():
        assert all(mutants.alert_or_unreadable(seed, name) for seed in seeds)


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_messages(name: str) -> None:
    @some
    @given(mutants.damaged(name))
    def try_them(raw: bytes) -> None:
        mutants.alert_or_unreadable(raw)
        mutants.alert_or_unreadable(raw, name)

    try_them()


@some
@given(mutants.ANY)
def test_anything_under_any_name(message: tuple[bytes, str | None]) -> None:
    mutants.alert_or_unreadable(*message)


@some
@given(st.sampled_from(sorted(FORMATS)).flatmap(mutants.damaged), st.sampled_from(sorted(FORMATS)))
def test_damaged_messages_under_the_wrong_name(raw: bytes, name: str) -> None:
    mutants.alert_or_unreadable(raw, name)


@pytest.mark.parametrize("name", mutants.BOMBS)
def test_bombs_do_not_go_off(name: str) -> None:
    raw = mutants.BOMBS[name]()
    tracemalloc.start()
    try:
        mutants.alert_or_unreadable(raw)
        _, greatest = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert greatest < 2 * MAX_BYTES + 20 * len(raw), f"{greatest >> 20} MiB for {len(raw) >> 10} KiB"
