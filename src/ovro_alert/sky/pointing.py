"""What of a sky map an instrument sees, and where to point it: on the map's own pixels, never rasterised.

What is seen is where spherical caps overlap: a beam is one, the sky above an altitude is one, and what passes
a transit instrument within a time is where four do. Angles are ICRS degrees.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ovro_alert.sky.skymap import MAX_ORDER, STERADIANS, MultiOrderMap, centres, dot
from ovro_alert.sky.visibility import OVRO_LWA, Site, Vector, separation, to_earth, unit, zenith

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
ROOT_SIDE = math.sqrt(4 * math.pi / 12)  # rad: the side of a square as large as a pixel of order 0
CORNER = 1.05  # no corner of a pixel is farther from its centre than so many such sides
FINENESS = 8  # how many pixels, at least, an edge is drawn with across what it bounds
PLACES, TRIED = 1024, 128  # the densest that are looked at, and those of them that are tried as centres


class Cap(NamedTuple):
    """All directions within a radius (deg) of an axis (unit vector, ICRS)."""

    axis: Vector
    radius: float


@dataclass(frozen=True, eq=False)
class Pixels:
    """Some pixels of a map, or parts of them."""

    level: Whole
    index: Whole
    density: Floats  # sr⁻¹

    def those(self, which: NDArray[np.bool_] | NDArray[np.signedinteger[Any]]) -> "Pixels":
        return Pixels(self.level[which], self.index[which], self.density[which])

    def split(self) -> "Pixels":
        """Each in four."""
        index = (4 * self.index[:, None] + np.arange(4)).ravel()
        return Pixels(np.repeat(self.level + 1, 4), index, np.repeat(self.density, 4))

    @property
    def sides(self) -> Floats:
        """Of squares as large (rad)."""
        return ROOT_SIDE * 0.5 ** self.level.astype(np.float64)


def beam(ra: float, dec: float, radius: float) -> Cap:
    """A round beam. ValueError where the radius (deg) is none."""
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
    the height is not above 0, or the width not above 0 and at most 180.
    """
    if not (0 < height <= 180 and 0 < width <= 180):
        raise ValueError(f"{height} by {width} is not a strip in degrees")
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

    Pixels that an edge crosses are split until they are small beside what it bounds, and of the last as much
    is taken as a straight edge would leave.
    """
    caps = [cap for cap in caps if cap.radius < 180]
    fine = math.radians(_thickness(caps)) / FINENESS
    if fine <= 0:
        return 0.0
    pixels, at, held = Pixels(sky.level, sky.index, sky.density), sky.at, 0.0
    while len(pixels.level):
        deep, sides = _depth(caps, at), pixels.sides
        crossed = (np.abs(deep) < CORNER * sides) & (sides > fine) & (pixels.level < MAX_ORDER)
        share = np.where(crossed, 0.0, np.clip(0.5 + deep / sides, 0, 1))
        held += dot(pixels.density * sides * sides, share)
        pixels = pixels.those(crossed).split()
        at = centres(pixels.level, pixels.index)
    return held / float(sky.ranked[2][-1] * STERADIANS)


def _thickness(caps: Sequence[Cap]) -> float:
    """How thick (deg) what caps have in common is at most, or what they leave out; 0 or less of nothing."""
    thick = min((min(cap.radius, 180 - cap.radius) for cap in caps), default=math.inf)
    for one, other in combinations(caps, 2):
        thick = min(thick, one.radius + other.radius - separation(one.axis, other.axis))
    return thick


def _depth(caps: Sequence[Cap], at: Floats) -> Floats:
    """How deep (rad) directions are inside the nearest edge of what caps have in common; negative outside."""
    deep = np.full(at.shape[1], math.inf)
    for axis, radius in caps:
        cosine = np.einsum("i,in->n", axis, at)
        np.minimum(deep, math.radians(radius) - np.arccos(np.clip(cosine, -1, 1)), out=deep)
    return deep


def best_pointing(sky: MultiOrderMap, radius: float, allowed: Cap) -> tuple[float, float]:
    """Where (ra and dec, deg) a round beam holds the most of a map's probability, its centre being in a cap.

    Looked for among the densest places of the map, then closely around the best of them, which finds 99 % of
    what could be held. ValueError where the radius (deg) is not above 0 and at most 90, or there is nothing
    within reach.
    """
    if not 0 < radius <= 90:
        raise ValueError(f"{radius} is not a radius of a beam in degrees")
    wide = math.radians(radius)
    # Of pixels with half the radius as their side.
    order = min(MAX_ORDER - 1, max(0, math.ceil(math.log2(2 * ROOT_SIDE / wide))))
    pixels = Pixels(sky.level, sky.index, sky.density)
    within_reach = _depth([allowed], sky.at) > -wide - CORNER * pixels.sides
    if not within_reach.any():
        raise ValueError("the sky map has nothing within reach")
    places = _merged(pixels.those(within_reach), order)
    places = places.those(np.argsort(-places.density)[:PLACES])
    at = centres(places.level, places.index)
    tried = at[:, _depth([allowed], at) >= 0][:, :TRIED]
    tried = np.column_stack((tried, allowed.axis))  # where the places are larger than the cap
    first = tried[:, np.argmax(_held(places, at, tried, wide))]
    places = _merged(_around(sky, Cap(first, 2 * radius), order + 1), order + 1)
    at = centres(places.level, places.index)
    tried = at[:, _depth([allowed, Cap(first, radius / 2)], at) >= 0]
    tried = np.column_stack((tried, first))
    x, y, z = tried[:, np.argmax(_held(places, at, tried, wide))]
    return math.degrees(math.atan2(y, x)) % 360, math.degrees(math.asin(max(-1.0, min(1.0, z))))


def _merged(pixels: Pixels, order: int) -> Pixels:
    """The same with those that are finer than an order put together."""
    finer = pixels.level > order
    fine, rest = pixels.those(finer), pixels.those(~finer)
    index, which = np.unique(fine.index >> 2 * (fine.level - order), return_inverse=True)
    # Of the larger pixel each has so large a part.
    density = np.zeros(len(index))
    np.add.at(density, which, fine.density * 0.25 ** (fine.level - order))
    return _joined((rest, Pixels(np.full(len(index), order), index, density)))


def _around(sky: MultiOrderMap, cap: Cap, order: int) -> Pixels:
    """What there is in and about a cap, with those that are coarser than an order split."""
    pixels, at, done = Pixels(sky.level, sky.index, sky.density), sky.at, []
    while len(pixels.level):
        near = _depth([cap], at) > -CORNER * pixels.sides
        coarse = pixels.level < order
        done.append(pixels.those(near & ~coarse))
        pixels = pixels.those(near & coarse).split()
        at = centres(pixels.level, pixels.index)
    return _joined(done)


def _joined(parts: Sequence[Pixels]) -> Pixels:
    return Pixels(
        np.concatenate([each.level for each in parts]),
        np.concatenate([each.index for each in parts]),
        np.concatenate([each.density for each in parts]),
    )


def _held(pixels: Pixels, at: Floats, centre: Floats, wide: float) -> Floats:
    """About what round beams of a radius (rad) hold, at some centres (3 × centre)."""
    # As a straight edge of the larger would cut the smaller, be it the beam or the pixel.
    half = pixels.sides / 2
    apart = np.sqrt(np.maximum(2 - 2 * np.einsum("im,in->mn", centre, at), 0))
    share = np.clip(0.5 + (np.maximum(wide, half) - apart) / (2 * np.minimum(wide, half)), 0, 1)
    held: Floats = np.einsum("mn,n->m", share, pixels.density * np.minimum(math.pi * wide**2, 4 * half**2))
    return held
