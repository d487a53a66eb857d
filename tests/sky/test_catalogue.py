"""Matching against known sources, against astropy's."""

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st

from ovro_alert.sky.catalogue import Catalogue, Known

DRAW = np.random.default_rng(20260304)
SKY = [
    Known(f"FRB {n}", float(ra), float(np.degrees(np.arcsin(z))), float(dm))
    for n, (ra, z, dm) in enumerate(
        zip(DRAW.uniform(0, 360, 500), DRAW.uniform(-1, 1, 500), DRAW.uniform(100, 900, 500), strict=True)
    )
]
CATALOGUE = Catalogue(SKY)
COORDINATES = SkyCoord([one.ra for one in SKY], [one.dec for one in SKY], unit="deg")


@given(st.floats(0, 359.99), st.floats(-90, 90), st.floats(0.1, 180))
@settings(max_examples=80, deadline=None)
def test_by_position_alone_it_is_astropys_nearest(ra, dec, radius):
    apart = SkyCoord(ra, dec, unit="deg").separation(COORDINATES).deg
    index = int(np.argmin(apart))
    found = CATALOGUE.nearest(ra, dec, radius, None, 5)
    if apart[index] > radius:
        assert found is None
    else:
        assert found.source == SKY[index]
        assert found.separation_deg == pytest.approx(apart[index], abs=1e-9)
        assert found.dm_difference is None


def test_a_burst_is_of_the_source_that_is_near_in_both():
    near, far = Known("FRB A", 10.0, 20.0, 350.0), Known("FRB B", 10.02, 20.0, 347.0)
    both = Catalogue([near, far, Known("FRB C", 10.0, 20.0, 700.0), Known("FRB D", 200.0, -20.0, 349.0)])
    assert both.nearest(10.01, 20.0, 0.1, 347.2, 5).source == far
    assert both.nearest(10.01, 20.0, 0.1, 349.6, 5).source == near
    assert both.nearest(10.01, 20.0, 0.1, 360.0, 5) is None
    match = both.nearest(10.0, 20.0, 0.1, 700.5, 5)
    assert (match.source.name, match.dm_difference) == ("FRB C", pytest.approx(0.5))
    assert match.separation_deg == pytest.approx(0, abs=1e-9)


def test_a_source_without_a_dm_goes_by_its_position():
    assert Catalogue([Known("FRB E", 359.99, 0.0)]).nearest(0.01, 0.0, 0.1, 400.0, 5).source.name == "FRB E"
    assert Catalogue().nearest(0.0, 0.0, 180.0, None, 5) is None
