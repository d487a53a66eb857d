"""The reader of one binary table, against what astropy writes and reads."""

import io

import numpy as np
import pytest
from astropy.io import fits

from ovro_alert.sky import fits_table

# One column of every letter of the standard's table 18, some of them several elements wide.
FORMATS = {letter: letter for letter in "LBIJKEDCM"} | {
    "X": "11X",
    "A": "7A",
    "P": "PJ()",
    "Q": "QD()",
    "V": "3E",
}
ROWS = 5


def file_bytes(hdu: fits.BinTableHDU, primary: fits.PrimaryHDU | None = None) -> bytes:
    file = io.BytesIO()
    fits.HDUList([primary or fits.PrimaryHDU(), hdu]).writeto(file)
    return file.getvalue()


def every_format() -> fits.BinTableHDU:
    table = fits.BinTableHDU.from_columns(
        [fits.Column(name, form) for name, form in FORMATS.items()], nrows=ROWS
    )
    for name in "BIJKED":
        table.data[name] = np.arange(ROWS) * 3 - (0 if name == "B" else 7)
    return table


def test_plain_columns_among_those_of_every_other_format() -> None:
    table = fits_table.read(file_bytes(every_format()))
    for name in "BIJKED":
        expected = np.arange(ROWS) * 3 - (0 if name == "B" else 7)
        assert table.column(name).tolist() == expected.tolist()
    for name in set(FORMATS) - set("BIJKED"):
        with pytest.raises(ValueError, match=f"plain numbers in the column {name}"):
            table.column(name)
    with pytest.raises(ValueError, match="lacks the column Z"):
        table.column("Z")


VALUES = {
    "WORD": "O'Hara's",
    "BLANK": "",
    "PADDED": "  leading",
    "YES": True,
    "NO": False,
    "WHOLE": -42,
    "REAL": 464.91195198972713,
    "SMALL": 1e-300,
    "LONG": "words " * 20,  # goes on in CONTINUE cards, of which the first piece is kept
}


def test_header_values_as_astropy_writes_them() -> None:
    hdu = every_format()
    for name, value in VALUES.items():
        hdu.header[name] = (value, "a comment / with a slash")
    header = fits_table.read(file_bytes(hdu)).header
    for name, value in VALUES.items():
        if name != "LONG":
            assert header[name] == value
            assert type(header[name]) is type(value)
    assert str(header["LONG"]).startswith("words words")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"1.5D3", 1500.0),
        (b"-.5", -0.5),
        (b"+7.", 7.0),
        (b"1_000", "1_000"),  # Python's own spelling is no number of FITS
        (b"nan", "nan"),
        (b"0x10", "0x10"),
        (b"9" * 40, 1e40),
    ],
)
def test_numbers_are_those_of_the_standard(text: bytes, value: object) -> None:
    raw = file_bytes(every_format())
    at = raw.index(b"GCOUNT  =")
    card = b"MINE    = " + text.ljust(70)
    header = fits_table.read(raw[:at] + card + raw[at + 80 :]).header
    assert header["MINE"] == (pytest.approx(value, rel=1e-12) if isinstance(value, float) else value)


def scaled() -> bytes:
    """Unsigned whole numbers, which FITS writes as signed ones with an offset."""
    column = fits.Column("U", "K", bzero=2**63, array=np.arange(ROWS, dtype=np.uint64))
    return file_bytes(fits.BinTableHDU.from_columns([column]))


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (scaled(), "without TSCAL and TZERO"),
        (file_bytes(every_format(), fits.PrimaryHDU(np.zeros((3, 3)))), "an image before its table"),
        (b"SIMPLE  =                    T".ljust(2880), "a header has no end"),
        (file_bytes(fits.ImageHDU(np.zeros((3, 3)))), "no binary table in its first extension"),
    ],
)
def test_other_files_are_refused(raw: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        fits_table.read(raw)
