"""Rules that ask an alert's sky map: over the relay's own site, and of alerts that have none at hand."""

from datetime import UTC, datetime

import numpy as np
import pytest

from ovro_alert.alert import Alert, GravitationalWave
from ovro_alert.demo.sample_map import sky_map
from ovro_alert.policy.decide import History, Verdict, decide
from ovro_alert.policy.functions import OVRO, Missing, Scope, World
from ovro_alert.policy.language import Expression, ExpressionError
from ovro_alert.policy.rules import parse
from ovro_alert.sky.caps import above, beam, probability_inside, transit
from ovro_alert.sky.pointing import best_pointing
from ovro_alert.sky.skymap import MultiOrderMap, credible_areas, read, summarize
from ovro_alert.sky.skymap_volume import credible_volume
from ovro_alert.sky.visibility import Site, altitude

NOW = datetime(2026, 3, 4, 5, 30, tzinfo=UTC)
SKY = read(sky_map(140.0, 30.0, 25.0, 20.0, 104.0))
EFFELSBERG = World(Site(4033947.3, 486990.8, 4900430.8))
MADE_OF_IT = {
    "area(0.9)": lambda site: credible_areas(SKY, [0.9])[0],
    "volume(0.5)": lambda site: credible_volume(SKY, 0.5),
    "probability_up(now, 40)": lambda site: probability_inside(SKY, [above(40, NOW, site)]),
    "probability_up(after(now, 21600), 40)": lambda site: probability_inside(
        SKY, [above(40, NOW.replace(hour=11), site)]
    ),
    "probability_within(139.5, 29, 4)": lambda site: probability_inside(SKY, [beam(139.5, 29, 4)]),
    "probability_in_transit(35, 3, 20, now)": lambda site: probability_inside(
        SKY, transit(35, 3, 20, NOW, site)
    ),
    "best_ra(3, now, 60)": lambda site: best_pointing(SKY, 3, above(60, NOW, site))[0],
    "best_dec(3, now, 60)": lambda site: best_pointing(SKY, 3, above(60, NOW, site))[1],
}
RULES = """
[[rule]]
name = "asks"
when = ['{asked}']
[[rule.then]]
slot = "lwa"
command = "powerbeam"
deadline = 'after(now, 600)'
args.ra = 'best_ra(3, now, 60)'
args.dec = 'best_dec(3, now, 60)'

[[rule]]
name = "does not"
when = ['source == "ligo"']
[[rule.then]]
slot = "lwa"
command = "trigger"
deadline = 'after(now, 600)'
"""


def wave(sky=None, whole=True):
    given = summarize(sky) if sky else None
    if given and whole:
        given = given.with_whole(sky)
    return Alert(
        alert_id="a",
        event_id="ligo-S1",
        source="ligo",
        role="observation",
        alert_type="initial",
        event_time=NOW,
        gw=GravitationalWave(skymap=given),
    )


def decided(asked, alert, world=OVRO):
    return decide(parse(RULES.format(asked=asked), frozenset({"lwa"})), alert, History(), NOW, world)


@pytest.mark.parametrize("world", [OVRO, EFFELSBERG])
@pytest.mark.parametrize("asked", MADE_OF_IT)
def test_an_expression_has_the_value_of_the_function_over_the_relays_site(asked, world):
    assert Expression(asked).value(Scope(wave(SKY), NOW, world)) == MADE_OF_IT[asked](world.site)


def test_what_depends_on_the_site_differs_between_sites():
    differs = {asked for asked, made in MADE_OF_IT.items() if made(OVRO.site) != made(EFFELSBERG.site)}
    assert differs == {asked for asked in MADE_OF_IT if "now" in asked}


def test_a_rule_sends_a_beam_to_the_best_place():
    asks, _ = decided("area(0.9) < 20000 and probability_up(now, 60) > 0.05", wave(SKY))
    (command,) = asks.commands
    ra, dec = best_pointing(SKY, 3, above(60, NOW))
    assert command.args == {"ra": ra, "dec": dec}
    assert altitude(ra, dec, NOW) >= 60 - 1e-6


def test_values_of_maps_are_those_of_the_alert_that_is_asked_of():
    other = read(sky_map(10.0, 5.0, 2.0, 2.0, 104.0))
    values = [Expression("area(0.9)").value(Scope(wave(sky), NOW)) for sky in (SKY, other)]
    assert values == [credible_areas(sky, [0.9])[0] for sky in (SKY, other)]


def test_what_is_asked_of_a_map_twice_is_asked_with_its_own_arguments():
    scope = Scope(wave(SKY), NOW)
    assert Expression("area(0.5) * 2 < area(0.9)").value(scope) is True
    assert Expression("area(0.9)").value(scope) == credible_areas(SKY, [0.9])[0]


@pytest.mark.parametrize("asked", MADE_OF_IT)
@pytest.mark.parametrize(
    "alert",
    [wave(), wave(SKY, whole=False), wave().model_copy(update={"gw": None})],
    ids=["none", "not at hand", "no wave"],
)
def test_without_a_map_the_rule_says_so_and_the_others_go_on(asked, alert):
    with pytest.raises(Missing, match=r"^gw\.skymap is not given$"):
        Expression(asked).value(Scope(alert, NOW))
    asks, does_not = decided(f"{asked} > 0", alert)
    assert (asks.verdict, asks.reasons, asks.commands) == (Verdict.ERROR, ("gw.skymap is not given",), ())
    assert does_not.verdict is Verdict.YES


DOWN = MultiOrderMap(np.array([4]), np.array([12 * 4**4 - 1]), np.ones(1))  # the equator, right ascension 0


@pytest.mark.parametrize(
    ("asked", "why", "sky"),
    [
        ("area(1.5) > 0", "1.5 is not a share of probability", SKY),
        ("volume(1) > 0", "1.0 is not a share of probability", SKY),
        ("volume(0.9) > 0", "the sky map has no distances", DOWN),
        ("probability_up(now, 91) > 0", "91.0 is not an altitude", SKY),
        ("probability_within(1, 91, 1) > 0", "is not a direction", SKY),
        ("probability_within(1, 2, -1) > 0", "-1.0 is not a radius", SKY),
        ("probability_in_transit(40, 0, 30, now) > 0", "is not a strip", SKY),
        ("best_ra(0, now, 20) > 0", "0.0 is not a radius of a beam", SKY),
        ("best_dec(3, now, 60) > 0", "the sky map has nothing within reach", DOWN),
    ],
)
def test_what_a_map_has_no_answer_to_is_an_error_of_that_rule_alone(asked, why, sky):
    asks, does_not = decided(asked, wave(sky))
    assert (asks.verdict, asks.commands) == (Verdict.ERROR, ())
    assert why in asks.reasons[-1]
    assert does_not.verdict is Verdict.YES


@pytest.mark.parametrize(
    "asked", ['area("0.9") > 1', "probability_up(40, now) > 0", "best_ra(3, now) > 0", "area(0.9)"]
)
def test_what_asks_a_map_in_the_wrong_way_is_refused_when_the_rule_is_read(asked):
    with pytest.raises(ValueError, match=r"area|probability_up|best_ra"):
        parse(RULES.format(asked=asked), frozenset({"lwa"}))


def test_a_map_is_asked_by_names_that_are_there():
    with pytest.raises(ExpressionError, match="unknown name 'areas'"):
        Expression("areas(0.9) > 1")
