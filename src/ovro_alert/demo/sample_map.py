"""A made-up multi-order sky map in the shape that LIGO, Virgo and KAGRA send."""

import io
from functools import lru_cache

import astropy_healpix
import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

FIRST_ORDER = 4
REFINEMENTS = 6
SPLIT = 768  # the pixels that each refinement splits into four, as BAYESTAR does


@lru_cache(maxsize=8)
def sky_map(ra: float, dec: float, long_deg: float, short_deg: float, distance_mpc: float) -> bytes:
    """FITS bytes of an ellipse, Gaussian in the tangent plane, on a faint floor all over the sky.

    `long_deg` is its standard deviation along declination and `short_deg` along right ascension.
    """
    level = np.full(12 * 4**FIRST_ORDER, FIRST_ORDER)
    index = np.arange(12 * 4**FIRST_ORDER)
    for _ in range(REFINEMENTS):
        share = _density(level, index, ra, dec, long_deg, short_deg) * 0.25**level
        split = np.argsort(-share)[:SPLIT]
        children = (index[split, None] * 4 + np.arange(4)).ravel()
        level = np.concatenate((np.delete(level, split), np.repeat(level[split] + 1, 4)))
        index = np.concatenate((np.delete(index, split), children))
    density = _density(level, index, ra, dec, long_deg, short_deg)
    density /= (density * 4 * np.pi / 12 * 0.25**level).sum()
    uniq = index + 4 * 4**level
    rows = np.argsort(uniq)
    return _fits(uniq[rows], density[rows], distance_mpc)


def _density(
    level: NDArray[np.int64],
    index: NDArray[np.int64],
    ra: float,
    dec: float,
    long_deg: float,
    short_deg: float,
) -> NDArray[np.float64]:
    lon, lat = astropy_healpix.healpix_to_lonlat(index, 2**level, order="nested")
    east = (lon.deg - ra + 180) % 360 - 180
    squares = (east * np.cos(np.radians(dec)) / short_deg) ** 2 + ((lat.deg - dec) / long_deg) ** 2
    found: NDArray[np.float64] = np.exp(-squares / 2) + 1e-9
    return found


def _fits(uniq: NDArray[np.int64], density: NDArray[np.float64], distance_mpc: float) -> bytes:
    same = np.ones_like(density)
    spread = distance_mpc / 4
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column("UNIQ", "K", array=uniq),
            fits.Column("PROBDENSITY", "D", unit="sr-1", array=density),
            fits.Column("DISTMU", "D", unit="Mpc", array=same * distance_mpc),
            fits.Column("DISTSIGMA", "D", unit="Mpc", array=same * spread),
            fits.Column("DISTNORM", "D", unit="Mpc-2", array=same / (distance_mpc**2 + spread**2)),
        ]
    )
    table.header["PIXTYPE"] = "HEALPIX"
    table.header["ORDERING"] = "NUNIQ"
    table.header["COORDSYS"] = "C"
    table.header["MOCORDER"] = FIRST_ORDER + REFINEMENTS
    table.header["INDXSCHM"] = "EXPLICIT"
    table.header["DISTMEAN"] = distance_mpc
    table.header["DISTSTD"] = spread
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(file)
    return file.getvalue()
