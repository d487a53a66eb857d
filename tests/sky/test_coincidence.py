"""Coincidences on simulated skies whose truth is known, and against sums done otherwise.

`pytest -s` prints how complete the search was, and its false coincidences beside those that are expected.
"""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import astropy.units as u
import astropy_healpix
import numpy as np
import pytest

from ovro_alert.alert import Localization
from ovro_alert.demo.sample_map import sky_map
from ovro_alert.sky.coincidence import LEAST_TIME_ERROR_S, Burst, Rate, compare
from ovro_alert.sky.overlap import OnMap, of_positions
from ovro_alert.sky.positions import sigma
from ovro_alert.sky.skymap import MultiOrderMap, credible_areas, read
from tests.sky.maps import fine

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
SKY = 41252.96124941927  # deg²
CHIME = Localization(ra=0, dec=0, error_deg=0.25, containment=0.95)
DSA = Localization(ra=0, dec=0, error_deg=0.02, containment=0.9)
# Seconds at a DM of 1, by the constant 4148.808.
LATER = {400.0: 4148.808 / 400**2, 1530.0: 4148.808 / 1530**2, None: 0.0}


@pytest.fixture
def rng():
    return np.random.default_rng(20260304)


def directions(rng, count):
    vectors = rng.normal(size=(count, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def moved(rng, vectors, angles):
    """Vectors moved by angles (rad), each in a direction of its own."""
    aside = np.cross(vectors, directions(rng, len(vectors)))
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    return np.cos(angles)[:, None] * vectors + np.sin(angles)[:, None] * aside


def positions(vectors, like):
    """Vectors as positions with the error of another."""
    ra = np.degrees(np.arctan2(vectors[:, 1], vectors[:, 0])) % 360
    dec = np.degrees(np.arcsin(np.clip(vectors[:, 2], -1, 1)))
    return [
        like.model_copy(update={"ra": float(one), "dec": float(other)})
        for one, other in zip(ra, dec, strict=True)
    ]


def measured(rng, vectors, like):
    """Where an instrument with a round Gaussian error would put them."""
    spread = math.radians(like.error_deg / math.sqrt(-2 * math.log(1 - like.containment)))
    return positions(moved(rng, vectors, spread * np.sqrt(rng.chisquare(2, len(vectors)))), like)


def bursts(rng, at, seconds, dms, dm_error, reference_mhz):
    """Bursts as a telescope measures them, that would come without dispersion at so many s after NOW."""
    times = seconds + dms * LATER[reference_mhz] + rng.normal(0, LEAST_TIME_ERROR_S / math.sqrt(2), len(at))
    dms = dms + rng.normal(0, dm_error, len(at))
    return [
        Burst(place, NOW + timedelta(seconds=float(time)), float(dm), dm_error, reference_mhz)
        for place, time, dm in zip(at, times, dms, strict=True)
    ]


def is_poisson(count, expected, known_to=0.0):
    return abs(count - expected) < 3.5 * math.sqrt(expected) + known_to * expected


@pytest.mark.parametrize(
    ("first", "second"), [((2.0, 400.0), (1.2, 1530.0)), ((1.0, 1530.0), (3.0, None)), ((1.0, 400.0),) * 2]
)
def test_bursts_that_are_one_are_found_as_often_as_is_promised(rng, first, second):
    truth, dms = directions(rng, 3000), rng.uniform(100, 3000, 3000)
    ones = bursts(rng, measured(rng, truth, CHIME), 0, dms, *first)
    others = bursts(rng, measured(rng, truth, DSA), 0, dms, *second)
    complete = np.mean([compare(one, other).is_one for one, other in zip(ones, others, strict=True)])
    print(f"\none burst, {first} and {second}: {complete:.4f} found, of 0.99³ = {0.99**3:.4f}")
    assert complete == pytest.approx(0.99**3, abs=0.01)


def test_bursts_that_are_two_are_taken_for_one_as_often_as_is_expected(rng):
    trials, each, near_deg, most_s, spread = 1000, 40, 0.6, 8.0, 20.0
    near = SKY / 2 * (1 - math.cos(math.radians(near_deg)))
    rate = Rate(each * 86400 / (2 * most_s), near, spread)
    found = expected = 0
    centres = directions(rng, trials)
    ones = bursts(rng, positions(centres, CHIME), 0, np.full(trials, 500.0), 2.0, 400.0)
    for centre, one in zip(centres, ones, strict=True):
        cosines = rng.uniform(math.cos(math.radians(near_deg)), 1, each)
        places = positions(moved(rng, np.tile(centre, (each, 1)), np.arccos(cosines)), DSA)
        dms = rng.uniform(500 - spread / 2, 500 + spread / 2, each)
        others = bursts(rng, places, rng.uniform(-most_s, most_s, each), dms, 1.2, 1530.0)
        comparisons = [compare(one, other) for other in others]
        found += sum(comparison.is_one for comparison in comparisons)
        expected += comparisons[0].expected(rate)
    print(f"\ntwo bursts: {found} taken for one, of {expected:.1f} that are expected")
    assert expected > 50
    assert is_poisson(found, expected)


def test_the_times_of_one_burst_differ_by_its_dispersion_and_no_more():
    at = Localization(ra=100.0, dec=40.0)
    chime = Burst(at, NOW, 500.0, 0.5, 400.0)
    # 4148.808 × 500 × (400⁻² − 1530⁻²) = 12.0788 s earlier at the top of DSA-110's band.
    dsa = Burst(at, NOW - timedelta(seconds=12.0788), 500.0, 0.5, 1530.0)
    same = compare(chime, dsa)
    assert same.seconds_apart == pytest.approx(0, abs=1e-3)
    assert same.is_one
    assert not compare(chime, replace(dsa, time=NOW)).is_one
    assert not compare(chime, replace(dsa, dm=505.0)).is_one
    # A DM that is known worse puts the times further apart: by 0.0242 s for 1 pc cm⁻³.
    worse = compare(replace(chime, dm_error=20.0), replace(dsa, dm_error=20.0))
    assert worse.window_s == pytest.approx(2.576 * math.hypot(0.05, 0.02416 * 20 / math.sqrt(2)), rel=1e-3)
    assert worse.dm_range == pytest.approx(2.576 * 20 * math.sqrt(2), rel=1e-3)
    assert compare(dsa, chime).seconds_apart == pytest.approx(-same.seconds_apart)


def test_the_nearer_of_two_is_the_likelier():
    burst = Burst(Localization(ra=10.0, dec=0.0, error_deg=0.2, containment=0.95), NOW, 300.0, 1.0, None)
    near = replace(burst, at=Localization(ra=10.05, dec=0.0))
    far = replace(burst, at=Localization(ra=10.1, dec=0.0))
    assert compare(burst, near).far < compare(burst, far).far


@pytest.mark.parametrize(("error", "apart"), [(0.1, 0.05), (2.0, 1.0), (2.0, 5.0)])
def test_the_overlap_of_two_positions_is_the_integral_of_their_product(error, apart):
    one = Localization(ra=80.0, dec=20.0, error_deg=error, containment=0.9)
    other = Localization(ra=80.0, dec=20.0 + apart, error_deg=error / 2, containment=0.5)
    # By cells of the tangent plane.
    step = error / 100
    x, y = np.meshgrid(*(np.arange(-6 * error, 6 * error, step),) * 2)
    s, t = sigma(one), sigma(other)
    product = np.exp(-(x**2 + y**2) / (2 * s**2)) / (2 * math.pi * s**2)
    product *= np.exp(-(x**2 + (y - apart) ** 2) / (2 * t**2)) / (2 * math.pi * t**2)
    overlap = of_positions(one, other)
    assert overlap.integral == pytest.approx(SKY * product.sum() * step**2, rel=1e-3)
    assert overlap.area_deg2 == pytest.approx(math.pi * (s**2 + t**2) * -2 * math.log(0.01))
    assert overlap.is_one == (apart**2 / (s**2 + t**2) <= -2 * math.log(0.01))


def arc(order=5):
    """A map along an arc of a great circle, as two detectors make it: all in pixels of one order."""
    pixels = np.arange(12 * 4**order)
    lon, lat = (one.rad for one in astropy_healpix.healpix_to_lonlat(pixels, 2**order, order="nested"))
    density = np.exp(-((lat - 0.3) ** 2) / (2 * 0.04**2)) * np.exp(-((lon - 3.0) ** 2) / (2 * 0.6**2))
    density /= density.sum() * 4 * math.pi / len(pixels)
    return MultiOrderMap(np.full(len(pixels), order), pixels, density)


MAPS = {"ellipse": read(sky_map(197.45, -3.38, 9.0, 1.6, 104.0)), "arc": arc()}
ERRORS = [0.05, 1.0, 5.0, 10.0, 25.0]


def drawn(rng, sky, count):
    """Directions drawn from a map, anywhere in its pixels."""
    share = sky.density * 4.0**-sky.level
    rows = rng.choice(len(share), count, p=share / share.sum())
    where = astropy_healpix.healpix_to_lonlat(
        sky.index[rows], 2 ** sky.level[rows], *rng.random((2, count)), order="nested"
    )
    lon, lat = (one.rad for one in where)
    return np.column_stack((np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)))


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("name", MAPS)
def test_what_is_of_one_thing_overlaps_its_map_and_what_is_not_as_often_as_is_expected(rng, name, error):
    like = Localization(ra=0, dec=0, error_deg=error, containment=0.9)
    on_map, count = OnMap(MAPS[name]), 700
    of_one = [on_map.overlap(place) for place in measured(rng, drawn(rng, MAPS[name], count), like)]
    of_two = [on_map.overlap(place) for place in positions(directions(rng, count), like)]
    complete = np.mean([overlap.is_one for overlap in of_one])
    found = sum(overlap.is_one for overlap in of_two)
    expected = count * of_two[0].area_deg2 / SKY
    print(f"\n{name}, {error}°: {complete:.4f} found; by chance {found}, of {expected:.1f} expected")
    assert complete >= 0.975
    assert is_poisson(found, expected, known_to=0.15)  # as areas of a map are
    # What is of one thing is told from what is not by I_Ω: above 1 the one is likelier.
    assert np.median([overlap.integral for overlap in of_one]) > 1
    assert np.mean([overlap.integral for overlap in of_two]) == pytest.approx(1, abs=0.6)


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize(("ra", "dec"), [(198.0, 0.0), (177.0, 16.0), (160.0, 18.0), (20.0, -80.0)])
def test_the_overlap_integral_is_the_sum_over_a_finer_sky(name, ra, dec):
    density = fine(MAPS[name], 8)
    pixels = np.arange(len(density))
    lon, lat = (one.rad for one in astropy_healpix.healpix_to_lonlat(pixels, 2**8, order="nested"))
    for error in (2.0, 5.0, 10.0, 25.0):
        position = Localization(ra=ra, dec=dec, error_deg=error, containment=0.9)
        spread = math.radians(error / math.sqrt(-2 * math.log(0.1)))
        halves = np.sin((lat - math.radians(dec)) / 2) ** 2
        halves += np.cos(lat) * math.cos(math.radians(dec)) * np.sin((lon - math.radians(ra)) / 2) ** 2
        found = np.exp(-((2 * np.arcsin(np.sqrt(halves))) ** 2) / (2 * spread**2))
        expected = 4 * math.pi * (density * found).sum() / found.sum()
        assert OnMap(MAPS[name]).integral(position) == pytest.approx(expected, rel=0.15, abs=0.1), error


def test_a_place_without_error_overlaps_by_the_density_of_its_pixel():
    sky = arc()
    place = Localization(ra=177.1, dec=17.3, error_deg=1e-4, containment=0.9)
    pixel = astropy_healpix.HEALPix(2**5, "nested").lonlat_to_healpix(177.1 * u.deg, 17.3 * u.deg)
    overlap = OnMap(sky).overlap(place)
    assert overlap.integral == pytest.approx(4 * math.pi * sky.density[pixel])
    denser = sky.density > sky.density[pixel]
    assert overlap.level == pytest.approx(sky.density[denser].sum() / sky.density.sum(), abs=0.01)
    assert overlap.area_deg2 == pytest.approx(credible_areas(sky, [0.99])[0], rel=0.05)


def test_a_map_need_not_cover_the_sky_nor_hold_all_of_the_probability():
    part = MultiOrderMap(np.array([1, 1]), np.array([0, 1]), np.array([3.0, 1.0]))
    there = Localization(ra=45.0, dec=20.0, error_deg=1e-4)  # the southernmost of the base pixel's four
    assert OnMap(part).integral(there) == pytest.approx(48 * 3 / 4)
    elsewhere = OnMap(part).overlap(Localization(ra=200.0, dec=-60.0, error_deg=0.1))
    assert (elsewhere.integral, elsewhere.level, elsewhere.is_one) == (0, 1, False)


@pytest.mark.parametrize("error", [0.5, 5.0, 25.0])
def test_only_where_a_map_is_denser_than_elsewhere_counts(error):
    """Not how dense: some maps' probabilities do not add up to 1."""
    sky, place = arc(), Localization(ra=177.0, dec=17.0, error_deg=error)
    tenth = MultiOrderMap(sky.level, sky.index, sky.density / 10)
    one, other = OnMap(sky).overlap(place), OnMap(tenth).overlap(place)
    assert (other.integral, other.level) == pytest.approx((one.integral, one.level))
    assert other.area_deg2 == pytest.approx(one.area_deg2)
