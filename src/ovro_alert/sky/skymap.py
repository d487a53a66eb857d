"""Multi-order HEALPix sky maps of gravitational waves, never rasterised.

A map is a FITS binary table of pixels of different sizes, ORDERING=NUNIQ: UNIQ = 4·4^order + nested index,
PROBDENSITY in sr⁻¹; and of mergers DISTMU and DISTSIGMA in Mpc, DISTNORM in Mpc⁻². Source of the facts: IVOA,
MOC 2.0 §4.3.1; IGWN Public Alerts User Guide, "Multi-Order Sky Maps"; Singer et al. 2016, ApJL 829, L15.
"""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import astropy_healpix
import numpy as np
from numpy.typing import NDArray

from ovro_alert.alert import SkyMap
from ovro_alert.sky import fits_table
from ovro_alert.sky.curve import MAX_ORDER, Curve, along
from ovro_alert.sky.positions import SKY_DEG2

MAX_BYTES = 32 * 2**20  # ten times the largest that is sent
MAX_DENSITY = 1e20  # sr⁻¹; all the probability in one pixel of order 29 makes 2.8e17
MIN_MPC, MAX_MPC = 1e-9, 1e9  # of DISTSIGMA; the latter of DISTMU, either way. The universe ends long before
STERADIANS = math.radians(1) ** 2  # of a square degree


@dataclass(frozen=True, eq=False)
class Distances:
    """How far the source is, if it is in a pixel: with r² norm N(r; mu, sigma) a Mpc, N being normal.

    A pixel of which the map says no distance, or none that can be, has the norm 0.
    """

    mu: NDArray[np.float64]  # Mpc; may be negative, and then only the tail is of this world
    sigma: NDArray[np.float64]  # Mpc
    norm: NDArray[np.float64]  # Mpc⁻²


@dataclass(frozen=True, eq=False)
class MultiOrderMap:
    """A sky map: one row a pixel, in the file's own order; the arrays are read-only."""

    level: NDArray[np.int64]  # HEALPix order, nside = 2^order
    index: NDArray[np.int64]  # of the pixel in its order, nested
    density: NDArray[np.float64]  # probability a steradian
    distance_mpc: float | None = None
    distance_std_mpc: float | None = None
    distances: Distances | None = None  # a burst's has none

    def __post_init__(self) -> None:
        for array in (self.level, self.index, self.density):
            array.flags.writeable = False

    @cached_property
    def densest_first(self) -> NDArray[np.intp]:
        """The rows from the densest pixel on; of equal ones in any order."""
        return np.argsort(-self.density)

    @cached_property
    def ranked(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """From the densest pixel on: the densities (sr⁻¹), the area (deg²) so far, and what it holds."""
        density = self.density[self.densest_first]
        area = areas_deg2(self)[self.densest_first]
        return density, np.cumsum(area), np.cumsum(density * area)

    @cached_property
    def curve(self) -> Curve:
        """The map along HEALPix's nested curve."""
        return along(self.level, self.index, self.density)


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
    level, index, rows = _pixels(uniq.astype(np.int64))
    density = densities.astype(np.float64)[rows]
    if not ((density >= 0) & (density <= MAX_DENSITY)).all():  # not of NaN either
        raise ValueError("PROBDENSITY must be finite and not negative")
    if not density.any():
        raise ValueError("PROBDENSITY is 0 all over the sky")
    return MultiOrderMap(
        level,
        index,
        density,
        _distance(table.header, "DISTMEAN"),
        _distance(table.header, "DISTSTD"),
        _distances(table, rows) if "DISTMU" in table.columns else None,
    )


def centres(level: NDArray[np.int64] | int, index: NDArray[np.int64]) -> NDArray[np.float64]:
    """The centres of pixels, each of its order or all of one: unit vectors, ICRS, 3 × pixel."""
    return np.stack(astropy_healpix.healpix_to_xyz(index, 1 << level, order="nested"))


def dot(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """The sum of the products.

    Not `@`: BLAS takes threads for as many numbers as a map has, and on a busy host waits 50 ms for them.
    """
    return float(np.einsum("i,i", one, other))


def areas_deg2(sky: MultiOrderMap) -> NDArray[np.float64]:
    """The area of each pixel: HEALPix pixels of one order are all of one size."""
    return SKY_DEG2 / 12 * 0.25 ** sky.level.astype(np.float64)


def credible_areas(sky: MultiOrderMap, probabilities: Sequence[float]) -> list[float]:
    """The smallest areas, deg², that hold these shares (0 to 1) of the map's whole probability.

    Pixels are taken from the densest on; of the last one as much as is needed. ValueError where one of them
    is no share.
    """
    for one in probabilities:
        if not 0 <= one <= 1:
            raise ValueError(f"{one} is not a share of probability, 0 to 1")
    density, covered, held = sky.ranked
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


def _pixels(uniq: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.intp]]:
    """Order and index of each pixel along the nested curve, none in another; and the row of each."""
    if (uniq < 4).any() or (uniq >= 4 ** (MAX_ORDER + 2)).any():
        raise ValueError("UNIQ must be a pixel of order 0 to 29")
    level, index = astropy_healpix.uniq_to_level_ipix(uniq)
    finer = 2 * (MAX_ORDER - level)
    first = index << finer
    # Stable, as a file in order of UNIQ is one run for each order, which that sort only merges.
    rows = np.argsort(first, kind="stable")
    begins, finer = first[rows], finer[rows]
    if (begins[1:] < begins[:-1] + (1 << finer[:-1])).any():
        raise ValueError("UNIQ has pixels that overlap")
    return level[rows], index[rows], rows


def _distances(table: fits_table.Table, rows: NDArray[np.intp]) -> Distances:
    """Pixels without a distance have DISTMU infinite and DISTNORM 0 in them, and NaN in some old maps."""
    mu, sigma, norm = (
        table.column(name).astype(np.float64)[rows] for name in ("DISTMU", "DISTSIGMA", "DISTNORM")
    )
    known = (np.abs(mu) <= MAX_MPC) & (sigma >= MIN_MPC) & (sigma <= MAX_MPC)  # not of NaN either
    given = known & (norm > 0) & (norm < math.inf)
    return Distances(np.where(given, mu, 0.0), np.where(given, sigma, 1.0), np.where(given, norm, 0.0))


def _distance(header: dict[str, fits_table.Value], name: str) -> float | None:
    """Bursts have no distance."""
    value = header.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise ValueError(f"{name} must be a distance in Mpc")
    return float(value)
