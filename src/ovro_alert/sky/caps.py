"""What of a sky map an instrument sees: on multi-order maps, never rasterised.

What is seen is where spherical caps overlap: a beam is one, the sky above an altitude is one, and what passes
a transit instrument within a time is where four do. Angles are ICRS degrees.
"""

import math
from collections.abc import Sequence
from datetime import datetime
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ovro_alert.sky.curve import MAX_ORDER
from ovro_alert.sky.skymap import MultiOrderMap, centres, dot
from ovro_alert.sky.visibility import OVRO_LWA, Site, Vector, separation, to_earth, unit, zenith

Floats = NDArray[np.float64]
Cells = NDArray[np.int64]  # of an order of HEALPix, nested
ROOT_SIDE = math.sqrt(4 * math.pi / 12)  # rad: the side of a square as large as a cell of order 0
CORNER = 1.05  # no corner of a cell is farther from its centre than so many such sides
COARSEST = 2  # the order of the cells that the sky is cut into at first
FINENESS = 16  # how many cells, at least, an edge is drawn with across what it bounds


class Cap(NamedTuple):
    """All directions within a radius (deg) of an axis (unit vector, ICRS)."""

    axis: Vector
    radius: float


def beam(ra: float, dec: float, radius: float) -> Cap:
    """A round beam. ValueError where the direction or the radius (deg) is none."""
    if not (math.isfinite(ra) and -90 <= dec <= 90):
        raise ValueError(f"{ra}, {dec} is not a direction in degrees")
    if not 0 <= radius <= 180:
        raise ValueError(f"{radius} is not a radius in degrees")
    return Cap(unit(ra, dec), radius)


def above(lowest: float, moment: datetime, site: Site = OVRO_LWA) -> Cap:
    """The sky above an altitude (deg) of a site at an aware moment. ValueError where it is none."""
    if not -90 <= lowest <= 90:
        raise ValueError(f"{lowest} is not an altitude in degrees")
    return Cap(zenith(moment, site), 90 - lowest)


def transit(
    dec: float, height: float, width: float, moment: datetime, site: Site = OVRO_LWA
) -> tuple[Cap, Cap, Cap, Cap]:
    """What a transit instrument sees: a strip of declination, and of it what is near the meridian.

    The strip is `height` (deg) high about `dec`; near is within `width` / 2 (deg) of hour angle of a site's
    meridian at an aware moment. Declinations are of the moment, as the instrument's own are. ValueError where
    the declination is none, or the height or the width not above 0 and at most 180.
    """
    if not (-90 <= dec <= 90 and 0 < height <= 180 and 0 < width <= 180):
        raise ValueError(f"{height} by {width} at {dec} is not a strip in degrees")
    to_sky = to_earth(moment).T
    meridian = math.degrees(math.atan2(site.up[1], site.up[0]))
    pole = to_sky @ unit(0, 90)
    return (
        Cap(pole, 90 - dec + height / 2),
        Cap(-pole, 90 + dec + height / 2),
        Cap(to_sky @ unit(meridian + width / 2 - 90, 0), 90),
        Cap(to_sky @ unit(meridian - width / 2 + 90, 0), 90),
    )


def probability_inside(sky: MultiOrderMap, caps: Sequence[Cap]) -> float:
    """The share (0 to 1) of a map's probability where all of some caps overlap.

    Only cells that an edge crosses are split, until each lies in one pixel of the map and is small beside
    what the edge bounds; of the last as much is taken as a straight edge would leave.
    """
    caps = [cap for cap in caps if cap.radius < 180]
    fine = math.radians(_thickness(caps)) / FINENESS
    if fine <= 0:
        return 0.0
    inside, order, cells = 0.0, COARSEST, np.arange(12 * 4**COARSEST)
    while len(cells):
        side = side_of(order)
        deep = depth(caps, centres(order, cells))
        reached = deep > -CORNER * side
        cells, deep = cells[reached], deep[reached]
        is_coarse = (order < MAX_ORDER) & ((side > fine) | ~sky.curve.is_even(order, cells))
        split = (deep < CORNER * side) & is_coarse
        inside += dot(sky.curve.inside(order, cells[~split]), np.clip(0.5 + deep[~split] / side, 0, 1))
        order, cells = order + 1, parts(cells[split], 1)
    return min(max(inside, 0.0), 1.0)


def _thickness(caps: Sequence[Cap]) -> float:
    """How thick (deg) what caps have in common is at most, or what they leave out; 0 or less of nothing."""
    thick = min((min(cap.radius, 180 - cap.radius) for cap in caps), default=math.inf)
    for one, other in combinations(caps, 2):
        thick = min(thick, one.radius + other.radius - separation(one.axis, other.axis))
    return thick


def depth(caps: Sequence[Cap], at: Floats) -> Floats:
    """How deep (rad) directions (3 × any) are inside the nearest edge of all caps; negative outside."""
    deep = np.full(at.shape[1:], math.inf)
    for axis, radius in caps:
        cosine = np.einsum("i,i...->...", axis, at)
        np.minimum(deep, math.radians(radius) - np.arccos(np.clip(cosine, -1, 1)), out=deep)
    return deep


def side_of(order: int) -> float:
    """The side (rad) of a square as large as a cell."""
    return ROOT_SIDE * 0.5**order


def parts(cells: Cells, orders: int) -> Cells:
    """The cells (any × cell) of so many orders finer: any × 4^orders cell."""
    finer: Cells = (cells[..., None] << 2 * orders) + np.arange(4**orders)
    return finer.reshape(*cells.shape[:-1], cells.shape[-1] * 4**orders)
