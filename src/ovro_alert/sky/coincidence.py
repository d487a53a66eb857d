"""Whether two telescopes have seen one fast radio burst, and how often anything coincides by chance.

Bursts are compared by place, by dispersion measure, and by the time at which they would have come without
dispersion: each of the three is within what one burst would show with the probability CONTAINED.

Source of the dispersion: Lorimer & Kramer, Handbook of Pulsar Astronomy (2005), §4.1.
"""

import math
from dataclasses import dataclass
from datetime import datetime
from statistics import NormalDist

from ovro_alert.alert import Localization
from ovro_alert.sky.dispersion import dispersion_delay
from ovro_alert.sky.positions import CONTAINED, SKY_DEG2, radius, sigma
from ovro_alert.sky.visibility import separation, unit

# Pipelines differ in how they fit, and two sites on the Earth by up to 43 ms of light: no error is smaller.
LEAST_DM_ERROR = 1.0  # pc cm⁻³
LEAST_TIME_ERROR_S = 0.05
CONTAINED_SIGMAS = NormalDist().inv_cdf((1 + CONTAINED) / 2)  # on both sides of the mean
DAY_S = 86400.0


@dataclass(frozen=True)
class Rate:
    """How often a source speaks, of how much of the sky (deg²), of bursts over how wide a range of DM."""

    per_day: float
    sky_deg2: float = SKY_DEG2
    dm_spread: float | None = None  # pc cm⁻³, all alike likely; None: not reckoned with

    def expected(self, seconds: float, area_deg2: float, dm_range: float | None = None) -> float:
        """How many fall by chance into so many seconds, so large an area, and so wide a range of DM."""
        expected = self.per_day * seconds / DAY_S * min(1.0, area_deg2 / self.sky_deg2)
        if dm_range is None or self.dm_spread is None:
            return expected
        return expected * min(1.0, dm_range / self.dm_spread)


@dataclass(frozen=True)
class Burst:
    """A dispersed burst as one telescope tells of it: `time` holds at `reference_mhz` (None: at infinity)."""

    at: Localization
    time: datetime
    dm: float
    dm_error: float | None
    reference_mhz: float | None


@dataclass(frozen=True)
class Comparison:
    """How far apart two bursts are, and how far from itself one burst may seem to be."""

    apart_deg: float
    radius_deg: float
    dm_difference: float
    dm_range: float
    seconds_apart: float
    window_s: float

    @property
    def far(self) -> float:
        """The distance, in units of those limits: the less, the likelier they are one."""
        return math.hypot(
            self.apart_deg / self.radius_deg,
            self.dm_difference / self.dm_range,
            self.seconds_apart / self.window_s,
        )

    @property
    def is_one(self) -> bool:
        """Whether they may be one burst, each of the three at CONTAINED."""
        return (
            self.apart_deg <= self.radius_deg
            and abs(self.dm_difference) <= self.dm_range
            and abs(self.seconds_apart) <= self.window_s
        )

    def expected(self, rate: Rate) -> float:
        """How many bursts of a source of this rate would by chance be taken for the other."""
        return rate.expected(2 * self.window_s, math.pi * self.radius_deg**2, 2 * self.dm_range)


def compare(one: Burst, other: Burst) -> Comparison:
    """Two bursts; the differences are the other's less the one's.

    Each time is referred to infinite frequency from its own reference, both by the weighted mean of the DMs.
    An error of that mean moves the two times apart by as much as their references differ, and so widens the
    window.
    """
    dm_errors = [max(burst.dm_error or 0.0, LEAST_DM_ERROR) for burst in (one, other)]
    weights = [error**-2 for error in dm_errors]
    dm = (one.dm * weights[0] + other.dm * weights[1]) / sum(weights)
    later = _delay(1.0, other.reference_mhz) - _delay(1.0, one.reference_mhz)  # s at a DM of 1
    seconds_apart = (other.time - one.time).total_seconds() - dm * later
    time_error = math.hypot(later / math.sqrt(sum(weights)), LEAST_TIME_ERROR_S)
    return Comparison(
        apart_deg=separation(unit(one.at.ra, one.at.dec), unit(other.at.ra, other.at.dec)),
        radius_deg=radius(math.hypot(sigma(one.at), sigma(other.at))),
        dm_difference=other.dm - one.dm,
        dm_range=CONTAINED_SIGMAS * math.hypot(*dm_errors),
        seconds_apart=seconds_apart,
        window_s=CONTAINED_SIGMAS * time_error,
    )


def _delay(dm: float, reference_mhz: float | None) -> float:
    return 0.0 if reference_mhz is None else dispersion_delay(dm, reference_mhz)
