"""Rules that ask what is up: over the relay's own site, and of what an alert leaves out."""

import math
from datetime import UTC, datetime

import pytest

from ovro_alert.alert import Alert, Localization
from ovro_alert.policy.functions import Missing, Scope, World
from ovro_alert.policy.language import Expression, ExpressionError
from ovro_alert.sky.visibility import Site

NOW = datetime(2026, 3, 4, tzinfo=UTC)
EFFELSBERG = World(Site(4033947.3, 486990.8, 4900430.8))


def seen(**place):
    where = Localization(**place) if place else None
    return Alert(
        alert_id="a", event_id="e", source="x", role="observation", alert_type="initial", localization=where
    )


# By astropy 8's AltAz, HADec and get_body.
@pytest.mark.parametrize(
    ("asked", "at_ovro", "at_effelsberg"),
    [
        ("altitude(localization.ra, localization.dec, now)", 67.623, -10.801),
        ("hour_angle(localization.ra, localization.dec, now)", 19.135, 144.300),
        ("sun_distance(localization.ra, localization.dec, now)", 48.252, 48.251),
        ("moon_distance(localization.ra, localization.dec, now)", 138.924, 138.533),
    ],
)
def test_the_site_is_the_relays(asked, at_ovro, at_effelsberg):
    alert = seen(ra=24.0, dec=22.0)
    assert Expression(asked).value(Scope(alert, NOW)) == pytest.approx(at_ovro, abs=0.03)
    assert Expression(asked).value(Scope(alert, NOW, EFFELSBERG)) == pytest.approx(at_effelsberg, abs=0.03)


def test_what_never_sets_is_up_for_longer_than_any_limit():
    scope = Scope(seen(ra=0, dec=89.9), NOW)
    up = "seconds_up(localization.ra, localization.dec, now, 20)"
    assert Expression(up).value(scope) == math.inf
    assert Expression(f"{up} > 1000000").value(scope) is True


def test_without_a_place_there_is_no_altitude():
    with pytest.raises(Missing, match=r"localization\.ra is not given"):
        Expression("altitude(localization.ra, localization.dec, now) > 20").value(Scope(seen(), NOW))


@pytest.mark.parametrize("asked", ['altitude(1, 2, "now")', "altitude(1, 2)", "sun_distance(now, 2, now)"])
def test_arguments_of_other_types_are_refused_when_the_rule_is_read(asked):
    with pytest.raises(ExpressionError, match=r"altitude|sun_distance"):
        Expression(asked)
