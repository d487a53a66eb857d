"""Why a rule acts or does not: every condition by itself, whatever came before it."""

from datetime import UTC, datetime, timedelta

import pytest

from ovro_alert.alert import Alert, AlertType, FastRadioBurst
from ovro_alert.policy.decide import decide
from ovro_alert.policy.explain import explain
from ovro_alert.policy.history import History
from ovro_alert.policy.rules import parse

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
POLICY = """
[[rule]]
name = "one"
when = ['source == "dsa"', 'frb.dm > 100', 'frb.snr > 8', 'until(after(now, (frb.dm + 1) * 2)) > 60']
unless = ['frb.dm > 400 or description == "until(now)"']
[[rule.then]]
slot = "lwa"
command = "powerbeam"
deadline = 'arrival(43)'
"""
ALERT = Alert(
    alert_id="a",
    event_id="e",
    source="chime",
    role="observation",
    alert_type="initial",
    event_time=NOW - timedelta(seconds=2),
    frb=FastRadioBurst(dm=500.0, reference_mhz=400.0),
)


@pytest.fixture
def policy():
    return parse(POLICY, frozenset({"lwa"}))


def test_all_conditions_have_their_values_also_those_that_were_not_asked(policy):
    (said,) = explain(policy, ALERT, History(), NOW)
    assert [(one.of, one.value, one.why) for one in said.conditions] == [
        ("when", False, ""),
        ("when", True, ""),
        ("when", None, "frb.snr is not given"),
        ("when", True, ""),
        ("unless", True, ""),
    ]
    assert said.conditions[0].names == {"source": "chime"}


def test_a_call_is_shown_with_what_it_gives_and_a_string_is_no_call(policy):
    (said,) = explain(policy, ALERT, History(), NOW)
    assert said.conditions[3].names == {"frb.dm": 500.0, "until(after(now, (frb.dm + 1) * 2))": 1002.0}
    assert said.conditions[4].names == {"frb.dm": 500.0, "description": ""}


@pytest.mark.parametrize("about", [{}, {"source": "dsa"}, {"alert_type": AlertType.RETRACTION}])
def test_the_decision_is_that_of_the_relay(policy, about):
    alert = ALERT.model_copy(update=about)
    said = explain(policy, alert, History(), NOW)
    assert [one.decision for one in said] == decide(policy, alert, History(), NOW)


def test_of_a_retraction_no_rule_is_asked(policy):
    (said,) = explain(policy, ALERT.model_copy(update={"alert_type": AlertType.RETRACTION}), History(), NOW)
    assert (said.decision.rule, said.conditions) == ("retraction", ())


def test_a_part_that_the_alert_has_not_is_shown_as_such_also_where_the_rule_never_asks():
    text = POLICY.replace("unless = [", "unless = ['not transient.classification.is_empty', ", 1)
    explained = explain(parse(text, frozenset({"lwa"})), ALERT, History(), NOW)
    assert "transient.classification.is_empty" in str([one.names for one in explained[0].conditions])
