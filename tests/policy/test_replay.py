"""A policy tried on alerts that came before: what it would have done, over a history of its own making."""

from datetime import UTC, datetime, timedelta

import pytest

from ovro_alert.alert import Alert, AlertType, FastRadioBurst, Localization, Role
from ovro_alert.command import State
from ovro_alert.policy.compared import Did, Kind, Past, Tally
from ovro_alert.policy.replay import Replay
from ovro_alert.policy.rules import parse

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
RULE = """
[[rule]]
name = "{name}"
when = ['{when}']
[[rule.then]]
slot = "lwa"
command = "powerbeam"
deadline = 'after(event_time, 3600)'
{limits}
args.ra = 'localization.ra'
args.start = 'now'
"""


def policy(when="localization.ra > 0", name="beam", limits=""):
    return parse(RULE.format(name=name, when=when, limits=limits), frozenset({"lwa"}))


def an_alert(number, event="e", alert_type="initial", ra=10.0, names=(), happened=NOW):
    return Alert(
        alert_id=f"a{number}",
        event_id=event,
        event_names=names,
        source="gcn",
        role="observation",
        alert_type=alert_type,
        event_time=happened,
        localization=Localization(ra=ra, dec=0.0),
    )


def past(number, did=None, seconds=None, **about):
    at = NOW + timedelta(seconds=number if seconds is None else seconds)
    return Past(an_alert(number, **about), at, did)


def did(number, ra=10.0, state=State.QUEUED, **moments):
    """The command that an alert has led to, and how many seconds after NOW it went on."""
    at = NOW + timedelta(seconds=number)
    moments = {name: NOW + timedelta(seconds=seconds) for name, seconds in moments.items()}
    args = {"ra": ra, "start": at.isoformat().replace("+00:00", "Z")}
    about = {"state": state, "queued_at": at} | moments
    return Did(("beam", "lwa", "powerbeam"), args, NOW + timedelta(hours=1), 0, **about)


def replayed(pasts, **of_policy):
    replay = Replay(policy(**of_policy))
    return [said for one in pasts for said in replay.take(one)]


def kinds(pasts, **of_policy):
    """Of each alert, how its commands compare."""
    return ["".join(one.kind for one in each.compared) for each in replayed(pasts, **of_policy)]


def test_what_was_done_and_would_be_done_again_is_the_same():
    assert kinds([past(0, [did(0)]), past(1, [], ra=0.0, event="f")]) == ["=", ""]


def test_what_would_be_done_or_left_now_is_told_with_the_reason():
    pasts = [past(0, [did(0)]), past(1, [], ra=300.0, event="f")]
    less, more = replayed(pasts, when="localization.ra > 200")
    (one,) = less.compared
    assert (one.kind, one.command) == (Kind.LESS, None)
    assert one.why == "not met: localization.ra > 200 (localization.ra = 10)"
    (one,) = more.compared
    assert (one.kind, one.command.args["ra"]) == (Kind.MORE, 300.0)


def test_a_rule_by_another_name_is_another():
    (both,) = replayed([past(0, [did(0)])], name="wide beam")
    assert [(one.kind, one.purpose[0], one.why) for one in both.compared] == [
        (Kind.MORE, "wide beam", ""),
        (Kind.LESS, "beam", "there is no such rule"),
    ]


def test_values_that_differ_are_told_each_with_what_it_was():
    (one,) = replayed([past(0, [did(0, ra=11.0)])], limits="priority = 3")[0].compared
    assert (one.kind, one.values) == (Kind.OTHER, {"args.ra": (11.0, 10.0), "priority": (0, 3)})


def test_the_clock_is_that_of_each_alert():
    first, late = replayed([past(0), past(1, seconds=3600 + 42, event="f")])
    assert first.compared[0].command.args["start"] == "2026-03-04T05:06:07Z"
    assert first.compared[0].command.margin_s == 3600.0
    assert late.compared == []
    assert late.decisions[0].reasons[-1] == "/lwa powerbeam: too late by 42.0 s"


def test_of_a_folder_nobody_knows_what_was_done():
    assert kinds([past(0), past(1)]) == ["?", ""]


@pytest.mark.parametrize(
    ("life", "update", "compared"),
    [
        ({}, [did(60, ra=11.0)], "="),
        ({"claimed_at": 1}, [did(60, ra=11.0)], "="),
        ({"claimed_at": 1, "running_at": 2}, [], ""),
        ({"claimed_at": 61, "running_at": 62, "over_at": 63, "state": State.DONE}, [did(60, ra=11.0)], "="),
        # Cancelled by the update itself; or by a person before, who did not want it.
        ({"over_at": 60, "state": State.CANCELLED}, [did(60, ra=11.0)], "="),
        ({"over_at": 59, "state": State.CANCELLED}, [], ""),
    ],
)
def test_what_was_sent_has_the_life_that_it_had(life, update, compared):
    first, second = past(0, [did(0, **life)]), past(60, update, alert_type="update", ra=11.0)
    assert kinds([first, second]) == ["=", compared]


def test_what_never_was_is_taken_to_have_been_carried_out_at_once():
    assert kinds([past(0, []), past(60, [], alert_type="update", ra=11.0)]) == ["+", ""]


def test_what_would_have_asked_a_person_waits_for_one_until_its_deadline():
    def after(seconds, alert_type):
        first = past(0, [])
        then = past(1, [], seconds=seconds, alert_type=alert_type, ra=11.0, happened=NOW + timedelta(hours=2))
        return replayed([first, then], limits="approval = true")[1]

    assert [one.kind for one in after(3599, "update").compared] == [Kind.MORE]
    assert after(3600, "update").compared == []
    assert after(3599, "retraction").decisions[0].reasons == ("cancels /lwa powerbeam",)
    assert after(3600, "retraction").decisions[0].reasons == ("/lwa powerbeam is expired",)


def test_after_a_retraction_comes_nothing():
    pasts = [past(0, [], alert_type="retraction"), past(1, []), past(2, [], alert_type="update")]
    last = replayed(pasts)[-1]
    assert (last.compared, last.decisions[0].reasons[-1]) == ([], "its event was retracted by a0")


def test_alerts_that_share_a_name_are_of_one_event():
    assert kinds([past(0, names=("x",)), past(1, event="x"), past(2, event="f")]) == ["?", "", "?"]


def test_two_events_that_prove_to_be_one_have_one_history():
    apart = [past(0, event="e"), past(1, event="f")]
    assert kinds([*apart, past(2, event="e", names=("f",)), past(3, event="f")]) == ["?", "?", "", ""]
    retracted = past(0, event="e", alert_type=AlertType.RETRACTION)
    both = past(2, event="f", names=("e",), alert_type="subsequent")
    assert kinds([retracted, past(1, event="f"), both])[:2] == ["", "?"]
    assert (
        "was retracted by a0" in replayed([retracted, past(1, event="f"), both])[2].decisions[0].reasons[-1]
    )


def test_that_one_of_them_was_retracted_holds_for_both():
    first, retracted = past(0, event="e"), past(1, event="f", alert_type=AlertType.RETRACTION)
    last = replayed([first, retracted, past(2, event="e", names=("f",), alert_type="subsequent")])[2]
    assert "its event was retracted by a1" in last.decisions[-1].reasons


def test_what_was_replaced_is_cancelled_and_no_more():
    pasts = [past(0, []), past(1, [], alert_type="update"), past(2, [], alert_type="retraction")]
    retraction = replayed(pasts, limits="approval = true")[2].decisions[0]
    assert retraction.reasons == ("cancels /lwa powerbeam", "/lwa powerbeam is cancelled")


@pytest.mark.parametrize(
    ("limits", "acts"),
    [
        ("cooldown_s = 100", "?..?"),
        ("per_day = 2", "??.."),
        ("", "????"),
    ],
)
def test_a_rule_keeps_to_its_limits_over_all_events(limits, acts):
    pasts = [past(n, seconds=seconds, event=f"e{n}") for n, seconds in enumerate((0, 50, 99, 100))]
    assert "".join(kind or "." for kind in kinds(pasts, limits=limits)) == acts


def test_a_budget_is_of_24_hours():
    later = NOW + timedelta(days=1)
    pasts = [
        past(0),
        past(1, event="f", seconds=86399, happened=later),
        past(2, event="g", seconds=86400, happened=later),
    ]
    assert kinds(pasts, limits="per_day = 1") == ["?", "", "?"]


def test_the_sum_is_by_rule_with_what_fails_and_first_on_what():
    nowhere = Past(an_alert(3, event="h").model_copy(update={"localization": None}), NOW, [])
    chosen = policy(when="localization.ra > 200")
    replay, tally = Replay(chosen), Tally(chosen)
    for one in (past(0, [did(0)]), past(1, [], event="f", ra=300.0), past(2, [], event="g", ra=0.0), nowhere):
        tally.add(*replay.take(one))
    count = tally.rules["beam"]
    assert tally.alerts == 4
    assert dict(count.commands) == {Kind.LESS: 1, Kind.MORE: 1}
    assert (count.errors, count.error) == (1, "a3: localization.ra is not given")


SEEN_TWICE = """
[[rule]]
name = "beam"
when = ['source == "chime"', 'codetected("dsa") != ""']
[[rule.then]]
slot = "lwa"
command = "powerbeam"
deadline = 'after(event_time, 3600)'
approval = true
args.ra = 'localization.ra'
args.start = 'now'
"""


def a_burst(number, source, event, dm=500.0, alert_type="initial", **about):
    """A burst 10 s before NOW, at infinite frequency, as CHIME and DSA-110 see it."""
    alert = an_alert(number, event, alert_type, happened=NOW - timedelta(seconds=10))
    frb = FastRadioBurst(dm=dm, dm_error=1.0)
    return Past(
        alert.model_copy(update={"source": source, "frb": frb} | about), NOW + timedelta(seconds=number), []
    )


def seen_twice(*pasts):
    replay = Replay(parse(SEEN_TWICE, frozenset({"lwa"})))
    found = [said for one in pasts for said in replay.take(one)]
    return [
        (said.past.alert.alert_id, said.again, "".join(one.kind for one in said.compared)) for said in found
    ]


def test_a_burst_that_two_see_is_acted_on_whoever_is_told_of_first():
    chime, dsa = a_burst(1, "chime", "chime-1"), a_burst(2, "dsa", "dsa-1")
    assert seen_twice(chime, dsa) == [("a1", False, ""), ("a2", False, ""), ("a1", True, "+")]
    late = Past(chime.alert, NOW + timedelta(seconds=3), [])
    assert seen_twice(dsa, late) == [("a2", False, ""), ("a1", False, "+")]
    assert seen_twice(chime, a_burst(2, "dsa", "dsa-1", dm=520.0))[1:] == [("a2", False, "")]
    # A test is nothing to what is real; a retraction ends what it stood for, whoever comes after it.
    test = a_burst(2, "dsa", "dsa-1", role=Role.TEST)
    assert seen_twice(chime, test)[1:] == [("a2", False, "")]
    gone = a_burst(3, "dsa", "dsa-1", alert_type=AlertType.RETRACTION)
    assert seen_twice(dsa, gone, Past(chime.alert, NOW + timedelta(seconds=4), []))[-1][2] == ""


def test_what_others_take_back_is_cancelled():
    chime, dsa = a_burst(1, "chime", "chime-1"), a_burst(2, "dsa", "dsa-1")
    replay = Replay(parse(SEEN_TWICE, frozenset({"lwa"})))
    for one in (chime, dsa):
        replay.take(one)
    *_, again = replay.take(a_burst(3, "dsa", "dsa-1", alert_type=AlertType.RETRACTION))
    assert (again.past.alert.alert_id, len(again.decisions[0].cancels)) == ("a1", 1)


def test_what_was_done_later_is_compared_when_it_would_have_been():
    purpose = ("beam", "lwa", "powerbeam")
    later = NOW + timedelta(seconds=2)
    args = {"ra": 10.0, "start": "2026-03-04T05:06:09Z"}
    did = Did(purpose, args, NOW + timedelta(seconds=3590), 0, State.PENDING, later)
    chime, dsa = a_burst(1, "chime", "chime-1"), a_burst(2, "dsa", "dsa-1")
    chime = Past(chime.alert, chime.at, [did])
    assert seen_twice(chime, dsa)[-1] == ("a1", True, "=")
    replay = Replay(parse(SEEN_TWICE, frozenset({"lwa"})))
    first, rest = replay.through([chime])
    assert first.compared == []
    assert (rest.at, rest.again, rest.compared[0].kind) == (later, True, Kind.LESS)
    assert rest.compared[0].why.startswith('not met: codetected("dsa") != ""')
