"""Repointing DSA-110: what must hold before, and how it is followed."""

import json
from typing import Any

import pytest

from dsa_array import Array, command
from ovro_alert.acting import Later, Outcome, Plan, Unreachable
from ovro_alert.command import State

ALL = "/cmd/ant/0"
MARK = "/ovro-alert/dsa/777"


def repoint(**args: Any) -> Any:
    return command("repoint", args or {"dec": 54.0, "ra": 83.6})


def test_the_array_goes_to_a_declination_and_is_followed_until_it_stands_there() -> None:
    array = Array()
    outcome = array.carry_through(repoint())
    # 90 − (37.23 − 54): north of the zenith.
    assert array.told(ALL) == [{"cmd": "move", "val": 106.77}]
    assert outcome.state is State.DONE
    assert outcome.detail["message"] == "63 of 63 antennas are settled at 106.77°"
    assert outcome.detail["declination"] == 54.0
    # 16.77° at 1.57 s a degree.
    began = array.said[0]
    assert began["message"] == "0 of 63 antennas are settled at 106.77°, the middle one is at 90°"
    assert len(array.said) > 3
    assert 26 <= (array.now - array.twin._began).total_seconds() - 60 <= 29
    assert [each["did"] for each in array.twin.account] == ["moved"]


def test_what_it_comes_to_is_said_before() -> None:
    plan = Array().plan(repoint())
    assert isinstance(plan, Plan)
    assert plan.summary == {
        "message": "63 antennas from declination 37.23° to elevation 106.77° (declination 54.00°)",
        "elevation": 106.77,
        "approved_by": "an operator",
    }


def test_only_what_a_person_has_approved() -> None:
    entry = command("repoint", {"dec": 54.0}, approved_by=None)
    assert "a person has approved it" in Array().refusal(entry)


@pytest.mark.parametrize(
    ("settings", "keys"), [({}, [ALL]), ({"antennas": (3, 7)}, ["/cmd/ant/3", "/cmd/ant/7"])]
)
def test_all_antennas_by_one_key_or_those_that_are_named_by_theirs(
    settings: dict[str, Any], keys: list[str]
) -> None:
    array = Array(**settings)
    outcome = array.carry_through(repoint(elevation=100))
    assert [each["key"] for each in array.twin.account] == keys
    assert outcome.state is State.DONE
    assert outcome.detail["antennas"] == (63 if keys == [ALL] else 2)


def test_an_array_that_is_there_is_not_moved() -> None:
    array = Array()
    outcome = array.plan(repoint(dec=37.23))
    assert isinstance(outcome, Outcome)
    assert outcome.state is State.DONE
    assert outcome.detail["message"] == "the array is at elevation 90.00° (declination 37.23°) already"
    assert array.told(ALL) == []


def test_not_while_it_records_and_never_where_nobody_says_so() -> None:
    array = Array()
    array.twin.record(True)
    with pytest.raises(Later, match="recording: /cmd/corr/docopy says 'True'"):
        array.plan(repoint())
    array.keys.put("/cmd/corr/docopy", b"not JSON")
    assert "does not say whether the array is recording" in array.refusal(repoint())
    array.twin.record(False)
    assert isinstance(array.plan(repoint()), Plan)


def test_whether_it_records_may_be_said_by_a_field_of_another_key() -> None:
    key = "/mon/corr_rt/3/capture/4011"
    array = Array(recording_key=key, recording_field="arm_state", idle=("WAITING_FOR_ARM", "STOPPED"))
    assert f"{key}, arm_state does not say" in array.refusal(repoint())
    array.keys.put(key, b'{"arm_state": "WRITING"}')
    with pytest.raises(Later, match="arm_state says 'WRITING'"):
        array.plan(repoint())
    array.keys.put(key, b'{"arm_state": "STOPPED"}')
    assert isinstance(array.plan(repoint()), Plan)


def test_not_while_it_moves_for_another() -> None:
    array = Array()
    array.keys.put(ALL, b'{"cmd": "move", "val": 120}')
    array.pass_by(3)
    with pytest.raises(Later, match="is moving: 63 of 63"):
        array.plan(repoint())


def test_some_that_are_stuck_hold_nobody_up_and_more_are_named() -> None:
    array = Array()
    array.twin.misbehaviour.stuck = {1, 2, 3, 4, 5, 6}
    assert array.carry_through(repoint()).detail["message"] == "57 of 63 antennas are settled at 106.77°"
    array = Array(stuck_s=100)
    array.twin.misbehaviour.stuck = {1, 2, 3, 4, 5, 6, 7}  # 56 of 63 are not more than 90 %
    array.twin.misbehaviour.unsettled = {9}
    outcome = array.carry_through(repoint())
    assert outcome.state is State.FAILED
    assert outcome.detail["message"].startswith(
        "stuck: 55 of 63 antennas are settled at 106.77° after 100 s: 1 at 90.00°, moving, 2 at"
    )
    assert outcome.detail["stuck"]["9"] == "at 106.77°, moving"
    assert len(outcome.detail["stuck"]) == 8


def test_nine_in_ten_are_not_more_than_nine_in_ten() -> None:
    array = Array(antennas=tuple(range(1, 11)))
    array.twin.misbehaviour.stuck = {1}
    assert array.carry_through(repoint()).state is State.FAILED
    array.twin.misbehaviour.stuck = set()
    array.pass_by(30)
    assert array.carry_through(repoint()).state is State.DONE


def test_those_that_fall_silent_while_it_moves_are_not_settled() -> None:
    array = Array(stuck_s=200)
    trace = array.begin(repoint())
    array.twin.misbehaviour.silent = set(range(1, 60))
    outcome = array.hands.follow(repoint(), trace, array)
    assert outcome.state is State.FAILED
    assert (outcome.detail["settled"], outcome.detail["antennas"]) == (4, 63)
    assert outcome.detail["stuck"]["1"] == "does not report"


def test_an_array_that_takes_no_command_is_stuck_where_it_is() -> None:
    array = Array()
    array.twin.misbehaviour.is_deaf = True
    outcome = array.carry_through(repoint())
    assert outcome.state is State.FAILED
    assert "stuck: 0 of 63 antennas are settled at 106.77° after 240 s" in outcome.detail["message"]


def test_those_that_did_not_report_before_do_not_count_and_are_told() -> None:
    array = Array()
    array.twin.misbehaviour.silent = set(range(1, 31))
    array.pass_by(90)
    plan = array.plan(repoint())
    assert isinstance(plan, Plan)
    assert plan.summary["message"].startswith("33 antennas from")
    assert plan.summary["message"].endswith("; 30 more do not report")
    outcome = array.carry_through(repoint())
    assert outcome.state is State.DONE
    message = "33 of 33 antennas are settled at 106.77°; 30 more do not report"
    assert outcome.detail["message"] == message
    outcome = array.carry_through(command("repoint", {"dec": 54.0}, id=778))
    assert outcome.detail["message"].endswith("already; 30 more do not report")


def test_a_few_that_report_do_not_speak_for_the_array() -> None:
    array = Array()
    array.twin.misbehaviour.silent = set(range(2, 64))
    array.pass_by(90)
    for dec in (54.0, 37.23):
        with pytest.raises(Later, match="only 1 of 63 antennas report"):
            array.plan(repoint(dec=dec))
    array.settings = array.settings.model_copy(update={"antennas": (1, 2, 3), "reporting_share": 0.3})
    assert isinstance(array.plan(repoint()), Plan)


def test_of_two_that_are_sent_at_once_the_second_waits_until_the_first_stands() -> None:
    array = Array()
    first, second = repoint(elevation=60), command("repoint", {"elevation": 110}, id=778)
    back = command("repoint", {"elevation": 90}, id=779)
    begun, plan = array.begin(first), None
    for entry in (second, back):  # also where the array stands until it has heard of the first
        with pytest.raises(Later, match=r"was sent to 60.00°, and 63 of 63 antennas are not there"):
            array.plan(entry)
    array.pass_by(5)
    with pytest.raises(Later, match="is moving"):
        array.plan(second)
    outcome = array.hands.follow(first, begun, array)
    assert (outcome.state, outcome.detail["settled"]) == (State.DONE, 63)
    plan = array.plan(second)
    assert isinstance(plan, Plan)
    assert array.carry_through(second).state is State.DONE
    assert [told["elevation"] for told in array.twin.account] == [60, 110]


@pytest.mark.parametrize("settings", [{}, {"antennas": (3, 7)}])
def test_one_that_stood_there_and_was_sent_on_before_anybody_looked_is_done(settings: dict[str, Any]) -> None:
    """The client died as the array moved; the next began with the next command."""
    array = Array(**settings)
    first = repoint(elevation=95)
    begun = array.begin(first)
    array.pass_by(20)
    for id, elevation in ((778, 100), (779, 90)):
        array.carry_through(command("repoint", {"elevation": elevation}, id=id))
    array.pass_by(300)
    outcome = array.hands.follow(first, begun, array)
    assert outcome.state is State.DONE
    number = 2 if settings else 63
    says = f"{number} of {number} antennas are settled at 95.00°, and the array was sent elsewhere then"
    assert outcome.detail["message"] == says
    assert "clock" not in outcome.detail


@pytest.mark.parametrize("is_forgotten", [False, True])
def test_one_that_was_sent_elsewhere_before_it_stood_there_has_failed(is_forgotten: bool) -> None:
    array = Array()
    begun = array.begin(repoint(elevation=110))
    array.pass_by(5)
    array.keys.put(ALL, b'{"cmd": "move", "val": 90}')
    array.pass_by(5)
    if is_forgotten:
        array.keys.compact()
    outcome = array.hands.follow(repoint(elevation=110), begun, array)
    assert outcome.state is State.FAILED
    says = "only 0 of 63 antennas are settled at 110.00°, and the array was sent elsewhere then"
    assert outcome.detail["message"] == says


def test_of_two_that_were_planned_one_is_sent() -> None:
    array = Array()
    entries = [repoint(elevation=60), command("repoint", {"elevation": 110}, id=778)]
    plans = [array.plan(entry) for entry in entries]
    assert all(isinstance(plan, Plan) for plan in plans)
    array.hands.carry_out(entries[0], plans[0])  # type: ignore[arg-type]
    with pytest.raises(Later, match="another has put /cmd/ant/0 meanwhile"):
        array.hands.carry_out(entries[1], plans[1])  # type: ignore[arg-type]
    assert array.hands.find(entries[1]) is None
    assert array.told(ALL) == [{"cmd": "move", "val": 60}]


@pytest.mark.parametrize("is_forgotten", [False, True])
def test_what_was_not_done_in_the_time_of_a_move_holds_nobody_up(is_forgotten: bool) -> None:
    array = Array(stuck_s=100)
    array.twin.misbehaviour.is_deaf = True
    array.begin(repoint(elevation=60))
    array.pass_by(20 if is_forgotten else 98)
    with pytest.raises(Later, match="was sent to"):
        array.plan(command("repoint", {"elevation": 110}, id=778))
    if is_forgotten:
        array.keys.compact()
    else:
        array.pass_by(4)
    assert isinstance(array.plan(command("repoint", {"elevation": 110}, id=778)), Plan)


def test_one_antenna_that_was_sent_elsewhere_since_holds_nobody_up() -> None:
    array = Array()
    array.carry_through(repoint(elevation=60))
    for number in range(1, 64):
        array.keys.put(f"/cmd/ant/{number}", b'{"cmd": "move", "val": 61}')
    array.pass_by(10)
    array.keys.put("/cmd/ant/7", b'{"cmd": "move", "val": 90}')
    assert isinstance(array.plan(command("repoint", {"elevation": 110}, id=778)), Plan)


def test_a_recording_that_begins_after_the_plan_is_seen() -> None:
    array = Array()
    plan = array.plan(repoint())
    assert isinstance(plan, Plan)
    array.twin.record(True)
    with pytest.raises(Later, match="is recording"):
        array.hands.carry_out(repoint(), plan)
    array.keys.put("/cmd/corr/docopy", b"?")
    with pytest.raises(Later, match="does not say whether"):
        array.hands.carry_out(repoint(), plan)
    assert array.told(ALL) == []
    assert array.hands.find(repoint()) is None


def test_where_no_antenna_reports_it_is_asked_again() -> None:
    array = Array()
    array.twin.misbehaviour.silent = set(range(1, 64))
    array.pass_by(90)
    with pytest.raises(Later, match="no antenna reports"):
        array.plan(repoint())


@pytest.mark.parametrize("off", [3.0, -3.0])
def test_a_clock_that_is_off_is_told(off: float) -> None:
    array = Array()
    array.twin.misbehaviour.clock_off_s = off
    array.pass_by(2)
    plan = array.plan(repoint())
    assert isinstance(plan, Plan)
    which = "ahead of" if off > 0 else "behind"
    assert plan.summary["clock"] == f"the antennas' clock is 3.0 s {which} this host's"
    array.twin.misbehaviour.clock_off_s = 300
    array.pass_by(2)
    with pytest.raises(Later, match=r"no antenna reports: the antennas' clock is 300.0 s ahead of"):
        array.plan(repoint())


def test_points_that_make_no_sense_are_as_if_they_were_not_there() -> None:
    array = Array()
    bad = [b"{", b"[]", b'{"time": NaN}', b'{"time": 1e300, "ant_el": 9, "ant_cmd_el": 9, "drv_state": 2}']
    for number, value in enumerate(bad, 1):
        array.keys.put(f"/mon/ant/{number}", value)
    array.keys.put("/mon/ant/7/cal", b"{}")
    plan = array.plan(repoint())
    assert isinstance(plan, Plan)
    assert plan.summary["message"].startswith("59 antennas ")


def test_a_command_is_given_once_whatever_is_lost() -> None:
    array = Array()
    entry = repoint()
    plan = array.plan(entry)
    assert isinstance(plan, Plan)
    array.keys.is_lost = True
    with pytest.raises(Unreachable):
        array.hands.carry_out(entry, plan)
    found = array.hands.find(entry)
    assert found is not None
    assert found.name == "move to 106.7700"
    array.pass_by(5)
    assert array.hands.carry_out(entry, plan) == found  # another client, which had planned it, too
    array.pass_by(5)
    assert array.hands.follow(entry, found, array).state is State.DONE
    assert [each["key"] for each in array.twin.account] == [ALL]


def test_the_mark_says_what_a_person_would_ask() -> None:
    array = Array()
    array.begin(repoint())
    [mark] = array.told(MARK)
    assert {name: mark[name] for name in ("kind", "name", "priority", "event_id", "command")} == {
        "kind": "move",
        "name": "move to 106.7700",
        "priority": 5,
        "event_id": "chime-1",
        "command": "repoint",
    }
    assert mark["antennas"] == list(range(1, 64))


def test_a_mark_that_cannot_be_read_is_one() -> None:
    array = Array()
    array.keys.put(MARK, b"?")
    trace = array.hands.find(repoint())
    assert trace is not None
    assert array.told(ALL) == []
    assert array.hands.follow(repoint(dec=37.23), trace, array).state is State.DONE


def test_a_retraction_moves_nothing_back() -> None:
    array = Array()
    array.retracted_by = "chime-1-retraction"
    outcome = array.carry_through(repoint())
    assert outcome.state is State.DONE
    assert (
        "chime-1-retraction has taken its event back, and nothing is moved back" in outcome.detail["message"]
    )
    assert len(array.told(ALL)) == 1
    json.dumps([outcome.detail, *array.said])
