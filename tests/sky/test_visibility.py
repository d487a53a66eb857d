"""Altitudes, settings and distances, against astropy's own transformations."""

import math
from datetime import UTC, datetime, timedelta

import astropy.units as u
import pytest
from astropy.coordinates import AltAz, EarthLocation, HADec, SkyCoord, get_body
from astropy.time import Time
from astropy.utils import iers
from hypothesis import given, settings
from hypothesis import strategies as st

from ovro_alert.sky.visibility import (
    OVRO_LWA,
    Site,
    altitude,
    hour_angle,
    moon_distance,
    seconds_up,
    sun_distance,
)

SITES = [
    OVRO_LWA,
    Site(4033947.3, 486990.8, 4900430.8),
    Site(-5464584.7, 2493001.2, -2150653.98),
]  # OVRO, Effelsberg, MRO
directions = st.tuples(st.floats(0, 359.999), st.floats(-90, 90))
moments = st.datetimes(datetime(2020, 1, 1), datetime(2027, 1, 1)).map(lambda one: one.replace(tzinfo=UTC))


@pytest.fixture(autouse=True, scope="module")
def bundled_earth_orientation():
    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("iers_degraded_accuracy", "ignore"):
        yield


def by_astropy(direction, moment, site):
    place = EarthLocation.from_geocentric(site.x, site.y, site.z, unit=u.m)
    return SkyCoord(*direction, unit="deg"), Time(moment), place


@given(directions, moments, st.sampled_from(SITES))
@settings(max_examples=60, deadline=None)
def test_altitudes_are_astropys(direction, moment, site):
    star, time, place = by_astropy(direction, moment, site)
    expected = star.transform_to(AltAz(obstime=time, location=place)).alt.deg
    assert altitude(*direction, moment, site) == pytest.approx(expected, abs=0.02)


@given(directions, moments, st.sampled_from(SITES))
@settings(max_examples=60, deadline=None)
def test_hour_angles_are_astropys(direction, moment, site):
    star, time, place = by_astropy(direction, moment, site)
    expected = star.transform_to(HADec(obstime=time, location=place)).ha.deg
    apart = math.remainder(hour_angle(*direction, moment, site) - expected, 360)
    assert abs(apart) * math.cos(math.radians(direction[1])) < 0.02
    assert -180 <= hour_angle(*direction, moment, site) <= 180


@given(directions, moments, st.sampled_from(SITES))
@settings(max_examples=25, deadline=None)
def test_the_sun_and_the_moon_are_where_astropy_has_them(direction, moment, site):
    star, time, place = by_astropy(direction, moment, site)
    for body, distance in (
        ("sun", sun_distance(*direction, moment)),
        ("moon", moon_distance(*direction, moment, site)),
    ):
        there = get_body(body, time, place)
        assert distance == pytest.approx(star.separation(SkyCoord(there.ra, there.dec)).deg, abs=0.02)


@given(directions, moments, st.floats(-20, 60), st.sampled_from(SITES))
@settings(max_examples=150, deadline=None)
def test_it_is_up_until_it_sets_and_then_it_is_not(direction, moment, lowest, site):
    lasts = seconds_up(*direction, moment, lowest, site)
    if lasts == 0:
        assert altitude(*direction, moment, site) <= lowest + 0.01
    elif lasts == math.inf:
        day = [altitude(*direction, moment + timedelta(minutes=20 * n), site) for n in range(72)]
        assert min(day) > lowest - 0.01
    else:
        at = [moment + timedelta(seconds=lasts * n / 40) for n in range(40)]
        assert min(altitude(*direction, one, site) for one in at) > lowest - 0.01
        set_ = altitude(*direction, moment + timedelta(seconds=lasts), site)
        assert set_ == pytest.approx(lowest, abs=0.02)


def test_the_pole_never_sets_and_the_other_never_rises():
    moment = datetime(2026, 3, 4, tzinfo=UTC)
    assert altitude(0, 90, moment) == pytest.approx(37.24, abs=0.2)  # the latitude of OVRO, and precession
    assert seconds_up(0, 90, moment, 30) == math.inf
    assert seconds_up(0, -90, moment) == 0
