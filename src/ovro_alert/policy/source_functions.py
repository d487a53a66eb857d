"""The functions of the rules' language that ask for known sources, in the catalogues that were imported."""

from collections.abc import Callable
from decimal import Decimal

from rule_engine import DataType

from ovro_alert.policy.functions import Functions, Missing, Scope
from ovro_alert.sky.catalogue import Catalogue, Match


def _known(scope: Scope) -> Callable[[Decimal, Decimal], str]:
    """known(radius, dm_range): the name of the known source that is nearest in place and DM; "" of none.

    Within a radius (deg), or the position's own error where that is larger, and a range of DM (pc cm⁻³); of
    what has no DM by its place alone.
    """

    def known(radius: Decimal, dm_range: Decimal) -> str:
        match = _nearest(scope, scope.world.catalogue, radius, dm_range)
        return match.source.name if match else ""

    return known


def _repeats(scope: Scope) -> Callable[[Decimal, Decimal], bool]:
    """repeats(radius, dm_range): whether a repeater is known there, as `known` looks for any source."""
    return lambda radius, dm_range: (
        _nearest(scope, scope.world.catalogue.repeaters, radius, dm_range) is not None
    )


def _nearest(scope: Scope, catalogue: Catalogue, radius: Decimal, dm_range: Decimal) -> Match | None:
    place, frb = scope.alert.localization, scope.alert.frb
    if place is None:
        raise Missing("localization")
    within = max(float(radius), place.error_deg or 0.0)
    dm = frb.dm if frb else None
    return catalogue.nearest(place.ra, place.dec, within, dm, float(dm_range))


_LIMITS = (DataType.FLOAT, DataType.FLOAT)

FUNCTIONS: Functions = {
    "known": (_known, DataType.STRING, _LIMITS),
    "repeats": (_repeats, DataType.BOOLEAN, _LIMITS),
}
