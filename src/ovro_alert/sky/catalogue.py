"""Known sources of bursts, and which of them a burst may come from."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ovro_alert.sky.visibility import unit

Floats = NDArray[np.float64]


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
        repeaters = [one for one in self.sources if one.repeats]
        # Those of them that are known to repeat.
        self.repeaters = self if len(repeaters) == len(self.sources) else Catalogue(repeaters)

    def nearest(
        self, ra: float, dec: float, radius_deg: float, dm: float | None, dm_range: float
    ) -> Match | None:
        """The source that is nearest in both, of those within a radius (deg) and a range of DM (pc cm⁻³).

        Each distance is taken in units of its limit. A source without a DM, or any source where `dm` is None,
        goes by its position alone.
        """
        there = unit(ra, dec)
        near = np.flatnonzero(self._at @ there >= math.cos(math.radians(min(radius_deg, 180))))
        difference = (math.nan if dm is None else dm) - self._dm[near]
        fits = ~(np.abs(difference) > dm_range)
        near, difference = near[fits], difference[fits]
        if not len(near):
            return None
        apart = np.linalg.norm(self._at[near] - there, axis=1)  # chords, right for the smallest angles, too
        apart = np.degrees(2 * np.arcsin(np.minimum(apart / 2, 1)))
        far = np.hypot(_share(apart, radius_deg), _share(np.nan_to_num(difference), dm_range))
        best = int(np.argmin(far))
        apart_in_dm = float(difference[best])
        is_known = not math.isnan(apart_in_dm)
        return Match(self.sources[near[best]], float(apart[best]), apart_in_dm if is_known else None)


def _share(distance: Floats, limit: float) -> Floats:
    return distance / limit if limit else np.zeros_like(distance)
