"""What a policy file may say, and what is said of one that may not."""

from datetime import UTC, datetime

import pytest

from ovro_alert.alert import Alert, FastRadioBurst, Transient
from ovro_alert.policy.decide import decide
from ovro_alert.policy.functions import Missing, Scope
from ovro_alert.policy.history import History
from ovro_alert.policy.language import Expression, ExpressionError
from ovro_alert.policy.rules import PolicyError, load, parse

NOW = datetime(2026, 3, 4, tzinfo=UTC)
ALERT = Alert(
    alert_id="a",
    event_id="e",
    source="chime",
    role="observation",
    alert_type="initial",
    event_time=NOW,
    frb=FastRadioBurst(dm=100.0, reference_mhz=400.0),
)
SCOPE = Scope(ALERT, NOW)


def rule(when='source == "chime"', slot="lwa", deadline="now", args=""):
    return f"""
[[rule]]
name = "one"
when = ['{when}']
[[rule.then]]
slot = "{slot}"
command = "c"
deadline = '{deadline}'
{args}
"""


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("frb.dm * 2", 200.0),
        ("event_id", "e"),
        ("event_time", "2026-03-04T00:00:00Z"),
        ("after(event_time, 90)", "2026-03-04T00:01:30Z"),
        ("until(after(now, 90))", 90.0),
        ("mjd(event_time)", 61103.0),
        ("delay(1000, 50, 1000000000)", pytest.approx(1659.52, abs=0.01)),
        ("until(arrival(200))", pytest.approx(414880.8 * (200**-2 - 400**-2))),
        ("role", "observation"),
        ('frb.known_source == ""', True),
        ("(frb.importance ?? 1) >= 0.9", True),
        ('gw.classification&["BNS"] ?? 0.25', 0.25),
        ("source == 'chime'", True),
        ('now >= d"2026-03-04" and now < d"2026-03-04T00:00:01"', True),
        ('[x for x in event_names if x == "e"].length', 0.0),
        ('description == "$now"', False),
        ('role == "observation" and role != "test"', True),
        ('alert_type == "initial" and alert_type in ["initial"]', True),
    ],
)
def test_values(text, value):
    assert Expression(text).value(SCOPE) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("frb.nonsense > 1", "nonsense"),
        ("nonsense > 1", "unknown name 'nonsense'"),
        ("source > 5", "data type mismatch"),
        ('arrival("low")', "arrival"),
        ("frb.dm >", "syntax error"),
        ("__import__('os')", "__import__"),
        ("source.__class__", "__class__"),
        ("$now > event_time", "the moment is `now`"),
        ("event_time - now", "gives timedelta, what JSON has is wanted"),
        ("localization", "gives localization, what JSON has is wanted"),
        ('{"a", "b"}', "gives set"),
    ],
)
def test_what_cannot_be_right_is_refused_when_it_is_read(text, reason):
    with pytest.raises(ExpressionError, match=reason):
        Expression(text)


def test_an_absent_value_is_missing_and_not_small():
    with pytest.raises(Missing, match=r"frb\.importance is not given"):
        Expression("frb.importance < 0.5").value(SCOPE)
    with pytest.raises(Missing, match=r"gw\.instruments is not given"):
        Expression('"H1" in gw.instruments').value(SCOPE)
    with pytest.raises(Missing, match=r"gw\.significant is not given"):
        Expression("gw.significant").value(SCOPE)
    with pytest.raises(Missing, match=r"gw\.far is not given"):
        Expression("gw.far < 1").value(SCOPE)


BURST = Transient(rate_duration=0.256, energy_range_kev=(15, 350), classification={"GRB": 0.75})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("transient.rate_duration < 2", True),
        ("transient.energy_range_kev[1]", 350.0),
        ('transient.classification&["GRB"] ?? 0', 0.75),
        ('transient.classification&["SGR"] ?? 0', 0.0),
        ('transient.known_source == ""', True),
        ("(transient.image_snr ?? 0) > 3", False),
    ],
)
def test_what_a_burst_monitor_says(text, value):
    seen = ALERT.model_copy(update={"source": "gcn", "mission": "Swift", "frb": None, "transient": BURST})
    assert Expression(text).value(Scope(seen, NOW)) == value
    with pytest.raises(Missing, match=r"transient\.image_snr is not given"):
        Expression("transient.image_snr > 3").value(Scope(seen, NOW))
    with pytest.raises(Missing, match=r"transient\.rate_duration is not given"):
        Expression("transient.rate_duration < 2").value(SCOPE)


def test_no_value_is_an_error_with_its_expression():
    with pytest.raises(ExpressionError, match="1 / "):
        Expression("1 / (frb.dm - 100) > 0").value(SCOPE)


def test_a_reason_shows_what_its_names_stood_for():
    said = Expression('frb.dm >= 100 and source in ["chime", "dsa"] and (frb.snr ?? 3e1) > 5')
    assert said.with_values(SCOPE).endswith('(frb.dm = 100, source = "chime", frb.snr = not given)')


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (rule(when="frb.dm > "), r"f\.toml:4: frb\.dm >: syntax error"),
        (rule(when="frb.dm"), "float.*boolean is wanted"),
        (rule(slot="chime"), r"f\.toml:6: slot 'chime' takes no commands"),
        (rule(deadline="frb.dm"), "datetime is wanted"),
        (rule(args="args.ra = 'localization.rah'"), r"f\.toml:9: localization\.rah"),
        (rule() + rule(), r"f\.toml:12: two rules are named 'one'"),
        ("rule = 3", "rule: .*list"),
        ("[[rule]]\nname='x'\nwhen=[]\nthen=[]", r"f\.toml:1: rule\.0\.when"),
        (rule() + "\nextra = 1", r"f\.toml:11: rule\.0\.then\.0\.extra"),
        ("not toml", r"f\.toml:1: .*column 5"),
    ],
)
def test_a_policy_that_cannot_be_used_is_refused_and_the_place_named(text, reason):
    with pytest.raises(PolicyError, match=reason):
        parse(text, frozenset({"lwa"}), "f.toml")


def test_all_that_is_wrong_is_said_at_once_each_with_its_line():
    first = rule(when="frb.dmm > 1", slot="chime")
    second = rule(args="args.ra = 'localization.rah'\nargs.dec = ''").replace('"one"', '"two"')
    with pytest.raises(PolicyError) as refused:
        parse(first + second, frozenset({"lwa"}), "f.toml")
    assert [error.split(":")[1] for error in refused.value.errors] == ["4", "6", "18", "19"]
    assert "f.toml:4: frb.dmm > 1" in str(refused.value)
    with pytest.raises(PolicyError) as refused:
        parse(first + "x = 1\n" + second + "y = 1\n", frozenset({"lwa"}), "f.toml")
    assert [error.split(":")[1] for error in refused.value.errors] == ["10", "21"]


def test_a_policy_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(PolicyError, match="missing"):
        load(tmp_path / "missing.toml", frozenset({"lwa"}))


def test_a_rule_that_names_tests_acts_on_them():
    text = rule(deadline="after(now, 1)").replace('name = "one"', 'name = "one"\ntests = true')
    (decision,) = decide(
        parse(text, frozenset({"lwa"})), ALERT.model_copy(update={"role": "test"}), History(), NOW
    )
    assert len(decision.commands) == 1


def test_values_that_are_no_expressions_go_as_they_stand():
    text = rule(deadline="after(now, 1)", args="args.beamnum = 4\nargs.name = '\"x\"'")
    (decision,) = decide(parse(text, frozenset({"lwa"})), ALERT, History(), NOW)
    assert decision.commands[0].args == {"beamnum": 4, "name": "x"}


@pytest.mark.parametrize("never", ["seconds_up(10, 89.9, now, 20)", "name.to_flt"])
def test_what_is_no_number_is_nobodys_argument(never):
    text = rule(deadline="after(now, 1)", args=f"args.duration = '{never}'")
    (decision,) = decide(parse(text, frozenset({"lwa"})), ALERT, History(), NOW)
    assert (decision.verdict, decision.commands) == ("error", ())
    assert "args.duration is" in decision.reasons[-1]
