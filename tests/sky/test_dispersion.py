"""The dispersion delay against values worked by hand from the constant of Lorimer & Kramer (2005)."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovro_alert.sky.dispersion import dispersion_delay


@pytest.mark.parametrize(
    ("dm", "low", "high", "seconds"),
    [
        (1000, 50, None, 1659.5232),  # 4148.808 × 1000 ÷ 2500: what the LWA must wait for a distant burst
        (100, 400, 800, 1.944753750),  # 414880.8 × (1/160000 − 1/640000), across CHIME's band
        (500, 1280, 1530, 0.379959),  # 2074404 × (6.103516e-7 − 4.271861e-7), across DSA-110's
        (0, 50, None, 0),
        (500, 50, 50, 0),
    ],
)
def test_delay_worked_by_hand(dm: float, low: float, high: float | None, seconds: float) -> None:
    assert dispersion_delay(dm, low, high) == pytest.approx(seconds, rel=2e-5)


def test_the_constant_of_before_gives_the_same_within_a_tenth_of_a_second() -> None:
    assert dispersion_delay(1000, 50) == pytest.approx(4149 * 1000 / 50**2, abs=0.1)


@given(st.floats(0, 1e4), st.floats(10, 1000), st.floats(1, 10), st.floats(1, 10))
def test_delays_over_adjoining_bands_add_up(dm: float, low: float, step: float, other: float) -> None:
    middle, high = low * step, low * step * other
    whole = dispersion_delay(dm, low, high)
    parts = dispersion_delay(dm, low, middle) + dispersion_delay(dm, middle, high)
    assert whole == pytest.approx(parts, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("dm", "low", "high", "field"),
    [
        (-1, 50, None, "dm"),
        (math.nan, 50, None, "dm"),
        (math.inf, 50, None, "dm"),
        (1, 0, None, "low_mhz"),
        (1, math.nan, None, "low_mhz"),
        (1, 50, 40, "high_mhz"),
        (1, 50, math.nan, "high_mhz"),
    ],
)
def test_nonsense_is_refused_by_name(dm: float, low: float, high: float | None, field: str) -> None:
    with pytest.raises(ValueError, match=f"^{field}: "):
        dispersion_delay(dm, low, high)
