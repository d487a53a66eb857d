"""A notice of a gravitational wave with a sky map as two detectors give it: an arc, of 19,200 pixels."""

import base64
import io
import json
from datetime import datetime

import astropy_healpix
import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from ovro_alert.demo.sample_waves import BNS, gw_notice

# As BAYESTAR refines its maps: so often the densest 768 of 3072 pixels, and of what they became, in four.
FIRST_ORDER, REFINEMENTS, SPLIT = 4, 7, 768
AXIS = np.array([0.36, -0.48, 0.8])  # of the two detectors: the arc is a part of a circle around it
MIDDLE = np.array([0.8, 0.6, 0.0])  # at right angles to it
FROM_AXIS, WIDE, LONG = 55.0, 2.0, 25.0  # deg; the two latter are standard deviations
DENSEST = (14.1, 27.3)  # ra and dec, deg: from the axis towards the middle
DISTANCE_MPC = 104.0


def notice(superevent_id: str, now: datetime) -> bytes:
    """A merger of neutron stars 25 s before."""
    document = json.loads(gw_notice(superevent_id, "PRELIMINARY", now, BNS))
    document["event"]["skymap"] = base64.b64encode(_sky_map()).decode()
    return json.dumps(document).encode()


def _sky_map() -> bytes:
    level = np.full(12 * 4**FIRST_ORDER, FIRST_ORDER)
    index = np.arange(len(level))
    for _ in range(REFINEMENTS):
        split = np.argsort(-_density(level, index) * 0.25**level)[:SPLIT]
        children = (4 * index[split, None] + np.arange(4)).ravel()
        level = np.concatenate((np.delete(level, split), np.repeat(level[split] + 1, 4)))
        index = np.concatenate((np.delete(index, split), children))
    order = np.argsort(index + 4 * 4**level)
    level, index = level[order], index[order]
    density = _density(level, index)
    density /= (density * np.pi / 3 * 0.25**level).sum()
    mpc = np.full_like(density, DISTANCE_MPC)
    columns = {
        "UNIQ": ("K", index + 4 * 4**level),
        "PROBDENSITY": ("D", density),
        "DISTMU": ("D", mpc),
        "DISTSIGMA": ("D", mpc / 4),
        "DISTNORM": ("D", 1 / (mpc**2 + (mpc / 4) ** 2)),
    }
    table = fits.BinTableHDU.from_columns(
        [fits.Column(name, kind, array=array) for name, (kind, array) in columns.items()]
    )
    table.header.update(ORDERING="NUNIQ", COORDSYS="C", DISTMEAN=DISTANCE_MPC, DISTSTD=DISTANCE_MPC / 4)
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(file)
    return file.getvalue()


def _density(level: NDArray[np.int64], index: NDArray[np.int64]) -> NDArray[np.float64]:
    at = np.stack(astropy_healpix.healpix_to_xyz(index, 2**level, order="nested"), axis=-1)
    across = np.degrees(np.arccos(np.clip(at @ AXIS, -1, 1))) - FROM_AXIS
    along = np.degrees(np.arctan2(at @ np.cross(AXIS, MIDDLE), at @ MIDDLE))
    found: NDArray[np.float64] = np.exp(-((across / WIDE) ** 2 + (along / LONG) ** 2) / 2) + 1e-9
    return found
