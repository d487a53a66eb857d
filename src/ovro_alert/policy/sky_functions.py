"""The functions of the rules' language that ask what is up, over the site of the relay's settings.

Directions are ICRS degrees, as `localization.ra` and `localization.dec`; so are the angles that they give.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from rule_engine import DataType

from ovro_alert.policy.functions import Functions, Scope
from ovro_alert.sky import visibility

OfDirection = Callable[[Decimal, Decimal, datetime], float]


def _altitude(scope: Scope) -> OfDirection:
    """altitude(ra, dec, time): how high a direction stands."""
    return lambda ra, dec, time: visibility.altitude(float(ra), float(dec), time, scope.world.site)


def _hour_angle(scope: Scope) -> OfDirection:
    """hour_angle(ra, dec, time): how far a direction is past the meridian, -180 to 180."""
    return lambda ra, dec, time: visibility.hour_angle(float(ra), float(dec), time, scope.world.site)


def _seconds_up(scope: Scope) -> Callable[[Decimal, Decimal, datetime, Decimal], float]:
    """seconds_up(ra, dec, time, lowest): how long (s) from a moment on a direction is above an altitude."""
    return lambda ra, dec, time, lowest: visibility.seconds_up(
        float(ra), float(dec), time, float(lowest), scope.world.site
    )


def _sun_distance(_: Scope) -> OfDirection:
    """sun_distance(ra, dec, time): how far a direction is from the Sun."""
    return lambda ra, dec, time: visibility.sun_distance(float(ra), float(dec), time)


def _moon_distance(scope: Scope) -> OfDirection:
    """moon_distance(ra, dec, time): how far a direction is from the Moon."""
    return lambda ra, dec, time: visibility.moon_distance(float(ra), float(dec), time, scope.world.site)


_DIRECTION = (DataType.FLOAT, DataType.FLOAT, DataType.DATETIME)

FUNCTIONS: Functions = {
    "altitude": (_altitude, DataType.FLOAT, _DIRECTION),
    "hour_angle": (_hour_angle, DataType.FLOAT, _DIRECTION),
    "seconds_up": (_seconds_up, DataType.FLOAT, (*_DIRECTION, DataType.FLOAT)),
    "sun_distance": (_sun_distance, DataType.FLOAT, _DIRECTION),
    "moon_distance": (_moon_distance, DataType.FLOAT, _DIRECTION),
}
