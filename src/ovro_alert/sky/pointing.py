"""Where to point a beam so that it holds the most of a sky map: on multi-order maps, never rasterised.

First the cells of HEALPix are found that hold much, large ones before those in them; then beams are tried in
these and next to them; and then all around the best of those, ever closer. What a beam holds is summed over
cells that are small beside it, of which its edge leaves what a straight one would.
"""

import math
from typing import NamedTuple

import astropy_healpix
import numpy as np

from ovro_alert.sky.caps import COARSEST, CORNER, Cap, Cells, Floats, depth, parts, side_of
from ovro_alert.sky.curve import MAX_ORDER
from ovro_alert.sky.skymap import MultiOrderMap, centres

ACROSS = 1.5  # radii in the side of a cell, at least: beams in it end in those next to it
KEPT, TRIED = 96, 24  # cells: of those that hold much, and of those in which beams do
AROUND, APART = 10, 0.4  # how many of the best beams are looked around, so many radii apart
CLOSELY, LEAST = 3, 0.99  # of them how many closely, unless they hold less of the best than this
STEP = 0.15  # of a radius: between the places around one
# Then, looking closely, and how far away the best may still be: what lies deeper in the beam, stays in it.
STEPS = ((0.08, 0.31), (0.03, 0.085))
FINER = 3 + len(STEPS)  # orders, of the finest cells
GRID = np.stack(np.meshgrid(np.arange(-2.0, 3), np.arange(-2.0, 3))).reshape(2, -1)
NEGLIGIBLE = 1e-12  # of the probability: less is the rounding of sums


class _Place(NamedTuple):
    """A centre (unit vector), the cell that its search began in, and about what a beam holds there."""

    at: Floats
    cell: int
    held: float


def best_pointing(sky: MultiOrderMap, radius: float, allowed: Cap) -> tuple[float, float]:
    """Where (ra and dec, deg) a round beam holds the most of a map's probability, its centre being in a cap.

    It holds 99 % of what the best would, on maps that are smooth over the beam; of noise, and of many small
    spots in a beam that is much wider, it may be a few per cent less.

    Raises
        ValueError: the radius (deg) is not above 0 and at most 90, or there is nothing within reach.
    """
    if not 0 < radius <= 90:
        raise ValueError(f"{radius} is not a radius of a beam in degrees")
    search, best = _Search(sky, math.radians(radius), allowed), None
    for place in search.best_of_many():
        if best and place.held < LEAST * best.held:
            break
        found = search.closer(place)
        best = found if best is None or found.held > best.held else best
    if best is None or best.held < NEGLIGIBLE:
        raise ValueError("the sky map has nothing within reach")
    x, y, z = best.at
    return math.degrees(math.atan2(y, x)) % 360, math.degrees(math.asin(max(-1.0, min(1.0, z))))


class _Search:
    """One search: the map, the radius of the beam (rad), and where its centre may be."""

    def __init__(self, sky: MultiOrderMap, wide: float, allowed: Cap) -> None:
        self.curve, self.wide, self.allowed = sky.curve, wide, allowed
        order = math.floor(math.log2(side_of(0) / (ACROSS * wide)))
        self.order = min(max(order, 0), MAX_ORDER - FINER)  # of cells that are a little larger than the beam

    def best_of_many(self) -> list[_Place]:
        """The best, the best first, of many places in all the likely cells, and then around the best."""
        cells = self._likely()
        if not len(cells):
            return []
        for finer in (1, 2):
            tried = self._into(centres(self.order + finer, parts(cells[:, None], finer)))
            held = self._held(cells, finer, tried)
            fullest = np.argsort(-held.max(axis=1))[:TRIED]
            cells, tried, held = cells[fullest], tried[:, fullest], held[fullest]
        cells, tried, held = np.repeat(cells, tried.shape[2]), tried.reshape(3, -1), held.ravel()
        best = []
        for _ in range(AROUND):
            best.append(int(np.argmax(held)))
            held[self._depth(tried[:, best[-1]], tried, APART) >= 0] = -1.0
        cells = cells[best]
        tried = self._into(np.stack([_around(tried[:, one], STEP * self.wide) for one in best], axis=1))
        held = self._held(cells, 3, tried)
        found = [
            _Place(tried[:, row, one], int(cells[row]), float(held[row, one]))
            for row, one in enumerate(np.argmax(held, axis=1))
        ]
        return sorted(found, key=lambda place: -place.held)[:CLOSELY]

    def closer(self, place: _Place) -> _Place:
        """The best place around one."""
        order, cells = self.order + 3, parts(self._block(np.array([place.cell])), 3).ravel()
        at, cells = place.at, cells[cells >= 0]
        inside = held = 0.0
        for step, farthest in STEPS:
            order, cells = order + 1, parts(cells, 1)
            where, share, side = centres(order, cells), self.curve.inside(order, cells), side_of(order)
            deep, edge = self._depth(at, where), farthest * self.wide + CORNER * side
            inside += float(np.sum(share[deep > edge]))
            near = (np.abs(deep) <= edge) & (share > 0)
            cells, tried = cells[near], self._into(_around(at, step * self.wide))
            of_each = self._in_beams(tried, where[:, near], share[near], side)
            at, held = tried[:, np.argmax(of_each)], inside + float(of_each.max())
        return _Place(at, place.cell, held)

    def _likely(self) -> Cells:
        """The cells that the best centre is likely in: those that hold the most, and what is next to them."""
        order = min(COARSEST, self.order)
        cells = np.arange(12 * 4**order)
        while True:
            cells = self._near(order, cells, self.wide)
            held = self.curve.inside(order, cells)
            cells = np.sort(cells[np.argsort(-held)[: min(KEPT, np.count_nonzero(held))]])
            if order == self.order:
                break
            order, cells = order + 1, parts(cells, 1)
        cells = np.unique(self._block(cells))
        return self._near(order, cells[cells >= 0], 0.0)

    def _near(self, order: int, cells: Cells, margin: float) -> Cells:
        """Those cells that come as near as a margin (rad) to where the centre may be."""
        return cells[depth([self.allowed], centres(order, cells)) > -margin - CORNER * side_of(order)]

    def _block(self, cells: Cells) -> Cells:
        """Each cell with those next to it: cell × 9, -1 where there is none; of order 0 all 12."""
        if self.order == 0:
            return np.tile(np.arange(12), (len(cells), 1))
        with np.errstate(invalid="ignore"):  # of corners where only three cells meet
            beside = astropy_healpix.neighbours(cells, 2**self.order, order="nested")
        return np.column_stack((cells, beside.T))

    def _held(self, cells: Cells, finer: int, tried: Floats) -> Floats:
        """About what beams hold whose centres (3 × cell × centre) are in a cell: cell × centre."""
        order, block = self.order + finer, self._block(cells)
        distinct, which = np.unique(block, return_inverse=True)  # cells have neighbours in common
        within = parts(np.maximum(distinct, 0)[:, None], finer)
        share = np.where(distinct[:, None] >= 0, self.curve.inside(order, within), 0.0)
        which = which.reshape(block.shape)
        at = centres(order, within)[:, which].reshape(3, len(cells), -1)
        return self._in_beams(tried, at, share[which].reshape(len(cells), -1), side_of(order))

    def _in_beams(self, tried: Floats, at: Floats, share: Floats, side: float) -> Floats:
        """What is in each beam (3 × any × beam) of cells (3 × any × cell) and their shares: any × beam."""
        part = np.einsum("i...m,i...n->...mn", tried, at)
        part -= math.cos(self.wide)
        part /= math.sin(self.wide) * side  # by how many sides it is inside, near the edge
        part += 0.5
        held: Floats = np.einsum("...mn,...n->...m", np.clip(part, 0, 1, out=part), share)
        return held

    def _depth(self, axis: Floats, at: Floats, radii: float = 1.0) -> Floats:
        """How deep (rad) directions are in a beam about an axis, or in one of so many radii."""
        return depth([Cap(axis, math.degrees(radii * self.wide))], at)

    def _into(self, at: Floats) -> Floats:
        """Centres as they may be: what is outside is moved to the edge, the shortest way."""
        axis, radius = self.allowed
        outside = depth([self.allowed], at) < 0
        aside = at[:, outside] - axis[:, None] * np.einsum("i,in->n", axis, at[:, outside])
        aside /= np.maximum(np.linalg.norm(aside, axis=0), 1e-300)
        at = at.copy()
        at[:, outside] = (
            math.cos(math.radians(radius)) * axis[:, None] + math.sin(math.radians(radius)) * aside
        )
        return at


def _around(place: Floats, step: float) -> Floats:
    """Places on a grid about one, so far (rad) apart."""
    longitude, across = math.atan2(place[1], place[0]), math.hypot(place[0], place[1])
    sine, cosine = math.sin(longitude), math.cos(longitude)
    axes = np.array([[-sine, -place[2] * cosine], [cosine, -place[2] * sine], [0.0, across]])
    grid = place[:, None] + step * np.einsum("ij,jn->in", axes, GRID)
    places: Floats = grid / np.linalg.norm(grid, axis=0)
    return places
