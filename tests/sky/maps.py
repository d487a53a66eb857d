"""Small multi-order sky maps, written by astropy: another writer than our reader."""

import io

import numpy as np
from astropy.io import fits
from numpy.typing import ArrayLike, NDArray


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
