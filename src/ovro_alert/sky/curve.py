"""A sky map as one line: what a HEALPix pixel of any order holds is what the line gains along it.

HEALPix's nested numbering draws a curve over the sky, on which every pixel of every order is one stretch. A
multi-order map is a step function along it, and its probability so far a line of straight pieces.
Source: Górski et al. 2005, ApJ 622, 759.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
MAX_ORDER = 29  # UNIQ of 64 bits goes no finer
WHOLE_SKY = 12 * 4**MAX_ORDER  # pixels


@dataclass(frozen=True, eq=False)
class Curve:
    """A map's stretches, one after the other; places are indices of MAX_ORDER, 0 to WHOLE_SKY."""

    edges: Whole  # where each stretch begins, and the end of the last
    density: Floats  # sr⁻¹, of a whole of 1; 0 where the map has no pixel
    held: Floats  # the share (0 to 1) of the probability before each edge

    def row(self, place: Whole) -> NDArray[np.intp]:
        """Of the stretch that a place is in."""
        return np.searchsorted(self.edges[1:-1], place, side="right")

    def is_even(self, order: int, index: Whole) -> NDArray[np.bool_]:
        """Whether pixels of an order lie in a single one of the map."""
        span = 2 * (MAX_ORDER - order)
        even: NDArray[np.bool_] = self.row(index << span) == self.row(((index + 1) << span) - 1)
        return even

    def inside(self, order: int, index: Whole) -> Floats:
        """The share of the probability in pixels of an order, whatever the orders of the map's own."""
        span = 2 * (MAX_ORDER - order)
        return self._before((index + 1) << span) - self._before(index << span)

    def _before(self, place: Whole) -> Floats:
        row = self.row(place)
        begin, held = self.edges[row], self.held[row]
        part = (place - begin) / (self.edges[row + 1] - begin)
        before: Floats = held + part * (self.held[row + 1] - held)
        return before


def along(level: Whole, index: Whole, density: Floats) -> Curve:
    """The curve of a map's pixels: their orders, nested indices, and densities of whatever unit."""
    span = 2 * (MAX_ORDER - level)
    begin = index << span
    rows = np.argsort(begin, kind="stable")  # a file in order of UNIQ is a run for each order
    begin, density = begin[rows], density[rows]
    ends = np.concatenate(([0], begin + (1 << span[rows])))
    (gaps,) = np.nonzero(ends < np.append(begin, WHOLE_SKY))  # a map need not cover the sky
    edges = np.append(np.insert(begin, gaps, ends[gaps]), WHOLE_SKY)
    density = np.insert(density, gaps, 0.0)
    held = np.concatenate(([0.0], np.cumsum(density * np.diff(edges))))
    return Curve(edges, density / (held[-1] * 4 * math.pi / WHOLE_SKY), held / held[-1])
