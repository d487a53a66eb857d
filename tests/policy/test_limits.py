"""What a rule may say beyond its conditions: exceptions, updates, approval, priority, cooldown, budget."""

from datetime import UTC, datetime, timedelta

import pytest

from ovro_alert.alert import Alert, Localization
from ovro_alert.command import State
from ovro_alert.policy.decide import Verdict, decide
from ovro_alert.policy.history import History, Sent, Use
from ovro_alert.policy.rules import PolicyError, parse

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
RULE = """
[[rule]]
name = "beam"
when = ['source == "gcn"']
{of_rule}
[[rule.then]]
slot = "lwa"
command = "powerbeam"
deadline = 'after(event_time, 600)'
{of_then}
args.ra = 'localization.ra'
"""


def policy(of_rule="", of_then=""):
    return parse(RULE.format(of_rule=of_rule, of_then=of_then), frozenset({"lwa"}))


def an_alert(alert_type="initial", ra=10.0, **about):
    given = {"alert_id": "a", "event_id": "e", "source": "gcn", "role": "observation"}
    given |= {"event_time": NOW - timedelta(seconds=60), "localization": Localization(ra=ra, dec=0.0)}
    return Alert.model_validate(given | {"alert_type": alert_type} | about)


def decided(of_rule="", of_then="", alert=None, **history):
    (decision,) = decide(policy(of_rule, of_then), alert or an_alert(), History(**history), NOW)
    return decision


def test_what_an_alert_does_not_say_is_left_out_where_the_rule_allows_it():
    rule = "args.dm = 'frb.dm ?? null'\nargs.error = 'localization.error_deg ?? null'"
    (command,) = decided(of_then=rule).commands
    assert command.args == {"ra": 10.0}
    (command,) = decided(of_then=rule, alert=an_alert(frb={"dm": 349.2})).commands
    assert command.args == {"ra": 10.0, "dm": 349.2}
    assert decided(of_then="args.dm = 'frb.dm'").verdict is Verdict.ERROR


def test_only_an_argument_may_be_left_out():
    with pytest.raises(PolicyError, match="nullable"):
        policy("unless = ['localization.ra ?? null']")


def test_a_command_for_a_test_says_that_it_is_one():
    rule = "tests = true"
    assert [one.role for one in decided(rule).commands] == ["observation"]
    assert [one.role for one in decided(rule, alert=an_alert(role="test")).commands] == ["test"]


def sent(state, id=7):
    return Sent(id, "lwa", "powerbeam", f"/lwa #{id} powerbeam", "beam", state)


def test_an_exception_rules_out_and_says_which():
    no = decided("unless = ['localization.ra > 300', 'localization.ra < 20']")
    assert (no.verdict, no.commands) == (Verdict.NO, ())
    assert no.reasons[-1] == "ruled out: localization.ra < 20 (localization.ra = 10)"
    assert decided("unless = ['localization.ra > 300']").verdict is Verdict.YES


def test_an_exception_that_has_no_value_is_an_error_not_a_licence():
    assert decided("unless = ['frb.dm > 100']").verdict is Verdict.ERROR


def test_every_command_says_its_margin_priority_and_whether_a_person_is_asked():
    (command,) = decided(of_then="priority = 5\napproval = true").commands
    assert (command.priority, command.approval, command.margin_s) == (5, True, 540.0)
    assert command.deadline == NOW + timedelta(seconds=540)
    (plain,) = decided().commands
    assert (plain.priority, plain.approval) == (0, False)


@pytest.mark.parametrize("state", [State.PENDING, State.QUEUED, State.CLAIMED])
def test_an_update_replaces_what_has_not_begun(state):
    decision = decided(alert=an_alert("update", ra=11.0), sent=(sent(state),))
    assert decision.cancels == (7,)
    assert [command.args for command in decision.commands] == [{"ra": 11.0}]
    assert "in place of /lwa #7 powerbeam" in decision.reasons


@pytest.mark.parametrize("state", [State.RUNNING, State.DONE, State.FAILED, State.REFUSED, State.CANCELLED])
def test_an_update_leaves_what_has_begun_or_is_over(state):
    decision = decided(alert=an_alert("update", ra=11.0), sent=(sent(state),))
    assert (decision.verdict, decision.commands, decision.cancels) == (Verdict.NO, (), ())
    assert f"#7 powerbeam is {state}: left as it is" in decision.reasons[-1]


def test_a_second_update_replaces_what_the_first_has_put_in_place():
    replaced = sent(State.CANCELLED, 7)
    decision = decided(alert=an_alert("update", ra=12.0), sent=(replaced, sent(State.QUEUED, 8)))
    assert (decision.cancels, [command.args for command in decision.commands]) == ((8,), [{"ra": 12.0}])
    begun = decided(alert=an_alert("update", ra=12.0), sent=(replaced, sent(State.RUNNING, 8)))
    assert (begun.cancels, begun.commands) == ((), ())


def test_an_update_that_comes_too_late_leaves_what_waits():
    late = an_alert("update", event_time=NOW - timedelta(seconds=642))
    decision = decided(alert=late, sent=(sent(State.QUEUED),))
    assert (decision.commands, decision.cancels) == ((), ())
    assert decision.reasons[-1] == "/lwa powerbeam: too late by 42.0 s"


def test_a_rule_may_leave_updates_alone_and_nothing_else_is_asked_twice():
    for of_rule, alert_type in (("on_update = 'leave'", "update"), ("", "initial"), ("", "subsequent")):
        decision = decided(of_rule, alert=an_alert(alert_type), sent=(sent(State.QUEUED),))
        assert (decision.verdict, decision.cancels) == (Verdict.NO, ())
        assert "already acted on this event: /lwa #7 powerbeam" in decision.reasons[-1]


def use(seconds_ago, times=1):
    return {("beam", "lwa", "powerbeam"): Use(NOW - timedelta(seconds=seconds_ago), times)}


@pytest.mark.parametrize(("ago", "verdict"), [(299, Verdict.NO), (300, Verdict.YES), (4000, Verdict.YES)])
def test_a_rule_that_cools_down_waits_for_that(ago, verdict):
    decision = decided(of_then="cooldown_s = 300", used=use(ago))
    assert decision.verdict is verdict
    if verdict is Verdict.NO:
        assert "1 s to cool down" in decision.reasons[-1]


@pytest.mark.parametrize(("times", "verdict"), [(2, Verdict.YES), (3, Verdict.NO), (4, Verdict.NO)])
def test_a_rule_keeps_to_its_budget_a_day(times, verdict):
    decision = decided(of_then="per_day = 3", used=use(1, times))
    assert decision.verdict is verdict
    if verdict is Verdict.NO:
        assert f"asked {times} times in 24 h, of 3" in decision.reasons[-1]


def test_what_replaces_takes_nothing_from_the_budget():
    update = an_alert("update", ra=11.0)
    decision = decided(
        of_then="per_day = 1\ncooldown_s = 3600", alert=update, sent=(sent(State.QUEUED),), used=use(5)
    )
    assert decision.verdict is Verdict.YES


def test_limits_of_other_rules_and_slots_are_not_its():
    used = {("another", "lwa", "powerbeam"): Use(NOW, 9), ("beam", "dsa", "powerbeam"): Use(NOW, 9)}
    assert decided(of_then="per_day = 1\ncooldown_s = 60", used=used).verdict is Verdict.YES


@pytest.mark.parametrize(
    ("of_rule", "of_then", "why"),
    [
        ("unless = ['localization.rah > 3']", "", "rah"),
        ("unless = ['localization.ra']", "", "boolean is wanted"),
        ("on_update = 'again'", "", "on_update"),
        ("", "cooldown_s = 0", "cooldown_s"),
        ("", "cooldown_s = 86401", "cooldown_s"),
        ("", "per_day = 0", "per_day"),
        ("", "per_day = 1.5", "per_day"),
        ("", "priority = 'high'", "priority"),
        ("", "approval = 'yes'", "approval"),
        ("", "aproval = true", "aproval"),
    ],
)
def test_what_a_rule_cannot_say_is_refused_by_name(of_rule, of_then, why):
    with pytest.raises(PolicyError, match=why):
        policy(of_rule, of_then)
