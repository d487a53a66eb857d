"""What rules ask of other events, of known sources and of the voltage buffer."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ovro_alert.alert import Alert, FastRadioBurst, GravitationalWave, Localization, Role
from ovro_alert.command import State
from ovro_alert.demo.sample_map import sky_map
from ovro_alert.policy.decide import Verdict, decide, reconsider
from ovro_alert.policy.functions import Missing, Other, Scope, World
from ovro_alert.policy.history import History, Sent
from ovro_alert.policy.language import Expression, ExpressionError
from ovro_alert.policy.rules import parse
from ovro_alert.sky.catalogue import Catalogue, Known
from ovro_alert.sky.coincidence import Rate
from ovro_alert.sky.skymap import read, summarize

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
PLACE = Localization(ra=197.0, dec=-3.0, error_deg=0.1, containment=0.95)
SKY = read(sky_map(197.45, -3.38, 9.0, 1.6, 104.0))


def an_alert(event_id, seconds=0.0, **about):
    given = {"alert_id": f"{event_id}.{seconds}", "event_id": event_id, "source": event_id.split("-")[0]}
    given |= {"role": "observation", "alert_type": "initial", "event_time": NOW + timedelta(seconds=seconds)}
    return Alert.model_validate(given | {"localization": PLACE} | about)


def burst(event_id, seconds=0.0, dm=500.0, reference_mhz=None, **about):
    return an_alert(event_id, seconds, frb=FastRadioBurst(dm=dm, reference_mhz=reference_mhz), **about)


def wave(event_id="ligo-S1", seconds=0.0):
    gw = GravitationalWave(skymap=summarize(SKY).with_whole(SKY))
    return an_alert(event_id, seconds, localization=None, gw=gw)


def others(*alerts):
    return tuple(Other(alert.event_id, (alert,)) for alert in alerts)


def value(text, alert, *seen, **world):
    return Expression(text).value(Scope(alert, NOW, World(others=others(*seen), **world)))


CHIME = burst("chime-1", reference_mhz=400.0)
# Of one burst at 400 MHz and at 1530 MHz: 12.0788 s at a DM of 500.
DSA = burst("dsa-1", -12.0788, dm=500.4, reference_mhz=1530.0)


@pytest.mark.parametrize(
    ("seen", "found"),
    [
        ([DSA], "dsa-1"),
        ([], ""),
        ([DSA.model_copy(update={"event_time": NOW})], ""),
        ([burst("dsa-1", -12.0788, dm=520.0, reference_mhz=1530.0)], ""),
        ([DSA.model_copy(update={"localization": Localization(ra=198.0, dec=-3.0)})], ""),
        ([burst("casm-1", -12.0788, reference_mhz=1530.0)], ""),
        ([burst("dsa-2", -12.16, dm=502.0, reference_mhz=1530.0), DSA], "dsa-1"),
        ([an_alert("dsa-3")], ""),
    ],
)
def test_a_burst_that_another_has_seen_is_found_by_who_has(seen, found):
    assert value('codetected("dsa")', CHIME, *seen) == found


def test_each_of_two_bursts_that_are_one_finds_the_other():
    assert value('codetected("chime")', DSA, CHIME) == "chime-1"


def test_of_an_event_the_newest_word_counts_that_says_enough():
    said_less = an_alert("dsa-1", alert_type="update")
    elsewhere = DSA.model_copy(update={"localization": Localization(ra=10.0, dec=0.0)})
    for alerts, found in (((said_less, DSA), "dsa-1"), ((elsewhere, DSA), ""), ((DSA, elsewhere), "dsa-1")):
        scope = Scope(CHIME, NOW, World(others=(Other("dsa-1", alerts),)))
        assert Expression('codetected("dsa")').value(scope) == found


@pytest.mark.parametrize("mine_is_the_map", [True, False])
@pytest.mark.parametrize(
    ("seconds", "text", "found"),
    [
        (2.0, 'coincident("{}", {}, {})', True),
        (9.0, 'coincident("{}", {}, {})', True),
        (10.5, 'coincident("{}", {}, {})', False),
        (-3.5, 'coincident("{}", {}, {})', False),
    ],
)
def test_a_wave_and_a_burst_coincide_in_time_and_place_whichever_asks(mine_is_the_map, seconds, text, found):
    """Within 3 s before the wave to 10 s after it."""
    gw, grb = wave(), an_alert("swift-7", seconds, source="gcn", mission="Swift")
    if mine_is_the_map:
        assert value(text.format("swift", 3, 10), gw, grb) == ("swift-7" if found else "")
        assert value(text.format("gcn", 3, 10), gw, grb) == ("swift-7" if found else "")
        assert value(text.format("fermi", 3, 10), gw, grb) == ""
    else:
        assert value(text.format("ligo", 10, 3), grb, gw) == ("ligo-S1" if found else "")


def test_what_is_elsewhere_does_not_coincide_and_its_overlap_says_so():
    far = Localization(ra=20.0, dec=50.0, error_deg=0.1, containment=0.95)
    near, gw = an_alert("swift-7", 1), wave()
    elsewhere = near.model_copy(update={"localization": far})
    assert value('coincident("swift", 3, 10)', gw, elsewhere) == ""
    assert value('overlap("swift", 3, 10)', gw, elsewhere) < 1e-3
    # 4π over 2π σ² of the ellipse, a little off its centre.
    assert value('overlap("swift", 3, 10)', gw, near, elsewhere) == pytest.approx(440, rel=0.05)
    assert value('overlap("swift", 3, 10)', gw) == 0


def test_a_dispersed_burst_coincides_at_the_time_that_it_would_have_come_without():
    # 4148.808 × 500 ÷ 400² = 12.965 s later at 400 MHz.
    dispersed = burst("chime-1", 14.0, reference_mhz=400.0)
    assert value('coincident("chime", 0, 2)', wave(), dispersed) == "chime-1"
    assert value('coincident("ligo", 2, 0)', dispersed, wave()) == "ligo-S1"
    assert value('coincident("chime", 0, 1)', wave(), dispersed) == ""


def test_two_sky_maps_are_not_compared_and_what_has_no_place_is_nowhere():
    assert value('coincident("ligo", 5, 5)', wave("ligo-S2"), wave()) == ""
    assert value('coincident("ligo", 5, 5)', CHIME, an_alert("ligo-S1", localization=None)) == ""
    with pytest.raises(Missing, match="localization is not given"):
        value('coincident("ligo", 5, 5)', an_alert("swift-1", localization=None), wave())
    with pytest.raises(Missing, match="event_time is not given"):
        value('coincident("ligo", 5, 5)', an_alert("swift-1", event_time=None), wave())
    with pytest.raises(Missing, match=r"frb\.dm is not given"):
        value('codetected("dsa")', an_alert("chime-1"), DSA)


def test_how_many_would_be_found_by_chance():
    rates = {"ligo": Rate(2.0), "dsa": Rate(0.5, 400.0, 1000.0)}
    nothing = value('chance("ligo", 600, 60)', CHIME, rates=rates)
    assert nothing == pytest.approx(2 * 660 / 86400)
    found = value('chance("ligo", 600, 60)', CHIME, wave(), rates=rates)
    area = 2 * 3.1416 * 9 * 1.6 * 4.605  # deg², of the ellipse that holds 99 %
    assert found == pytest.approx(nothing * area / 41253, rel=0.15)
    by_dsa = value('chance("dsa")', CHIME, DSA, rates=rates)
    # Windows of ±0.136 s and ±3.64 pc cm⁻³; 0.124° from 0.1° at 95 %, with DSA's the same, at 99 %.
    assert by_dsa == pytest.approx(0.5 * 2 * 0.136 / 86400 * 3.1416 * 0.1753**2 / 400 * 7.29 / 1000, rel=0.01)
    assert value('chance("dsa")', CHIME, rates=rates) > 0
    with pytest.raises(Missing, match=r"rates\.chime is not given"):
        value('chance("chime")', DSA, CHIME, rates=rates)


@pytest.mark.parametrize(
    "text",
    [
        "codetected(source)",
        'codetected("LIGO")',
        'coincident("ligo", frb.dm, 1)',
        'coincident("ligo", 5 * 60, 1)',
        'coincident("ligo", 700000, 1)',
        'overlap("ligo")',
        'chance("ligo", 1)',
    ],
)
def test_what_is_looked_for_must_be_known_before_an_alert_comes(text):
    with pytest.raises(ExpressionError):
        Expression(text)


def test_a_reason_names_the_event_that_it_means():
    said = Expression('codetected("dsa") != "" and source != "codetected("')
    assert 'codetected("dsa") = "dsa-1"' in said.with_values(Scope(CHIME, NOW, World(others=others(DSA))))
    assert 'codetected("dsa") = not given' in said.with_values(Scope(an_alert("chime-1"), NOW))


KNOWN = Catalogue(
    [
        Known("FRB A", 197.05, -3.0, 500.0, repeats=True),
        Known("FRB B", 197.01, -3.0, 503.0),
        Known("FRB C", 190.0, -3.0, 100.0),
    ]
)


@pytest.mark.parametrize(
    ("limits", "dm", "name", "repeats"),
    [
        ("0.1, 5", 503.0, "FRB B", True),
        ("0.1, 2", 504.0, "FRB B", False),
        ("0.1, 2", 499.0, "FRB A", True),
        ("0.02, 5", 500.0, "FRB A", True),  # within the 0.1° of its own error
        ("0.1, 5", 600.0, "", False),
        ("8, 5", 99.0, "FRB C", False),
    ],
)
def test_a_burst_is_of_a_known_source_by_its_place_and_dm(limits, dm, name, repeats):
    alert = burst("chime-1", dm=dm)
    assert value(f"known({limits})", alert, catalogue=KNOWN) == name
    assert value(f"repeats({limits})", alert, catalogue=KNOWN) is repeats


def test_what_has_no_dm_goes_by_its_place_and_what_has_no_place_by_nothing():
    assert value("known(0.1, 5)", an_alert("swift-1"), catalogue=KNOWN) == "FRB B"
    assert value("known(0.1, 5)", an_alert("swift-1")) == ""
    with pytest.raises(Missing, match="localization is not given"):
        value("known(0.1, 5)", an_alert("swift-1", localization=None), catalogue=KNOWN)


def test_the_buffer():
    alert = an_alert("ligo-1", -100)
    assert value("ring_until(event_time)", alert) == "2026-03-04T05:07:05Z"  # 58 s from now
    assert value("ring_until(event_time)", alert, ring_s=1800) == "2026-03-04T05:34:27Z"
    assert value("ring_files(event_time, now)", alert) == 4
    assert value("ring_bytes(event_time, now)", alert) == 4 * 67_605_626_880 * 16
    gone = an_alert("ligo-1", -400)
    assert value("ring_files(event_time, after(event_time, 60))", gone) == 0
    assert value("ring_bytes(event_time, after(event_time, 60))", gone) == 0


RULE = """
[[rule]]
name = "{name}"
when = ['source == "chime"', '{when}', 'until(after(now, 1)) > 0']
[[rule.then]]
slot = "lwa"
command = "powerbeam"
deadline = 'after(event_time, 600)'
args.ra = 'localization.ra'
"""
POLICY = parse(
    RULE.format(name="both", when='codetected("dsa") != ""') + RULE.format(name="always", when="true"),
    frozenset({"lwa"}),
)
WITH, WITHOUT = World(others=others(DSA)), World()


def sent(rule="both", state=State.QUEUED):
    return History(sent=(Sent(7, "lwa", "powerbeam", "/lwa #7 powerbeam", rule, state),))


def test_a_policy_tells_for_whom_it_looks_and_how_far():
    assert (POLICY.asks_for, POLICY.within_s) == ({"dsa"}, 300)
    plain = parse(RULE.format(name="always", when="true"), frozenset({"lwa"}))
    assert (plain.asks_for, plain.within_s) == (frozenset(), 0)
    both = RULE.format(name="far", when='overlap("ligo", 60, 3600) > 1')
    assert parse(both, frozenset({"lwa"})).within_s == 3900


def test_what_now_holds_is_sent_once_by_the_first_alert_for_which_it_does():
    update = an_alert("chime-1", 1, alert_type="update")
    ((alert, decision),) = reconsider(POLICY, [update, CHIME, CHIME], History(), NOW, WITH)
    assert (alert, decision.rule, decision.verdict, len(decision.commands)) == (CHIME, "both", Verdict.YES, 1)
    assert reconsider(POLICY, [CHIME], History(), NOW, WITHOUT) == []
    for state in State:
        assert reconsider(POLICY, [CHIME], sent(state=state), NOW, WITH) == []


@pytest.mark.parametrize("late", [0, 5000])
def test_what_waits_is_cancelled_when_no_alert_is_codetected_any_more(late):
    now = NOW + timedelta(seconds=late)  # which changes nothing, though other conditions hold no more
    ((alert, decision),) = reconsider(POLICY, [CHIME], sent(), now, WITHOUT)
    assert (alert, decision.cancels, decision.commands) == (CHIME, (7,), ())
    assert "/lwa #7 powerbeam" in decision.reasons[0]
    assert reconsider(POLICY, [CHIME], sent(), now, WITH) == []
    assert reconsider(POLICY, [CHIME], sent("always"), now, WITHOUT) == []
    assert reconsider(POLICY, [CHIME], sent(state=State.RUNNING), now, WITHOUT) == []


def test_neither_a_retracted_event_nor_a_test_is_acted_on_for_another():
    retracted = History(retracted_by="chime-1.r")
    assert reconsider(POLICY, [CHIME], retracted, NOW, WITH) == []
    assert reconsider(POLICY, [CHIME.model_copy(update={"role": Role.TEST})], History(), NOW, WITH) == []


def test_decided_at_once_or_again_it_is_the_same():
    at_once = decide(POLICY, CHIME, History(), NOW, WITH)[0]
    ((_, again),) = reconsider(POLICY, [CHIME], History(), NOW, WITH)
    assert replace(again, reasons=()) == replace(at_once, reasons=())
