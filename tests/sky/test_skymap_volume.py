"""Volumes of credible regions: against a closed form, against counting voxels, and against ligo.skymap."""

import base64
import io
import json
import math

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from ovro_alert.demo.sample_map import sky_map
from ovro_alert.sky import skymap
from ovro_alert.sky.skymap import Distances, MultiOrderMap
from ovro_alert.sky.skymap_volume import LARGEST, credible_volume

ORDER = 2
PIXELS = 12 * 4**ORDER


def a_map(mu, sigma, norm, density=1.0):
    mu, sigma, norm, density = (np.full(PIXELS, one, dtype=float) for one in (mu, sigma, norm, density))
    level, index = np.full(PIXELS, ORDER), np.arange(PIXELS)
    return MultiOrderMap(level, index, density, distances=Distances(mu, sigma, norm))


# Quantiles of chi squared with three degrees of freedom, from any table.
@pytest.mark.parametrize(
    ("share", "chi_squared"), [(0.1, 0.58437), (0.5, 2.36597), (0.9, 6.25139), (0.99, 11.34487)]
)
def test_a_round_gaussian_about_us_has_the_volume_of_its_ball(share, chi_squared):
    """With mu = 0 all over the sky r² norm N is Maxwell's: a normal law of three dimensions."""
    sky = a_map(0.0, 30.0, 2 / 30.0**2)
    ball = 4 / 3 * math.pi * (30.0**2 * chi_squared) ** 1.5
    assert credible_volume(sky, share) == pytest.approx(ball, rel=1e-4)


def by_voxels(sky, share, cells=4000):
    """The same by cutting every pixel into cells of distance, and taking the densest of all."""
    of = sky.distances
    solid = 4 * math.pi / 12 * 0.25**sky.level
    edges = np.linspace(0, float(np.max(np.maximum(of.mu, 0) + 8 * of.sigma)), cells + 1)
    r, volume = (edges[1:] + edges[:-1]) / 2, np.diff(edges**3) / 3
    at = (r - of.mu[:, None]) / of.sigma[:, None]
    logs = np.log(of.norm / (of.sigma * math.sqrt(2 * math.pi)))[:, None] - at**2 / 2
    density = sky.density[:, None] * np.exp(logs)
    each = (solid[:, None] * volume).ravel()
    rows = np.argsort(-density.ravel())
    held = np.cumsum((density.ravel() * each)[rows])
    return float(np.interp(share * float(sky.density @ solid), held, np.cumsum(each[rows])))


def norm_of(mu, sigma):
    r = np.linspace(0, max(mu, 0) + 12 * sigma, 200001)
    curve = r**2 * np.exp(-(((r - mu) / sigma) ** 2) / 2) / (sigma * math.sqrt(2 * math.pi))
    return 1 / float(np.sum((curve[1:] + curve[:-1]) / 2 * np.diff(r)))


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.99])
def test_pixels_of_all_kinds_together_agree_with_counting_voxels(share):
    """Far and near, sharp and blurred, tails of curves whose mu is negative; probable and improbable."""
    kinds = [(100.0, 20.0), (60.0, 5.0), (20.0, 30.0), (-40.0, 30.0), (-300.0, 60.0)]
    rng = np.random.default_rng(5)
    which = rng.integers(0, len(kinds), PIXELS)
    mu, sigma = np.array(kinds)[which].T
    norm = np.array([norm_of(*kind) for kind in kinds])[which]
    sky = a_map(mu, sigma, norm, rng.lognormal(0, 2, PIXELS))
    assert credible_volume(sky, share) == pytest.approx(by_voxels(sky, share), rel=3e-3)


def test_what_has_no_distance_is_in_no_volume():
    """Half of the probability has none: what holds a quarter of all holds half of the rest."""
    given_half = np.arange(PIXELS) % 2 == 0
    some = a_map(0.0, 30.0, np.where(given_half, 2 / 30.0**2, 0.0))
    ball = 4 / 3 * math.pi * (30.0**2 * 2.36597) ** 1.5
    assert credible_volume(some, 0.25) == pytest.approx(ball / 2, rel=1e-4)
    assert credible_volume(some, 0.6) == math.inf
    none = a_map(0.0, 30.0, 0.0)
    assert credible_volume(none, 0.1) == math.inf


def test_the_smallest_share_takes_nothing_and_greater_ones_take_more():
    sky = a_map(100.0, 20.0, norm_of(100.0, 20.0))
    volumes = [credible_volume(sky, share) for share in (0, 1e-6, 0.01, 0.3, 0.9, 0.99, LARGEST)]
    assert volumes[0] == 0
    assert volumes == sorted(set(volumes))


@pytest.mark.parametrize("share", [-0.1, 1.0, 0.9999, math.nan])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ValueError, match="not a share of probability"):
        credible_volume(a_map(100.0, 20.0, 1e-4), share)


def test_a_burst_has_no_volume():
    sky = MultiOrderMap(np.zeros(12, int), np.arange(12), np.ones(12))
    with pytest.raises(ValueError, match="no distances"):
        credible_volume(sky, 0.9)


def raw_map(mu, sigma, norm):
    columns = [
        fits.Column("UNIQ", "K", array=np.arange(4, 16)),
        fits.Column("PROBDENSITY", "D", array=np.ones(12)),
        *(
            fits.Column(f"DIST{name}", "D", array=np.asarray(one))
            for name, one in (("MU", mu), ("SIGMA", sigma))
        ),
    ]
    if norm is not None:
        columns.append(fits.Column("DISTNORM", "D", array=np.asarray(norm)))
    table = fits.BinTableHDU.from_columns(columns)
    table.header["ORDERING"] = "NUNIQ"
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(file)
    return file.getvalue()


def test_distances_are_read_from_the_file_and_pixels_without_one_told_by_it():
    """As BAYESTAR writes them: infinite DISTMU, DISTSIGMA 1, DISTNORM 0."""
    mu = np.where(np.arange(12) < 6, 0.0, np.inf)
    sigma, norm = np.where(mu == 0, 30.0, 1.0), np.where(mu == 0, 2 / 30.0**2, 0.0)
    sky = skymap.read(raw_map(mu, sigma, norm))
    assert credible_volume(sky, 0.25) == pytest.approx(2 / 3 * math.pi * (30.0**2 * 2.36597) ** 1.5, rel=1e-4)


def test_a_map_that_lacks_a_part_of_its_distances_is_refused():
    with pytest.raises(ValueError, match="lacks the column DISTNORM"):
        skymap.read(raw_map(np.ones(12), np.ones(12), None))


twelve = st.lists(st.floats(), min_size=12, max_size=12)


@given(twelve, twelve, twelve, st.floats(0, LARGEST))
@settings(max_examples=200, deadline=None)
def test_any_numbers_give_a_volume_without_a_warning(mu, sigma, norm, share):
    assert credible_volume(skymap.read(raw_map(mu, sigma, norm)), share) >= 0


# What crossmatch of ligo.skymap 2.5.4 gives for 10, 50, 90 and 99 %: deg² and Mpc³.
SHARES = (0.1, 0.5, 0.9, 0.99)
BY_LIGO_SKYMAP = {
    "made": ([9.39888, 61.5852, 202.904, 399.776], [2433.29, 20164.3, 89839.2, 229305]),
    "S241102br-initial": ([1.48616, 10.7047, 44.8772, 108.247], [9297.91, 86215.6, 483742, 1.51956e6]),
    "S241102br-preliminary": ([4.20324, 31.9413, 165.321, 363.898], [64374.2, 645746, 4.42033e6, 1.29337e7]),
    "S241102br-update": ([1.02683, 7.11921, 28.3709, 68.874], [6184.12, 54076.1, 281674, 797035]),
    "gw_notice_significant": ([164.228, 1108.1, 3613.19, 5566.88], None),
}


@pytest.fixture(params=BY_LIGO_SKYMAP)
def known(request):
    """A map's bytes, and its areas and volumes."""
    if request.param == "made":
        raw = sky_map(197.45, -3.38, 9.0, 1.6, 104.0)
    else:
        corpus = request.getfixturevalue("corpus")
        notice = json.loads((corpus / "igwn" / f"{request.param}.json").read_bytes())
        raw = base64.b64decode(notice["event"]["skymap"])
    return raw, *BY_LIGO_SKYMAP[request.param]


def test_areas_and_volumes_are_those_of_ligo_skymap(known):
    raw, areas, volumes = known
    sky = skymap.read(raw)
    assert skymap.credible_areas(sky, SHARES) == pytest.approx(areas, rel=0.01)
    if volumes:
        assert [credible_volume(sky, share) for share in SHARES] == pytest.approx(volumes, rel=1e-3)
    else:
        assert sky.distances is None


def test_ligo_skymap_still_has_the_same(known):
    raw, areas, volumes = known
    reason = "ligo.skymap is not installed: pip install '.[reference]', 800 MB"
    theirs, reading = (
        pytest.importorskip(f"ligo.skymap.{module}", reason=reason) for module in ("postprocess", "io")
    )
    found = theirs.crossmatch(reading.read_sky_map(io.BytesIO(raw), moc=True), contours=SHARES)
    assert found.contour_areas == pytest.approx(areas, rel=1e-4)
    if volumes:
        assert found.contour_vols == pytest.approx(volumes, rel=1e-4)
