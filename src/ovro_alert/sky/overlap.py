"""How two places on the sky overlap: two positions with their errors, or one and a sky map.

Positions are those of `sky.positions`. A map is looked at in its own pixels, of whatever sizes, never
rasterised.

Source: Ashton et al. 2018, ApJ 860, 6: the overlap integral I_Ω, as RAVEN of LIGO, Virgo and KAGRA uses it.
"""

import math
from dataclasses import dataclass

import astropy_healpix
import numpy as np
from numpy.typing import NDArray

from ovro_alert.alert import Localization
from ovro_alert.sky.curve import MAX_ORDER
from ovro_alert.sky.positions import CONTAINED, SKY_DEG2, radius, sigma
from ovro_alert.sky.skymap import STERADIANS, MultiOrderMap, centres
from ovro_alert.sky.visibility import separation, unit

Floats = NDArray[np.float64]
Vectors = NDArray[np.float64]  # … × 3, of length 1
SAMPLES = 400  # places where a map has its probability
POINTS, FEW, FEWEST = 64, 16, 4  # that stand for the error of a position, and of ones that a map dwarfs
STERADIAN_DEG2 = SKY_DEG2 / (4 * math.pi)


@dataclass(frozen=True)
class Overlap:
    """How two places on the sky overlap.

    `integral` is I_Ω, how many times likelier it is that they are of one thing than of two anywhere on the
    sky. Of the places where one thing would be found by the other, `level` is the share that is likelier
    than where it was found, and `area_deg2` the area of the likeliest that hold CONTAINED (on a map, right to
    some 15 %).
    """

    integral: float
    level: float
    area_deg2: float

    @property
    def is_one(self) -> bool:
        """Whether they may be one place, at CONTAINED."""
        return self.level <= CONTAINED


def of_positions(one: Localization, other: Localization) -> Overlap:
    """The overlap of two positions."""
    both = math.hypot(sigma(one), sigma(other))
    apart = separation(unit(one.ra, one.dec), unit(other.ra, other.dec))
    outside = math.exp(-((apart / both) ** 2) / 2)
    area = min(SKY_DEG2, math.pi * radius(both) ** 2)
    return Overlap(SKY_DEG2 / (2 * math.pi * both**2) * outside, 1 - outside, area)


def _scattered(count: int) -> Floats:
    """So many points of a plane (count × 2) that stand for a Gaussian of σ = 1, laid out like a sunflower."""
    n = np.arange(count)
    angle = n * math.pi * (3 - math.sqrt(5))
    far = np.sqrt(-2 * np.log1p(-(n + 0.5) / count))
    points: Floats = far[:, None] * np.stack((np.cos(angle), np.sin(angle)), axis=-1)
    return points


SPREAD, SPARSE, SPARSEST = _scattered(POINTS), _scattered(FEW), _scattered(FEWEST)
SHUFFLED = _scattered(SAMPLES)[np.random.default_rng(0).permutation(SAMPLES)]


class OnMap:
    """A sky map, prepared for being compared with positions.

    Of one thing a position would be found where the map has it, blurred by the position's error.
    """

    def __init__(self, sky: MultiOrderMap) -> None:
        self.sky = sky
        self._curve = sky.curve
        # So many places, each as probable as the others, from the densest on.
        density, _, held = sky.ranked
        rows = np.searchsorted(held, held[-1] * (np.arange(SAMPLES) + 0.5) / SAMPLES)
        pixels = sky.densest_first[rows]
        self._places = centres(sky.level[pixels], sky.index[pixels]).T
        # A fifth of the side of the square that nine tenths would fill.
        self._wide = math.sqrt(_area(density[rows] / (held[-1] * STERADIANS), 0.9)) / 5
        # By σ: the densities with which a position would be found in the places where one would, sorted.
        self._densities: dict[float, Floats] = {}

    def integral(self, position: Localization) -> float:
        """I_Ω of a position: 4π ∫ p g dΩ, with p of the map and g of the position, both per steradian."""
        return 4 * math.pi * float(self._found(unit(position.ra, position.dec), sigma(position), SPREAD))

    def overlap(self, position: Localization) -> Overlap:
        """The overlap of a position with the map."""
        error = sigma(position)
        here = float(self._found(unit(position.ra, position.dec), error, SPREAD))
        if error not in self._densities:
            places = _moved(self._places, SHUFFLED * math.radians(error))
            small = SPARSEST if 12 * error < self._wide else SPARSE
            found = self._found(places, error, small if 3 * error < self._wide else SPREAD)
            self._densities[error] = np.sort(found)[::-1]
        found = self._densities[error]
        level = float(np.mean(found > here) + np.mean(found == here) / 2) if here else 1.0
        return Overlap(4 * math.pi * here, level, min(_area(found, CONTAINED), SKY_DEG2))

    def _found(self, directions: Vectors, sigma_deg: float, spread: Floats) -> Floats:
        """The density (sr⁻¹) with which a position with an error would be found in directions (… × 3).

        `spread`: the points (of σ = 1) that stand for an error that is not large beside the map.
        """
        error = math.radians(sigma_deg)
        if sigma_deg > self._wide:
            # So small a map is its places, each blurred by the sphere's Gaussian (von Mises and Fisher).
            blurred = np.exp((directions @ self._places.T - 1) / error**2).mean(axis=-1)
            whole: Floats = blurred / (-2 * math.pi * error**2 * math.expm1(-2 / error**2))
            return whole
        points = _moved(directions[..., None, :], spread * error)
        x, y, z = np.moveaxis(points, -1, 0)
        pixel = astropy_healpix.xyz_to_healpix(x, y, z, 2**MAX_ORDER, order="nested")
        mean: Floats = self._curve.density[self._curve.row(pixel)].mean(axis=-1)
        return mean


def _area(densities: Floats, share: float) -> float:
    """The area (deg²) that holds a share, by the densities (sr⁻¹) of as probable samples, greatest first."""
    held = densities[: round(share * len(densities))]
    # Every sample stands for as large an area as its density is small.
    return STERADIAN_DEG2 * float(np.sum(1 / held[held > 0])) / len(densities)


def _moved(directions: Vectors, offsets: Floats) -> Vectors:
    """Directions moved by offsets (… × 2, rad) along two axes at right angles to each."""
    x, y, z = directions[..., 0], directions[..., 1], directions[..., 2]
    # Of what is not near a pole, as seen from the pole; of the rest as seen from where the x axis points to.
    is_low, zero = np.abs(z) < 0.9, np.zeros_like(z)
    east = np.stack((np.where(is_low, -y, zero), np.where(is_low, x, -z), np.where(is_low, zero, y)), axis=-1)
    east /= np.linalg.norm(east, axis=-1, keepdims=True)
    a, b, c = east[..., 0], east[..., 1], east[..., 2]
    north = np.stack((y * c - z * b, z * a - x * c, x * b - y * a), axis=-1)
    angle = np.linalg.norm(offsets, axis=-1, keepdims=True)
    along = offsets[..., :1] * east + offsets[..., 1:] * north
    moved: Vectors = np.cos(angle) * directions + np.sinc(angle / np.pi) * along
    return moved
