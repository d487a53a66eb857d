"""Small sky maps: files written by astropy, another writer than our reader, and maps of a density."""

import io
from collections.abc import Callable

import astropy_healpix
import numpy as np
from astropy.io import fits
from numpy.typing import ArrayLike, NDArray

from ovro_alert.sky.skymap import MultiOrderMap

Floats = NDArray[np.float64]


def fits_bytes(uniq: ArrayLike, density: ArrayLike, kind: str = "K", **header: object) -> bytes:
    """A map of these pixels; a header card of None is left out."""
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column("UNIQ", kind, array=np.asarray(uniq)),
            fits.Column("PROBDENSITY", "D", array=np.asarray(density, dtype=float)),
        ]
    )
    for name, value in {"ORDERING": "NUNIQ", "COORDSYS": "C", **header}.items():
        if value is not None:
            table.header[name] = value
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(file)
    return file.getvalue()


def whole_sky(order: int) -> NDArray[np.int64]:
    """UNIQ of all pixels of an order."""
    return np.arange(4 * 4**order, 16 * 4**order)


def vectors(ra: ArrayLike, dec: ArrayLike) -> Floats:
    """Directions (deg) as unit vectors: … × 3."""
    lon, lat = np.radians(ra), np.radians(dec)
    return np.stack((np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)), axis=-1)


def directions(order: int) -> Floats:
    """The centres of all pixels of an order."""
    lon, lat = astropy_healpix.healpix_to_lonlat(np.arange(12 * 4**order), 2**order, order="nested")
    return vectors(lon.deg, lat.deg)


def drawn(order: int, density: Callable[[Floats], Floats]) -> MultiOrderMap:
    """A map of pixels of one order, with a density of directions."""
    count = 12 * 4**order
    return MultiOrderMap(
        np.full(count, order), np.arange(count), density(directions(order)) + np.zeros(count)
    )


def blobs(*of: tuple[float, float, float, float]) -> Callable[[Floats], Floats]:
    """Gaussians of the sphere, each of a ra, dec, sigma (deg) and weight."""

    def density(at: Floats) -> Floats:
        found: Floats = np.sum(
            [
                weight / sigma**2 * np.exp((at @ vectors(ra, dec) - 1) / np.radians(sigma) ** 2)
                for ra, dec, sigma, weight in of
            ],
            axis=0,
        )
        return found

    return density


def fine(sky: MultiOrderMap, order: int) -> Floats:
    """The map's density in every pixel of an order: of what is finer in the file, the mean."""
    density = np.zeros(12 * 4**order)
    for level in np.unique(sky.level):
        rows = sky.level == level
        if level > order:
            share = sky.density[rows] * 0.25 ** (level - order)
            np.add.at(density, sky.index[rows] >> 2 * (level - order), share)
        else:
            children = np.arange(4 ** (order - level))
            density[(sky.index[rows, None] << 2 * (order - level)) + children] = sky.density[rows, None]
    return density
