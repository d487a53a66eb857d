"""The functions of the rules' language that ask an alert's sky map, `gw.skymap`.

Shares of probability are from 0 to 1, angles degrees, directions ICRS, altitudes those over the site of the
relay's settings. Of an alert without a map they have no value.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from rule_engine import DataType

from ovro_alert.policy.functions import Functions, Missing, Scope
from ovro_alert.sky import caps, pointing
from ovro_alert.sky.skymap import MultiOrderMap, credible_areas
from ovro_alert.sky.skymap_volume import credible_volume

OfShare = Callable[[Decimal], float]
OfBeam = Callable[[Decimal, datetime, Decimal], float]


def _asked(scope: Scope, function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function says of the alert's map; what several rules ask is worked out for the first of them."""
    sky = _map_of(scope)
    if sky is None:
        raise Missing("gw.skymap")
    known = f"{function.__name__} {arguments}"
    if known not in scope.known:
        numbers = (float(one) if isinstance(one, Decimal) else one for one in arguments)
        scope.known[known] = function(sky, *numbers)
    return scope.known[known]


def _map_of(scope: Scope) -> MultiOrderMap | None:
    """The alert's map: at hand as it comes, and looked for of one that is asked of again."""
    gw = scope.alert.gw
    if gw is None or gw.skymap is None:
        return None
    if gw.skymap.whole is None and (found := scope.world.map_of(scope.alert)):
        return found.sky
    whole: MultiOrderMap | None = gw.skymap.whole
    return whole


def _area(scope: Scope) -> OfShare:
    """area(share): the smallest area (deg²) that holds a share of the probability."""

    def area(sky: MultiOrderMap, share: float) -> float:
        return credible_areas(sky, [share])[0]

    return lambda share: _asked(scope, area, share)


def _volume(scope: Scope) -> OfShare:
    """volume(share): the smallest volume (Mpc³) that does, in a map with distances; of shares to 0.999."""
    return lambda share: _asked(scope, credible_volume, share)


def _probability_up(scope: Scope) -> Callable[[datetime, Decimal], float]:
    """probability_up(time, lowest): the share that is above an altitude then."""

    def up(sky: MultiOrderMap, time: datetime, lowest: float) -> float:
        return caps.probability_inside(sky, [caps.above(lowest, time, scope.world.site)])

    return lambda time, lowest: _asked(scope, up, time, lowest)


def _probability_within(scope: Scope) -> Callable[[Decimal, Decimal, Decimal], float]:
    """probability_within(ra, dec, radius): the share within a radius of a direction, as of a beam there."""

    def within(sky: MultiOrderMap, ra: float, dec: float, radius: float) -> float:
        return caps.probability_inside(sky, [caps.beam(ra, dec, radius)])

    return lambda ra, dec, radius: _asked(scope, within, ra, dec, radius)


def _probability_in_transit(scope: Scope) -> Callable[[Decimal, Decimal, Decimal, datetime], float]:
    """probability_in_transit(dec, height, width, time): the share that a transit instrument sees then.

    In a strip of declination `height` high about `dec`, within `width` / 2 of hour angle of the meridian.
    """

    def in_transit(sky: MultiOrderMap, dec: float, height: float, width: float, time: datetime) -> float:
        return caps.probability_inside(sky, caps.transit(dec, height, width, time, scope.world.site))

    return lambda dec, height, width, time: _asked(scope, in_transit, dec, height, width, time)


def _best(scope: Scope, radius: Decimal, time: datetime, lowest: Decimal) -> tuple[float, float]:
    """Where a beam of a radius holds the most of what is above an altitude then."""

    def best(sky: MultiOrderMap, radius: float, time: datetime, lowest: float) -> tuple[float, float]:
        return pointing.best_pointing(sky, radius, caps.above(lowest, time, scope.world.site))

    found: tuple[float, float] = _asked(scope, best, radius, time, lowest)
    return found


def _best_ra(scope: Scope) -> OfBeam:
    """best_ra(radius, time, lowest): of where, above an altitude then, a beam holds the most."""
    return lambda radius, time, lowest: _best(scope, radius, time, lowest)[0]


def _best_dec(scope: Scope) -> OfBeam:
    """best_dec(radius, time, lowest): of the same place."""
    return lambda radius, time, lowest: _best(scope, radius, time, lowest)[1]


_BEAM = (DataType.FLOAT, DataType.DATETIME, DataType.FLOAT)

FUNCTIONS: Functions = {
    "area": (_area, DataType.FLOAT, (DataType.FLOAT,)),
    "volume": (_volume, DataType.FLOAT, (DataType.FLOAT,)),
    "probability_up": (_probability_up, DataType.FLOAT, (DataType.DATETIME, DataType.FLOAT)),
    "probability_within": (_probability_within, DataType.FLOAT, (DataType.FLOAT,) * 3),
    "probability_in_transit": (
        _probability_in_transit,
        DataType.FLOAT,
        (DataType.FLOAT, DataType.FLOAT, DataType.FLOAT, DataType.DATETIME),
    ),
    "best_ra": (_best_ra, DataType.FLOAT, _BEAM),
    "best_dec": (_best_dec, DataType.FLOAT, _BEAM),
}
