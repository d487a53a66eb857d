"""Statistics of multi-order sky maps, against answers worked by hand and a second way of working them out."""

import base64
import gzip
import io
import json
import math
from fractions import Fraction
from pathlib import Path

import astropy_healpix
import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from ovro_alert.sky import skymap
from tests.sky.maps import fits_bytes, whole_sky

SKY = 41252.96124941927  # deg²: 4π (180/π)²


def gaussian(order: int, ra: float, dec: float, sigma_deg: float) -> bytes:
    lon, lat = astropy_healpix.healpix_to_lonlat(np.arange(12 * 4**order), 2**order, order="nested")
    cosine = np.sin(lat) * np.sin(np.radians(dec)) + np.cos(lat) * np.cos(np.radians(dec)) * np.cos(
        lon.rad - np.radians(ra)
    )
    squares = 2 * (1 - cosine.value) / np.radians(sigma_deg) ** 2
    return fits_bytes(whole_sky(order), np.exp(-squares / 2))


@pytest.mark.parametrize("order", [0, 1, 4])
def test_uniform_sky(order: int) -> None:
    sky = skymap.read(fits_bytes(whole_sky(order), np.ones(12 * 4**order)))
    assert skymap.areas_deg2(sky).sum() == pytest.approx(SKY, rel=1e-12)
    assert skymap.credible_areas(sky, (0.5, 0.9, 1.0)) == pytest.approx([SKY / 2, 0.9 * SKY, SKY], rel=1e-9)


def test_one_pixel_holds_everything() -> None:
    """A pixel of order 3 is a 768th of the sky; half its probability needs half of it."""
    density = np.zeros(768)
    density[100] = 5.0
    summary = skymap.summarize(skymap.read(fits_bytes(whole_sky(3), density)))
    assert summary.area_90_deg2 == pytest.approx(0.9 * SKY / 768)
    assert summary.area_50_deg2 == pytest.approx(0.5 * SKY / 768)
    assert summary.pixels == 768


def test_pixels_of_two_orders() -> None:
    """Base pixel 0 whole, base pixel 1 in quarters of which one is dense: shares worked by hand.

    Areas are A = 1/12 of the sky and A/4; densities 1 and 12, so shares are A : 3A, a quarter and three.
    """
    uniq = [4, 16 + 4, 16 + 5, 16 + 6, 16 + 7]
    sky = skymap.read(fits_bytes(uniq, [1, 12, 0, 0, 0]))
    base = SKY / 12
    assert skymap.credible_areas(sky, (0.375, 0.75, 0.875, 1.0)) == pytest.approx(
        [base / 8, base / 4, base / 4 + base / 2, base / 4 + base]
    )


def test_gaussian_in_the_small_angle_limit() -> None:
    """∫₀ʳ of a Gaussian holds p within πr² = 2πσ² ln(1/(1−p))."""
    summary = skymap.summarize(skymap.read(gaussian(7, 40.0, 20.0, 3.0)))
    assert summary.area_90_deg2 == pytest.approx(2 * math.pi * 9 * math.log(10), rel=0.01)
    assert summary.area_50_deg2 == pytest.approx(2 * math.pi * 9 * math.log(2), rel=0.01)
    assert summary.ra == pytest.approx(40.0, abs=0.5)
    assert summary.dec == pytest.approx(20.0, abs=0.5)


def test_a_fine_pixel_where_floats_no_longer_tell_orders_apart() -> None:
    """The last pixel of order 28 is one below the first of order 29, and as a float the same."""
    last, first = 16 * 4**28 - 1, 4 * 4**29
    assert float(last) == float(first)
    sky = skymap.read(fits_bytes([last, first], [1.0, 2.0]))
    assert sky.level.tolist() == [29, 28]  # as they lie along the nested curve
    assert sky.index.tolist() == [0, 12 * 4**28 - 1]


def test_distance_is_the_headers() -> None:
    sky = skymap.read(fits_bytes(whole_sky(0), np.ones(12), DISTMEAN=104.5, DISTSTD=20))
    assert (sky.distance_mpc, sky.distance_std_mpc) == (104.5, 20.0)
    burst = skymap.summarize(skymap.read(fits_bytes(whole_sky(0), np.ones(12))))
    assert burst.distance_mpc is None
    assert burst.distance_std_mpc is None


def test_the_arrays_cannot_be_changed() -> None:
    sky = skymap.read(fits_bytes(whole_sky(0), np.ones(12)))
    with pytest.raises(ValueError, match="read-only"):
        sky.density[0] = 2.0


def test_gzipped() -> None:
    raw = fits_bytes(whole_sky(1), np.ones(48))
    assert skymap.summarize(skymap.read(gzip.compress(raw))) == skymap.summarize(skymap.read(raw))


def unpacks_too_large() -> bytes:
    return gzip.compress(b"SIMPLE  =" + bytes(skymap.MAX_BYTES))


def with_header(name: bytes, value: bytes) -> bytes:
    """A map whose header says something else; astropy itself would not write it."""
    raw = fits_bytes(whole_sky(1), np.ones(48))
    start = raw.index(name.ljust(8) + b"=", 2880)
    return raw[: start + 10] + value.rjust(20).ljust(70) + raw[start + 80 :]


ONES = np.ones(12)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not a FITS file"),
        (b"PK\x03\x04 not FITS", "not a FITS file"),
        (b"BZh91AY&SY", "not a FITS file"),  # astropy would unpack it
        (b"SIMPLE  =                    T", "FITS table|no table"),
        (fits_bytes(whole_sky(0), ONES)[:2880], "no table"),
        (fits_bytes(whole_sky(0), ONES)[:5000], "cut off"),
        (fits_bytes(whole_sky(2), np.ones(192))[:-2880], "cut off|FITS table"),
        (fits_bytes(whole_sky(0), ONES, ORDERING="NESTED"), "ORDERING=NUNIQ"),
        (fits_bytes(whole_sky(0), ONES, ORDERING=None), "ORDERING=NUNIQ"),
        (fits_bytes(whole_sky(0), ONES, COORDSYS="G"), "COORDSYS=C"),
        (fits_bytes([], []), "no rows"),
        (fits_bytes([3], [1.0]), "UNIQ must be"),
        (fits_bytes([-5], [1.0]), "UNIQ must be"),
        (fits_bytes([4**31], [1.0]), "UNIQ must be"),
        (fits_bytes([4, 4], [1.0, 1.0]), "overlap"),
        (fits_bytes([16, 4], [1.0, 1.0]), "overlap"),
        (fits_bytes([4], [math.nan]), "finite"),
        (fits_bytes([4], [math.inf]), "finite"),
        (fits_bytes([4], [-1.0]), "not negative"),
        (fits_bytes([4], [1e300]), "finite"),  # its sum would not be
        (fits_bytes([4], [0.0]), "0 all over"),
        (fits_bytes([4.0], [1.0], kind="D"), "whole numbers"),
        (fits_bytes(whole_sky(0), ONES, DISTMEAN=-1.0), "DISTMEAN"),
        (fits_bytes(whole_sky(0), ONES, DISTMEAN="far"), "DISTMEAN"),
        (fits_bytes(whole_sky(0), ONES, DISTSTD=True), "DISTSTD"),
        (with_header(b"NAXIS2", b"99999999999999"), "cut off|FITS table"),
        (with_header(b"NAXIS2", b"-1"), "no rows|FITS table"),
        (with_header(b"NAXIS1", b"0"), "cut off|FITS table"),
        (with_header(b"NAXIS1", b"8"), "do not fill"),
        (with_header(b"TFIELDS", b"999999999"), "columns"),
        (with_header(b"TTYPE1", b"'UNIX    '"), "lacks the column UNIQ"),
        (gzip.compress(fits_bytes(whole_sky(0), ONES))[:-20], "cut off"),
        (b"\x1f\x8b\x08 nothing of the kind", "gzip"),
        (b"SIMPLE  =" + bytes(skymap.MAX_BYTES), "larger than"),
        (unpacks_too_large(), "larger than"),
    ],
)
def test_what_is_no_sky_map_is_refused_with_the_reason(raw: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        skymap.read(raw)


def test_a_map_cut_anywhere_is_refused() -> None:
    raw = fits_bytes(whole_sky(2), np.ones(192))
    end = raw.rindex(np.ones(1).astype(">f8").tobytes()) + 8  # what follows only fills the last block
    for length in range(0, end, 97):
        with pytest.raises(ValueError, match=r"not a FITS file|no table|FITS table|cut off"):
            skymap.read(raw[:length])


SMALL = fits_bytes(whole_sky(0), ONES, DISTMEAN=100.0)


@given(st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255)), min_size=1, max_size=4))
@settings(max_examples=300, deadline=None)
def test_a_damaged_map_gives_a_map_or_a_value_error(damage: list[tuple[int, int]]) -> None:
    raw = bytearray(SMALL)
    for place, value in damage:
        raw[place] = value
    try:
        summary = skymap.summarize(skymap.read(bytes(raw)))
    except ValueError:
        return
    assert 0 <= summary.area_50_deg2 <= summary.area_90_deg2 <= SKY * 1.000001


def areas_by_counting(raw: bytes, probability: float) -> float:
    """The same area by plain arithmetic on UNIQ, in exact fractions, whole pixels only."""
    with fits.open(io.BytesIO(raw)) as file:
        rows = [(float(row["PROBDENSITY"]), int(row["UNIQ"])) for row in file[1].data]
    pixels = []
    for density, uniq in rows:
        order = (uniq.bit_length() - 1) // 2 - 1
        pixels.append((density, Fraction(1, 12 * 4**order)))
    pixels.sort(reverse=True)
    whole = sum(Fraction(density) * share for density, share in pixels)
    held = area = Fraction(0)
    for density, share in pixels:
        held += Fraction(density) * share
        area += share
        if held >= Fraction(probability) * whole:
            break
    return float(area) * SKY


@pytest.mark.parametrize("name", ["S241102br-update.json", "gw_notice_significant.json"])
def test_recorded_maps_agree_with_counting_their_pixels(corpus: Path, name: str) -> None:
    notice = json.loads((corpus / "igwn" / name).read_bytes())
    raw = base64.b64decode(notice["event"]["skymap"])
    summary = skymap.summarize(skymap.read(raw))
    # Counting takes the last pixel whole, however little of it is needed.
    assert summary.area_90_deg2 == pytest.approx(areas_by_counting(raw, 0.9), rel=2e-3)
    assert summary.area_50_deg2 == pytest.approx(areas_by_counting(raw, 0.5), rel=1e-2)
