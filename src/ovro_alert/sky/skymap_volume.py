"""The volume of a credible region of a sky map with distances.

In a pixel of P sr⁻¹ the density is P norm N(r; mu, sigma) a Mpc³, as a volume is r² dr dΩ. The smallest
volume that holds a share is of all that is denser than some threshold: in each pixel the distances around mu
out to which the normal curve stands above it. Source: Singer et al. 2016, ApJL 829, L15. Volumes are
Euclidean, in luminosity distance, as in ligo.skymap.
"""

import math

import numpy as np
from numpy.typing import NDArray

from ovro_alert.sky.skymap import STERADIANS, MultiOrderMap, areas_deg2, dot

Floats = NDArray[np.float64]
# Gauss and Legendre's: right to 1e-6 of a region of 99 %, and to 2e-4 of one of LARGEST.
POINTS, WEIGHTS = np.polynomial.legendre.leggauss(12)
LARGEST = 0.999  # of the shares; beyond, the tails of normal curves are nothing but tails of normal curves
TOLERANCE = 0.01  # of what is inside, and of what is outside; it is made good to the first order
MOST = 200.0  # of the logarithm of a density a Mpc³: the sharpest curve in the finest pixel has 108
DEEPEST = 100.0  # how far, in e-folds below the peak, a region may reach
EPSILON = 1e-12
LOG_NORMAL = math.log(2 * math.pi) / 2


def credible_volume(sky: MultiOrderMap, probability: float) -> float:
    """The smallest volume, Mpc³, that holds a share (0 to LARGEST) of the map's whole probability.

    Infinite where what the map has a distance for holds less.

    Raises
        ValueError: the map has no distances, or the share is none.
    """
    if sky.distances is None:
        raise ValueError("the sky map has no distances")
    if not 0 <= probability <= LARGEST:
        raise ValueError(f"{probability} is not a share of probability, 0 to {LARGEST}")
    return _Curves(sky).volume_of(probability) if probability else 0.0


class _Curves:
    """The normal curves of the pixels that have a distance."""

    def __init__(self, sky: MultiOrderMap) -> None:
        assert sky.distances is not None
        solid = areas_deg2(sky) * STERADIANS
        self._whole = dot(sky.density, solid)
        given = (sky.distances.norm > 0) & (sky.density > 0)
        self._solid = solid[given]
        self._mu, self._sigma = sky.distances.mu[given], sky.distances.sigma[given]
        # Everything by its logarithm: the norm of a tail alone may be 1e67 Mpc⁻².
        norm = np.log(sky.density[given]) + np.log(sky.distances.norm[given])
        self._height = norm - np.log(self._sigma) - LOG_NORMAL
        # Where mu is negative, the curve is highest at distance 0.
        highest = self._height - np.minimum(self._mu / self._sigma, 0) ** 2 / 2
        # A norm that makes more of a pixel than it can hold is no norm: it is never above a threshold.
        self._highest = np.where(highest <= MOST, highest, -math.inf)

    def volume_of(self, share: float) -> float:
        """By secants: the logarithm of what is outside falls nearly straight with that of the threshold."""
        peak, wanted = float(np.max(self._highest, initial=-math.inf)), math.log1p(-share)
        if peak == -math.inf:
            return math.inf
        low, high = 0.0, math.inf  # e-folds below the peak, between which the threshold is
        before, left_before = 0.0, 0.0
        depth = 0.3 - 1.5 * wanted  # of a round Gaussian, within a fifth
        volume = math.inf
        while depth <= DEEPEST and high - low > EPSILON:
            held, volume = self._above(peak - depth)
            left = math.log(max(1 - held, EPSILON))
            if abs(left - wanted) <= TOLERANCE * min(1, -wanted):
                # At the threshold a volume dV holds so much times dV.
                return volume + (share - held) * self._whole / math.exp(peak - depth)
            low, high = (depth, high) if left > wanted else (low, depth)
            slope = (left - left_before) / (depth - before)
            before, left_before = depth, left
            depth += (wanted - left) / slope if slope else math.inf
            if not low < depth < high:
                depth = 2 * low + 1 if high == math.inf else (low + high) / 2
        return volume if high < math.inf else math.inf

    def _above(self, threshold: float) -> tuple[float, float]:
        """The share and the volume (Mpc³) of what is denser than e^threshold a Mpc³."""
        inside = self._highest > threshold
        mu, sigma, height = self._mu[inside], self._sigma[inside], self._height[inside]
        solid = self._solid[inside]
        wide = sigma * np.sqrt(2 * (height - threshold))
        near, far = np.maximum(mu - wide, 0), mu + wide
        volume = dot(solid, far * far * far - near * near * near) / 3
        half, middle = (far - near) / 2, (far + near) / 2
        held = np.zeros_like(half)
        for point, weight in zip(POINTS, WEIGHTS, strict=True):  # one after the other: they stay in the cache
            distance = middle + point * half
            held += weight * distance * distance * np.exp(height - ((distance - mu) / sigma) ** 2 / 2)
        return dot(held, half * solid) / self._whole, volume
