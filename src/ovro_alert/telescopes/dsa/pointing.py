"""Where a transit array points: elevations, declinations, and what passes its meridian.

Elevations (deg) go from the south over the zenith, 90, to the north. Declinations are of the moment: what
stands in catalogues (J2000) differs by 0.15° at most, a twentieth of the beam.
"""

import math
from datetime import datetime

from ovro_alert.sky.visibility import to_earth, unit


def to_elevation(dec: float, latitude: float) -> float:
    """The elevation at which a declination passes the meridian of a latitude."""
    return 90 - (latitude - dec)


def to_declination(elevation: float, latitude: float) -> float:
    """The declination that passes a meridian at an elevation."""
    return elevation - 90 + latitude


def on_meridian(dec: float, moment: datetime, longitude: float) -> tuple[float, float]:
    """Right ascension and declination (ICRS) of what is on a meridian at an aware moment."""
    x, y, z = to_earth(moment).T @ unit(longitude, dec)
    return math.degrees(math.atan2(y, x)) % 360, math.degrees(math.asin(max(-1.0, min(1.0, z))))
