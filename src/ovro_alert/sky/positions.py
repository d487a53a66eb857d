"""Positions with their errors: two-dimensional Gaussians, round, in the tangent plane.

A radius that holds the share c of one is σ √(−2 ln(1 − c)). Nothing here needs astropy, so
that a telescope's client may compare positions as the relay does, and stay small.
"""

import math

from ovro_alert.alert import Localization

SKY_DEG2 = 4 * math.pi / math.radians(1) ** 2
CONTAINED = 0.99  # with this probability one thing is taken for one
USUAL_CONTAINMENT = 0.9  # GCN's schema: of a radius that does not say what it contains
USUAL_ERROR_DEG = 0.1  # of a position that says no error: within so much clients of today match repeaters


def sigma(position: Localization) -> float:
    """The standard deviation (deg) of a position along each axis."""
    share = position.containment
    if share is None or not 0 < share < 1:
        share = USUAL_CONTAINMENT
    return (position.error_deg or USUAL_ERROR_DEG) / math.sqrt(-2 * math.log1p(-share))


def radius(sigma_deg: float) -> float:
    """The radius (deg) that contains CONTAINED."""
    return sigma_deg * math.sqrt(-2 * math.log1p(-CONTAINED))
