"""Multi-order HEALPix sky maps of gravitational waves, never rasterised.

A map is a FITS binary table of pixels of different sizes, ORDERING=NUNIQ: UNIQ = 4·4^order + nested index,
PROBDENSITY in sr⁻¹. Source of the facts: IVOA, MOC 2.0 §4.3.1; IGWN Public Alerts User Guide,
"Multi-Order Sky Maps".
"""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import astropy_healpix
import numpy as np
from numpy.typing import NDArray

from ovro_alert.alert import SkyMap
from ovro_alert.sky import fits_table

MAX_BYTES = 32 * 2**20  # ten times the largest that is sent
MAX_ORDER = 29  # UNIQ of 64 bits goes no finer
MAX_DENSITY = 1e20  # sr⁻¹; all the probability in one pixel of order 29 makes 2.8e17
MAX_DENSITY = 1e20  # sr⁻¹; all the probability in one pixel of order 29 makes 2.8e17
SKY_DEG2 = 4 * math.pi * math.degrees(1) ** 2


@dataclass(frozen=True, eq=False)
class MultiOrderMap:
    """A sky map: one row a pixel, in the file's own order; the arrays are read-only."""

    level: NDArray[np.int64]  # HEALPix order, nside = 2^order
    index: NDArray[np.int64]  # of the pixel in its order, nested
    density: NDArray[np.float64]  # probability a steradian
    distance_mpc: float | None = None
    distance_std_mpc: float | None = None

    def __post_init__(self) -> None:
        for array in (self.level, self.index, self.density):
            array.flags.writeable = False


def read(raw: bytes) -> MultiOrderMap:
    """The map that a FITS file, gzipped or not, holds in its first extension.

    Raises
        ValueError: not FITS, not a multi-order map in ICRS, larger than MAX_BYTES, or with pixels or
            densities that cannot be.
    """
    table = fits_table.read(_plain(raw))
    if table.header.get("ORDERING") != "NUNIQ":
        raise ValueError("must be a multi-order map, ORDERING=NUNIQ")
    if table.header.get("COORDSYS", "C") != "C":
        raise ValueError("must be in celestial coordinates, COORDSYS=C")
    uniq, densities = table.column("UNIQ"), table.column("PROBDENSITY")
    if uniq.dtype.kind != "i" or densities.dtype.kind != "f":
        raise ValueError("must have UNIQ as whole numbers and PROBDENSITY as real ones")
    level, index = _pixels(uniq.astype(np.int64))
    density = densities.astype(np.float64)
    if not ((density >= 0) & (density <= MAX_DENSITY)).all():  # not of NaN either
        raise ValueError("PROBDENSITY must be finite and not negative")
    if not density.any():
        raise ValueError("PROBDENSITY is 0 all over the sky")
    return MultiOrderMap(
        level, index, density, _distance(table.header, "DISTMEAN"), _distance(table.header, "DISTSTD")
    )


def areas_deg2(sky: MultiOrderMap) -> NDArray[np.float64]:
    """The area of each pixel: HEALPix pixels of one order are all of one size."""
    return SKY_DEG2 / 12 * 0.25 ** sky.level.astype(np.float64)


def credible_areas(sky: MultiOrderMap, probabilities: Sequence[float]) -> list[float]:
    """The smallest areas, deg², that hold these shares (0 to 1) of the map's whole probability.

    Pixels are taken from the densest on; of the last one as much as is needed.
    """
    densest_first = np.argsort(-sky.density)  # equal ones in any order: a share of them is the same area
    density = sky.density[densest_first]
    area = areas_deg2(sky)[densest_first]
    covered, held = np.cumsum(area), np.cumsum(density * area)
    wanted = np.asarray(probabilities) * held[-1]
    last = np.searchsorted(held, wanted)
    return [float(one) for one in covered[last] - (held[last] - wanted) / density[last]]


def densest(sky: MultiOrderMap) -> tuple[float, float]:
    """Right ascension and declination, deg, of the centre of the densest pixel."""
    row = int(np.argmax(sky.density))
    nside = 2 ** int(sky.level[row])
    lon, lat = astropy_healpix.healpix_to_lonlat(int(sky.index[row]), nside, order="nested")
    return float(lon.deg), float(lat.deg)


def summarize(sky: MultiOrderMap) -> SkyMap:
    """What an alert keeps of its map."""
    ra, dec = densest(sky)
    area_50, area_90 = credible_areas(sky, (0.5, 0.9))
    return SkyMap(
        pixels=len(sky.density),
        ra=ra,
        dec=dec,
        area_50_deg2=area_50,
        area_90_deg2=area_90,
        distance_mpc=sky.distance_mpc,
        distance_std_mpc=sky.distance_std_mpc,
    )


def _plain(raw: bytes) -> bytes:
    """The FITS file itself, unpacked within bounds."""
    if raw.startswith(b"\x1f\x8b"):
        unpacker = zlib.decompressobj(wbits=31)
        try:
            raw = unpacker.decompress(raw, MAX_BYTES)
        except zlib.error:
            raise ValueError("is not a whole gzip file") from None
        if not unpacker.eof:
            raise ValueError(f"is cut off, or larger than {MAX_BYTES} bytes unpacked")
    if len(raw) > MAX_BYTES:
        raise ValueError(f"is larger than {MAX_BYTES} bytes")
    if not raw.startswith(b"SIMPLE  ="):
        raise ValueError("is not a FITS file")
    return raw


def _pixels(uniq: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Order and index of each pixel, none of which may lie in another."""
    if (uniq < 4).any() or (uniq >= 4 ** (MAX_ORDER + 2)).any():
        raise ValueError("UNIQ must be a pixel of order 0 to 29")
    level, index = astropy_healpix.uniq_to_level_ipix(uniq)
    finer = 2 * (MAX_ORDER - level)
    first = index << finer
    # Begin and end of each in the finest order, sorted apart: pixels that keep to themselves never have two
    # begun at once, so that each ends before the next begins.
    # Stable, as a file in order of UNIQ is one run for each order, which that sort only merges.
    begins, ends = np.sort(first, kind="stable"), np.sort(first + (1 << finer), kind="stable")
    if (begins[1:] < ends[:-1]).any():
        raise ValueError("UNIQ has pixels that overlap")
    return level, index


def _distance(header: dict[str, fits_table.Value], name: str) -> float | None:
    """Bursts have no distance."""
    value = header.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise ValueError(f"{name} must be a distance in Mpc")
    return float(value)
