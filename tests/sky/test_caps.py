"""What an instrument sees of a sky map: against closed forms, and pixels counted by astropy's own angles."""

import base64
import json
import math
from datetime import UTC, datetime

import astropy.units as u
import astropy_healpix
import numpy as np
import pytest
from astropy.coordinates import AltAz, EarthLocation, HADec, SkyCoord
from astropy.time import Time
from astropy.utils import iers
from hypothesis import given, settings
from hypothesis import strategies as st

from ovro_alert.demo.sample_map import sky_map
from ovro_alert.sky import skymap
from ovro_alert.sky.caps import Cap, above, beam, probability_inside, transit
from ovro_alert.sky.skymap import MultiOrderMap
from ovro_alert.sky.visibility import OVRO_LWA, Site
from tests.sky.maps import blobs, drawn, fine

NOW = datetime(2026, 3, 4, 5, 30, tzinfo=UTC)
EFFELSBERG = Site(4033947.3, 486990.8, 4900430.8)
ORDER = 8
PLACES = st.tuples(st.floats(0, 360), st.floats(-90, 90))
MIXED = skymap.read(sky_map(359.0, 62.0, 25.0, 10.0, 100.0))  # pixels of orders 4 to 10

# Base pixels, and one of them cut in pieces; and the same cut everywhere as finely.
OF_SIZES = MultiOrderMap(
    np.array([0] * 11 + [1] * 3 + [3] * 16),
    np.array([*range(11), 44, 45, 46, *range(752, 768)]),
    np.arange(1.0, 31),
)
OF_ONE_SIZE = drawn(3, lambda _: fine(OF_SIZES, 3))


@pytest.fixture(autouse=True, scope="module")
def bundled_earth_orientation():
    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("iers_degraded_accuracy", "ignore"):
        yield


def even(order):
    return drawn(order, lambda _: np.ones(1))


def cap_share(radius):
    return (1 - math.cos(math.radians(radius))) / 2


def counted(sky, is_inside):
    """The share of fine pixels whose centres are inside, by what astropy says of their directions."""
    lon, lat = astropy_healpix.healpix_to_lonlat(np.arange(12 * 4**ORDER), 2**ORDER, order="nested")
    density = fine(sky, ORDER)
    rows = np.flatnonzero(density)
    inside = is_inside(SkyCoord(lon[rows], lat[rows]))
    return density[rows][inside].sum() / density.sum()


def turned(sky):
    """The sky turned by 90° of right ascension: HEALPix is the same in each quarter."""
    base, rest = np.divmod(sky.index, 4**sky.level)
    return MultiOrderMap(sky.level, (base // 4 * 4 + (base + 1) % 4) * 4**sky.level + rest, sky.density)


@given(PLACES, st.floats(0.001, 179.9), st.sampled_from([0, 1, 4]))
@settings(max_examples=150, deadline=None)
def test_a_beam_has_its_share_of_an_even_sky_however_large_the_pixels_are(place, radius, order):
    assert probability_inside(even(order), [beam(*place, radius)]) == pytest.approx(
        cap_share(radius), rel=0.01
    )


@pytest.mark.parametrize("radius", [0.5, 2, 6, 20])
def test_a_beam_about_the_centre_of_a_gaussian(radius):
    sky = drawn(7, blobs((40, 20, 3, 1)))
    found = probability_inside(sky, [beam(40, 20, radius)])
    assert found == pytest.approx(1 - math.exp(-((radius / 3) ** 2) / 2), rel=0.01)


@pytest.mark.parametrize(("ra", "dec"), [(359.5, 60.0), (0.5, 89.0), (10.0, 45.0), (120.0, -30.0)])
@pytest.mark.parametrize("radius", [4, 25, 100])
def test_a_beam_across_pixels_of_many_sizes_is_what_counting_finds(ra, dec, radius):
    centre = SkyCoord(ra, dec, unit="deg")
    expected = counted(MIXED, lambda at: at.separation(centre).deg < radius)
    # Of the 950 pixels that a beam of 4° has, counting is wrong by some at the edge.
    assert probability_inside(MIXED, [beam(ra, dec, radius)]) == pytest.approx(expected, rel=0.015, abs=1e-6)


@pytest.mark.parametrize("site", [OVRO_LWA, EFFELSBERG])
@pytest.mark.parametrize("lowest", [0, 30, 45])
def test_what_is_above_an_altitude_is_so_by_astropy(lowest, site):
    place = EarthLocation.from_geocentric(site.x, site.y, site.z, unit=u.m)
    frame = AltAz(obstime=Time(NOW), location=place)
    sky = drawn(6, blobs((150, 0, 25, 1), (100, 70, 20, 1)))
    sky = MultiOrderMap(sky.level, sky.index, np.where(sky.density > sky.density.max() / 50, sky.density, 0))
    expected = counted(sky, lambda at: at.transform_to(frame).alt.deg > lowest)
    assert 0.01 < expected < 0.99
    assert probability_inside(sky, [above(lowest, NOW, site)]) == pytest.approx(expected, rel=0.005)


@pytest.mark.parametrize("lowest", [-90, -30, 0, 20, 60, 89])
def test_of_an_even_sky_the_higher_the_less_is_up(lowest):
    expected = (1 - math.sin(math.radians(lowest))) / 2
    assert probability_inside(even(4), [above(lowest, NOW)]) == pytest.approx(expected, rel=0.01)


def test_a_beam_that_the_horizon_halves():
    up = above(0, NOW)
    east = np.cross(up.axis, [0, 0, 1])
    half = probability_inside(even(3), [Cap(east / np.linalg.norm(east), 5), up])
    assert half == pytest.approx(cap_share(5) / 2, rel=0.01)


@pytest.mark.parametrize(("dec", "height", "width"), [(37, 3, 20), (70, 1, 0.5), (-20, 10, 180), (89, 6, 90)])
def test_a_transit_instrument_has_its_strip_of_an_even_sky(dec, height, width):
    top, bottom = (math.sin(math.radians(min(90, dec + sign * height / 2))) for sign in (1, -1))
    found = probability_inside(even(2), transit(dec, height, width, NOW))
    assert found == pytest.approx((top - bottom) / 2 * width / 360, rel=0.01)


@given(PLACES, st.floats(-40, 89), st.floats(1, 30), st.floats(1, 180))
@settings(max_examples=80, deadline=None)
def test_what_is_in_transit_is_so_by_astropy(place, dec, height, width):
    site = EarthLocation.from_geocentric(OVRO_LWA.x, OVRO_LWA.y, OVRO_LWA.z, unit=u.m)
    seen = SkyCoord(*place, unit="deg").transform_to(HADec(obstime=Time(NOW), location=site))
    inside = min(height / 2 - abs(seen.dec.deg - dec), width / 2 - abs(seen.ha.wrap_at("180d").deg))
    if abs(inside) < 0.05 or abs(place[1]) > 89:
        return  # on the edge; or where hour angles mean little
    index = astropy_healpix.lonlat_to_healpix(*place * u.deg, 2**20, order="nested")
    point = MultiOrderMap(np.array([20]), np.array([index]), np.ones(1))
    assert probability_inside(point, transit(dec, height, width, NOW)) == (1 if inside > 0 else 0)


@given(PLACES, st.floats(0, 180), st.floats(0, 180))
@settings(max_examples=100, deadline=None)
def test_a_wider_beam_has_more_and_the_rest_of_the_sky_what_it_has_not(place, one, other):
    narrow, wide = sorted((one, other))
    less, more = (probability_inside(MIXED, [beam(*place, radius)]) for radius in (narrow, wide))
    assert 0 <= less <= more + 2e-3  # of edges that are drawn as straight
    assert more <= 1
    rest = probability_inside(MIXED, [Cap(-beam(*place, wide).axis, 180 - wide)])
    assert more + rest == pytest.approx(1, abs=1e-9)


@given(PLACES, st.floats(0.1, 120))
@settings(max_examples=50, deadline=None)
def test_where_right_ascension_begins_does_not_matter(place, radius):
    here = probability_inside(MIXED, [beam(*place, radius)])
    there = probability_inside(turned(MIXED), [beam(place[0] + 90, place[1], radius)])
    assert there == pytest.approx(here, abs=1e-6)


@given(PLACES, st.floats(1, 120))
@settings(max_examples=50, deadline=None)
def test_pixels_of_many_sizes_are_as_good_as_all_of_the_smallest(place, radius):
    found = (probability_inside(sky, [beam(*place, radius)]) for sky in (OF_SIZES, OF_ONE_SIZE))
    assert next(found) == pytest.approx(next(found), rel=0.01, abs=1e-6)


def test_rows_in_any_order_and_a_map_of_a_part_of_the_sky():
    rows = np.random.default_rng(3).permutation(len(MIXED.level))
    mixed_up = MultiOrderMap(MIXED.level[rows], MIXED.index[rows], MIXED.density[rows])
    caps = [beam(10, 45, 25)]
    assert probability_inside(mixed_up, caps) == pytest.approx(probability_inside(MIXED, caps), abs=1e-9)
    # Two of the twelve: of base pixel 5 (about ra 90, dec 0) three quarters, of 9 (dec -41.8) the rest.
    part = MultiOrderMap(np.zeros(2, int), np.array([9, 5]), np.array([1.0, 3.0]))
    assert probability_inside(part, [Cap(np.array([0.0, 0.0, 1.0]), 180)]) == 1
    north = probability_inside(part, [Cap(np.array([0.0, 0.0, 1.0]), 90)])
    assert north == pytest.approx(3 / 4 / 2, rel=0.01)


def test_what_does_not_meet_has_nothing_and_the_whole_sky_has_all():
    sky = even(3)
    assert probability_inside(sky, [beam(10, 80, 5), beam(10, 60, 5)]) == 0
    assert probability_inside(sky, [beam(10, 80, 0)]) == 0
    for everything in ([], [beam(10, 80, 180)], [above(-90, NOW)]):
        assert probability_inside(sky, everything) == pytest.approx(1)


@pytest.mark.parametrize("name", ["S241102br-initial", "S241102br-update", "gw_notice_significant"])
def test_maps_as_they_are_sent(corpus, name):
    notice = json.loads((corpus / "igwn" / f"{name}.json").read_bytes())
    sky = skymap.read(base64.b64decode(notice["event"]["skymap"]))
    ra, dec = skymap.densest(sky)
    centre = SkyCoord(ra, dec, unit="deg")
    for radius in (3, 10, 60):
        expected = counted(sky, lambda at, radius=radius: at.separation(centre).deg < radius)
        assert probability_inside(sky, [beam(ra, dec, radius)]) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (lambda: beam(1, 2, -1), "-1 is not a radius"),
        (lambda: beam(1, 2, 181), "not a radius"),
        (lambda: beam(1, 2, math.nan), "not a radius"),
        (lambda: beam(math.nan, 2, 1), "not a direction"),
        (lambda: beam(1, 90.5, 1), "not a direction"),
        (lambda: above(91, NOW), "91 is not an altitude"),
        (lambda: above(math.nan, NOW), "not an altitude"),
        (lambda: transit(40, 0, 30, NOW), "not a strip"),
        (lambda: transit(40, 3, 181, NOW), "not a strip"),
        (lambda: transit(math.nan, 3, 30, NOW), "not a strip"),
    ],
)
def test_what_cannot_be_is_refused(asked, reason):
    with pytest.raises(ValueError, match=reason):
        asked()
