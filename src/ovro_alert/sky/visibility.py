"""Where the sky stands over a site: altitudes, rising and setting, the Sun and the Moon.

Everything goes by the direction of the site's zenith among the stars, from the IAU's models in ERFA: one
matrix, and then a product for each direction, however many they are. Left out: refraction (0.5° at the
horizon, 0.1° at 5°; less at low frequencies), aberration (20″), and UT1 − UTC, which is kept below 0.9 s
(14″): altitudes are right to 0.02°.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime

import erfa
import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
SIDEREAL_DAY_S = 86164.0905
WGS84 = 1  # ERFA's number of the ellipsoid
AU_M = 149597870700.0
DAY_S = 86400.0


@dataclass(frozen=True)
class Site:
    """A place on the Earth: geocentric ITRF coordinates (m)."""

    x: float
    y: float
    z: float

    @property
    def up(self) -> Vector:
        """The normal of the ellipsoid there, terrestrial."""
        longitude, latitude, _ = erfa.gc2gd(WGS84, [self.x, self.y, self.z])
        return _unit(math.degrees(longitude), math.degrees(latitude))


# The site that the observatory's clients of today ask of whether something is up.
OVRO_LWA = Site(-2409261.734, -4477916.568, 3839351.139)


def altitude(ra: float, dec: float, moment: datetime, site: Site = OVRO_LWA) -> float:
    """The altitude (deg) of an ICRS direction (deg) at an aware moment."""
    return math.degrees(math.asin(_dot(unit(ra, dec), zenith(moment, site))))


def seconds_up(ra: float, dec: float, moment: datetime, lowest: float = 0.0, site: Site = OVRO_LWA) -> float:
    """How long (s) a direction (ICRS, deg) stays above an altitude (deg) from an aware moment on.

    0 where it is below, infinity where it never sets.
    """
    star, up = to_earth(moment) @ unit(ra, dec), site.up
    if _dot(star, up) <= math.sin(math.radians(lowest)):
        return 0.0
    # sin(altitude) = sin δ sin φ + cos δ cos φ cos H, of the equator of the moment.
    level, swing = star[2] * up[2], math.hypot(star[0], star[1]) * math.hypot(up[0], up[1])
    cosine = (math.sin(math.radians(lowest)) - level) / swing if swing else -math.inf
    if cosine <= -1:
        return math.inf
    turn = (math.acos(cosine) - _hour_angle(star, up)) % (2 * math.pi)
    return turn / (2 * math.pi) * SIDEREAL_DAY_S


def hour_angle(ra: float, dec: float, moment: datetime, site: Site = OVRO_LWA) -> float:
    """How far (deg, -180 to 180) a direction (ICRS, deg) is past a site's meridian at an aware moment.

    Of the equator of the moment, whose right ascensions depend on `dec`, too: 0.3° after 26 years at 60°.
    """
    turn = _hour_angle(to_earth(moment) @ unit(ra, dec), site.up)
    return math.degrees(math.remainder(turn, 2 * math.pi))


def sun_distance(ra: float, dec: float, moment: datetime) -> float:
    """The angle (deg) between an ICRS direction (deg) and the Sun at an aware moment."""
    around_sun, _ = erfa.epv00(*_julian(moment))
    return separation(unit(ra, dec), -np.asarray(around_sun["p"]))


def moon_distance(ra: float, dec: float, moment: datetime, site: Site = OVRO_LWA) -> float:
    """The angle (deg) between an ICRS direction (deg) and the Moon as seen from a site at an aware moment."""
    moon = np.asarray(erfa.moon98(*_julian(moment))["p"]) * AU_M
    here = to_earth(moment).T @ np.array([site.x, site.y, site.z])
    return separation(unit(ra, dec), moon - here)


def zenith(moment: datetime, site: Site = OVRO_LWA) -> Vector:
    """The ICRS direction (unit vector) of a site's zenith at an aware moment.

    An altitude's sine is its product with a direction, or with as many as a sky map has pixels.
    """
    found: Vector = to_earth(moment).T @ site.up
    return found


def to_earth(moment: datetime) -> Vector:
    """The matrix from ICRS to the turning Earth (IAU 2000B: 1 mas) at an aware moment."""
    matrix: Vector = erfa.c2t00b(*_julian(moment), *_utc(moment), 0.0, 0.0)
    return matrix


def unit(ra: float, dec: float) -> Vector:
    """The unit vector of a direction (deg)."""
    return _unit(ra, dec)


def separation(one: Vector, other: Vector) -> float:
    """The angle (deg) between two vectors of any length; right for the smallest, too."""
    # Of so few numbers Python makes less ado than numpy: a tenth of the time.
    (a, b, c), (x, y, z) = one.tolist(), other.tolist()
    across = math.hypot(b * z - c * y, c * x - a * z, a * y - b * x)
    return math.degrees(math.atan2(across, a * x + b * y + c * z))


def _unit(longitude: float, latitude: float) -> Vector:
    high = math.radians(latitude)
    round_ = math.radians(longitude)
    return np.array([math.cos(high) * math.cos(round_), math.cos(high) * math.sin(round_), math.sin(high)])


def _hour_angle(star: Vector, up: Vector) -> float:
    """The same (rad) of terrestrial vectors, of any turn."""
    return math.atan2(up[1], up[0]) - math.atan2(star[1], star[0])


def _dot(one: Vector, other: Vector) -> float:
    return max(-1.0, min(1.0, float(one @ other)))


def _utc(moment: datetime) -> tuple[float, float]:
    """The Julian date in two parts, UTC taken for UT1."""
    moment = moment.astimezone(UTC)
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return 1721424.5 + moment.toordinal(), (moment - midnight).total_seconds() / DAY_S


def _julian(moment: datetime) -> tuple[float, float]:
    """The same in terrestrial time, which TDB is to 2 ms."""
    day, fraction = _utc(moment)
    tai_day, tai = erfa.utctai(day, fraction)
    return erfa.taitt(tai_day, tai)  # type: ignore[no-any-return]
