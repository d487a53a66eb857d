"""Where to point: against trying beams all over the sky, each summed over points scattered in it."""

import base64
import json
import math
from datetime import UTC, datetime

import astropy.units as u
import astropy_healpix
import numpy as np
import pytest
from astropy.coordinates import AltAz, EarthLocation, SkyCoord
from astropy.time import Time
from astropy.utils import iers
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ovro_alert.demo.sample_map import sky_map
from ovro_alert.sky import skymap
from ovro_alert.sky.caps import Cap, above
from ovro_alert.sky.pointing import best_pointing
from ovro_alert.sky.skymap import MultiOrderMap
from ovro_alert.sky.visibility import OVRO_LWA
from tests.sky.maps import blobs, directions, drawn, fine, vectors

NOW = datetime(2026, 3, 4, 5, 30, tzinfo=UTC)
EXACT = 10000  # points in a beam
ANYWHERE = Cap(vectors(0, 90), 180)


def within(places, radius, count):
    """So many points evenly over each of some beams (deg): place × point × 3."""
    n = np.arange(count) + 0.5
    height = 1 - n / count * (1 - math.cos(math.radians(radius)))
    turn, out = n * math.pi * (3 - math.sqrt(5)), np.sqrt(1 - height**2)
    aside = np.where(np.abs(places[:, 2:]) < 0.9, [0.0, 0.0, 1.0], [1.0, 0.0, 0.0])
    east = np.cross(aside, places)
    east /= np.linalg.norm(east, axis=1, keepdims=True)
    north = np.cross(places, east)
    return (
        height[:, None] * places[:, None]
        + (out * np.cos(turn))[:, None] * east[:, None]
        + (out * np.sin(turn))[:, None] * north[:, None]
    )


class Raster:
    """A map on pixels of one order, and what beams hold of it."""

    def __init__(self, sky, order):
        self.share, self.order = fine(sky, order), order
        self.share /= self.share.sum()

    def held(self, places, radius, count):
        """By as many points in each beam or, where they would be too far apart, by the pixels in it."""
        if radius > 10:
            rows = self.share > self.share.max() * 1e-7
            cosine = places @ directions(self.order)[rows].T
            return (cosine > math.cos(math.radians(radius))) @ self.share[rows]
        points = within(places, radius, count)
        x, y, z = (np.ascontiguousarray(points[..., axis]) for axis in range(3))
        pixel = astropy_healpix.xyz_to_healpix(x, y, z, 2**self.order, order="nested")
        area = (1 - math.cos(math.radians(radius))) / 2 * len(self.share)  # in pixels
        return self.share[pixel].mean(axis=1) * area

    def most(self, radius, allowed):
        """What the best beam holds: on a grid over the sky, and ever closer about its best places."""

        def are_allowed(at):
            return at @ allowed.axis >= math.cos(math.radians(allowed.radius)) - 1e-12

        grid = directions(min(6, max(3, math.ceil(math.log2(58.6 / (radius / 3))))))
        places = grid[are_allowed(grid)]
        held = self.held(places, radius, 100)
        places, step, rng = places[np.argsort(-held)[:8]], radius / 3, np.random.default_rng(0)
        for _ in range(6):
            near = places[:, None] + rng.normal(0, math.radians(step), (len(places), 10, 3))
            near = np.concatenate((places, near.reshape(-1, 3)))
            near /= np.linalg.norm(near, axis=1, keepdims=True)
            near = near[are_allowed(near)]
            held = self.held(near, radius, 1500)
            places, step = near[np.argsort(-held)[:6]], step / 1.7
        return self.held(places, radius, EXACT).max()


def shortfall(sky, radius, allowed=ANYWHERE, order=7):
    """How much less the best pointing holds than trying finds, of the latter."""
    raster = Raster(sky, order)
    ra, dec = best_pointing(sky, radius, allowed)
    assert 0 <= ra < 360
    place = vectors(ra, dec)
    assert math.degrees(math.acos(max(-1, min(1, place @ allowed.axis)))) <= allowed.radius + 1e-6
    return 1 - raster.held(place[None], radius, EXACT)[0] / raster.most(radius, allowed)


def ring(ra, dec, radius, width, part=360.0):
    """A ring about a direction, or the part of it to one side, as two detectors make it."""

    def density(at):
        axis = vectors(ra, dec)
        apart = np.degrees(np.arccos(np.clip(at @ axis, -1, 1)))
        aside = np.cross([0.0, 0.0, 1.0], axis)
        turn = np.degrees(np.arctan2(at @ np.cross(axis, aside), at @ aside))
        return np.exp(-(((apart - radius) / width) ** 2) / 2) * np.exp(-((turn / part) ** 2) / 2)

    return density


TWO = blobs((359.0, 10.0, 2.0, 1.0), (9.0, 10.0, 2.5, 1.1))
MAPS = {
    "one": (blobs((197.0, -3.0, 3.0, 1.0)), ANYWHERE),
    "two, right ascension 0 between them": (TWO, ANYWHERE),
    "dense and broad": (blobs((30.0, 20.0, 1.5, 1.0), (200.0, -40.0, 6.0, 3.0)), ANYWHERE),
    "a ring about the pole": (ring(20.0, 88.0, 10.0, 1.5), ANYWHERE),
    "a banana": (ring(200.0, 20.0, 40.0, 3.0, 60.0), ANYWHERE),
    "near the south pole": (blobs((100.0, -89.0, 4.0, 1.0), (280.0, -85.0, 2.0, 0.5)), ANYWHERE),
    "the best is down": (
        blobs((150.0, -50.0, 15.0, 1.0), (20.0, 50.0, 4.0, 0.002)),
        Cap(vectors(140, 40), 75),
    ),
    "only by the edge": (blobs((150.0, -60.0, 12.0, 1.0)), Cap(vectors(140, 40), 60)),
}


@pytest.mark.parametrize("radius", [2, 6, 15])
@pytest.mark.parametrize("name", MAPS)
def test_the_best_pointing_holds_99_percent_of_what_any_could(name, radius):
    density, allowed = MAPS[name]
    assert shortfall(drawn(6, density), radius, allowed) < 0.01


@given(st.integers(0, 10**6), st.floats(3, 25), st.floats(15, 180))
@settings(max_examples=4, deadline=None, derandomize=True)
def test_of_any_few_blobs_and_any_part_of_the_sky(seed, radius, up):
    rng = np.random.default_rng(seed)
    ra, dec = rng.uniform(0, 360, 6), np.degrees(np.arcsin(rng.uniform(-1, 1, 6)))
    sigma, weight = rng.uniform(2, 12, 6), rng.uniform(0.2, 1, 6)
    sky = drawn(6, blobs(*zip(ra[1:], dec[1:], sigma[1:], weight[1:], strict=True)))
    allowed = Cap(vectors(ra[0], dec[0]), up)
    assume(Raster(sky, 4).held(allowed.axis[None], min(90, up + radius / 2), 1)[0] > 1e-3)
    assert shortfall(sky, radius, allowed) < 0.01


@pytest.mark.parametrize("radius", [2, 8])
def test_pixels_of_many_sizes(radius):
    sky = skymap.read(sky_map(359.9, 40.0, 12.0, 3.0, 100.0))
    assert len(np.unique(sky.level)) > 4
    assert shortfall(sky, radius, order=7) < 0.01


def test_pixels_much_larger_than_the_beam():
    density = np.where(np.arange(12) == 5, 3.0, 1.0)
    sky = MultiOrderMap(np.zeros(12, int), np.arange(12), density)
    ra, dec = best_pointing(sky, 2, ANYWHERE)
    assert abs(ra - 90) + abs(dec) < 43  # base pixel 5 is about there, a little narrower than a diamond
    held = Raster(sky, 8).held(vectors([ra], [dec]), 2, 2000)[0]
    assert held == pytest.approx((1 - math.cos(math.radians(2))) / 2 * 3 * 12 / 14, rel=0.005)


@pytest.mark.parametrize("radius", [1e-6, 0.001, 0.05])
@pytest.mark.parametrize(("ra", "dec"), [(0.001, 12.3), (359.999, -65.4), (77.0, 89.99)])
def test_the_smallest_beams_point_to_the_densest(ra, dec, radius):
    sky = skymap.read(sky_map(ra, dec, 1.0, 1.0, 100.0))
    found = SkyCoord(*best_pointing(sky, radius, ANYWHERE), unit="deg")
    densest = SkyCoord(*skymap.densest(sky), unit="deg")
    assert found.separation(densest).deg < 0.15  # pixels of order 9 and 10 are 0.11° and 0.06°


def moved(ra, dec, turn, by):
    """A place so far (deg) from another, in a direction (deg east of north)."""
    found = SkyCoord(ra, dec, unit="deg").directional_offset_by(turn * u.deg, by * u.deg)
    return found.ra.deg, found.dec.deg


def test_a_beam_of_half_the_sky_takes_what_lies_in_a_hemisphere():
    sky = drawn(5, blobs(*((*moved(20, 35, turn, 80), 3, 1) for turn in (0, 120, 240))))
    place = vectors(*best_pointing(sky, 90, ANYWHERE))
    assert Raster(sky, 6).held(place[None], 90, EXACT)[0] > 0.98


@pytest.mark.parametrize("row", [400, 411, 433])
def test_the_best_place_may_be_far_from_all_that_is_held(row):
    """Two points at opposite edges of a beam, whose centre is that of a pixel that has nothing."""
    centre = SkyCoord(*skymap.densest(MultiOrderMap(np.array([3]), np.array([row]), np.ones(1))), unit="deg")
    beside = SkyCoord(
        *skymap.densest(MultiOrderMap(np.array([3]), np.array([row ^ 1]), np.ones(1))), unit="deg"
    )
    turn = centre.position_angle(beside).deg
    ends = [moved(centre.ra.deg, centre.dec.deg, turn + way, 4.5) for way in (0, 180)]
    index = [
        astropy_healpix.lonlat_to_healpix(*(end * u.deg), 2**10, order="nested") for end in np.array(ends)
    ]
    sky = MultiOrderMap(np.array([10, 10]), np.array(index), np.ones(2))
    found = SkyCoord(*best_pointing(sky, 4.8, ANYWHERE), unit="deg")
    assert found.separation(SkyCoord(ends, unit="deg")).deg.max() < 4.8


@pytest.mark.parametrize("lowest", [0, 30, 70])
def test_what_is_pointed_to_is_up_by_astropy(lowest):
    """The map's peak is below all of these: the best is by the edge."""
    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("iers_degraded_accuracy", "ignore"):
        place = EarthLocation.from_geocentric(OVRO_LWA.x, OVRO_LWA.y, OVRO_LWA.z, unit=u.m)
        frame = AltAz(obstime=Time(NOW), location=place)
        sky = skymap.read(sky_map(150.0, -60.0, 30.0, 30.0, 100.0))
        found = SkyCoord(*best_pointing(sky, 3, above(lowest, NOW)), unit="deg")
        assert found.transform_to(frame).alt.deg == pytest.approx(lowest, abs=0.05)


def test_one_place_that_is_allowed_is_the_best():
    sky = drawn(5, blobs((40, 20, 5, 1)))
    assert best_pointing(sky, 3, Cap(vectors(45, 22), 0)) == pytest.approx((45, 22))


@pytest.mark.parametrize("name", ["S241102br-initial", "S241102br-update", "gw_notice_significant"])
@pytest.mark.parametrize("radius", [3, 15])
def test_maps_as_they_are_sent(corpus, name, radius):
    notice = json.loads((corpus / "igwn" / f"{name}.json").read_bytes())
    sky = skymap.read(base64.b64decode(notice["event"]["skymap"]))
    assert shortfall(sky, radius, order=7) < 0.01
    ra, dec = skymap.densest(sky)
    assert shortfall(sky, radius, Cap(vectors(ra, dec - 10), 8), order=7) < 0.01


@pytest.mark.parametrize("radius", [0, -1, 90.5, math.nan])
def test_what_is_no_radius_of_a_beam_is_refused(radius):
    with pytest.raises(ValueError, match="not a radius of a beam"):
        best_pointing(drawn(1, lambda _: np.ones(1)), radius, ANYWHERE)


@pytest.mark.parametrize("radius", [0.01, 3, 50])
def test_what_is_nowhere_within_reach_cannot_be_pointed_to(radius):
    point = MultiOrderMap(np.array([5]), np.array([12 * 4**5 - 1]), np.ones(1))  # at dec 0
    with pytest.raises(ValueError, match="nothing within reach"):
        best_pointing(point, radius, Cap(vectors(0, 90), 38))
    with pytest.raises(ValueError, match="nothing within reach"):
        best_pointing(drawn(5, lambda at: at[:, 2] < -0.7), radius, Cap(vectors(0, 90), 38))
