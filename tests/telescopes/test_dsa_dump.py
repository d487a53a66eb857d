"""A dump of DSA-110's voltages: from which spectrum on, under which name, and whether it was written."""

import json
from datetime import timedelta
from typing import Any

import pytest

from dsa_array import BEGAN, Array, command
from ovro_alert.acting import Later, Outcome, Plan, Unreachable
from ovro_alert.command import Entry, State, to_mjd
from ovro_alert.telescopes.dsa.hands import DsaHands

CORRELATOR = "/cmd/corr/0"
ANNOUNCEMENT = "/mon/corr/1/trigger"
# Worked out by hand: 10000 counts of 32.768 µs, 5000 spectra, go before the first; a burst of 50 s after the
# array began is spectrum 50 / 65.536e-6 − 5000, and its dump begins 1907 samples of 4 spectra earlier.
AT_50_S = 762939 - 5000 - 7628


def dump(id: int = 777, **args: Any) -> Any:
    return command("dump", args, id=id)


def at(seconds: float) -> float:
    """The MJD so many seconds after the array began; it is now 60 s after."""
    return to_mjd(BEGAN + timedelta(seconds=seconds))


def test_a_spectrum_is_dumped_under_a_name_of_ours() -> None:
    array = Array()
    outcome = array.carry_through(dump(specnum=AT_50_S))
    # 777 = (1·26 + 3)·26 + 23, and n is our first first letter.
    assert array.told(CORRELATOR) == [{"cmd": "trigger", "val": f"{AT_50_S}-260301nbdx-"}]
    assert outcome.state is State.DONE
    assert outcome.detail["message"] == "dump 260301nbdx: 16 of 16 nodes of the correlator have written it"
    [told] = array.twin.account
    assert (told["did"], told["name"], told["nodes"]) == ("dumped", "260301nbdx", 16)
    assert array.said[0]["message"].endswith("0 of 16 nodes of the correlator have written it")


def test_the_spectrum_is_reckoned_from_the_time_of_a_burst() -> None:
    plan = Array().plan(dump(mjds=at(50)))
    assert isinstance(plan, Plan)
    assert plan.summary["specnum"] == AT_50_S
    assert plan.summary["message"] == f"dump 260301nbdx from spectrum {AT_50_S} on, of 10.5 s ago"


def test_names_are_as_the_search_gives_them_or_as_they_are_given() -> None:
    plan = Array().plan(dump(specnum=0, name="260301aaab"))
    assert isinstance(plan, Plan)
    assert plan.summary["name"] == "260301aaab"
    names = [Array().plan(dump(id=id, specnum=0)) for id in (0, 1, 26**3, 2**53 - 1)]
    given = [plan.summary["name"] for plan in names if isinstance(plan, Plan)]
    assert given[:3] == ["260301naaa", "260301naab", "260301oaaa"]
    assert len(given[3]) == 10


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (
            {"specnum": AT_50_S - 160_000},
            "too late: args.specnum is of 21 s ago, and the correlator keeps 20 s",
        ),
        ({"mjds": at(30)}, "too late: args.mjds is of 30 s ago"),
        (
            {"specnum": AT_50_S + 500_000},
            "args.specnum: is 22 s ahead, and until then the correlator would take",
        ),
        ({"mjds": at(-86400)}, "args.mjds: before 2026-03-01T06:00:00Z, when the first spectrum was"),
    ],
)
def test_only_what_the_correlator_has_still_or_soon(args: dict[str, Any], says: str) -> None:
    assert says in Array().refusal(dump(**args))


@pytest.mark.parametrize("key", ["/mon/snap/1/armed_mjd", "/mon/snap/1/utc_start"])
@pytest.mark.parametrize("value", [b"{}", b"?", b'{"armed_mjd": 55000.0, "utc_start": "10000"}'])
def test_without_an_origin_no_spectrum_can_be_told(key: str, value: bytes) -> None:
    array = Array()
    array.keys.put(key, value)
    for field, args in (("specnum", {"specnum": AT_50_S}), ("mjds", {"mjds": at(50)})):
        said = array.refusal(dump(**args))
        assert said == f"args.{field}: the correlator does not say from when it counts spectra"
    assert array.carry_through(dump(specnum=0)).state is State.DONE  # the oldest needs none


def test_nodes_that_write_nothing_are_told() -> None:
    array = Array()
    array.twin.misbehaviour.failing = {2, 11}
    outcome = array.carry_through(dump(specnum=AT_50_S))
    assert outcome.state is State.DONE
    assert outcome.detail["message"].endswith("14 of 16 nodes of the correlator have written it")
    assert outcome.detail["not_written"] == [2, 11]
    array = Array()
    array.twin.misbehaviour.is_deaf = True
    outcome = array.carry_through(dump(specnum=AT_50_S))
    assert outcome.state is State.FAILED
    assert outcome.detail["message"].endswith("0 of 16 nodes of the correlator have written it")


def test_where_no_node_counts_it_is_said_that_nobody_knows() -> None:
    array = Array()
    array.twin._dumps.clear()
    for node in range(1, 17):
        array.keys.put(f"/mon/corr/{node}", b'{"last_seq": 1}')
    outcome = array.carry_through(dump(specnum=AT_50_S))
    assert outcome.state is State.DONE
    assert outcome.detail["message"].endswith(
        "was given, and no node of the correlator says whether it writes"
    )


def test_a_dump_is_announced_only_where_the_settings_say_so() -> None:
    array = Array()
    array.carry_through(dump(specnum=AT_50_S, dm=500, ra=180, dec=53))
    assert array.told(ANNOUNCEMENT) == []
    array = Array(announce_dumps=True)
    array.carry_through(dump(mjds=at(50), dm=500, ra=180, dec=53))
    [told] = array.told(ANNOUNCEMENT)
    assert told == {
        "260301nbdx": {
            "mjds": pytest.approx(at(50), abs=1e-9),
            "specnum": AT_50_S,
            "dm": 500,
            "ra": 180,
            "dec": 53,
            "snr": 0,
            "ibox": 0,
            "ibeam": 0,
            "cntb": 0,
            "cntc": 0,
        }
    }
    revisions = {put.revision for key, put in array.keys.history if key in (CORRELATOR, ANNOUNCEMENT)}
    assert len(revisions) == 1


def test_a_dump_is_asked_for_once_whatever_is_lost() -> None:
    array = Array()
    entry = dump(specnum=AT_50_S)
    plan = array.plan(entry)
    assert isinstance(plan, Plan)
    assert array.hands.find(entry) is None
    array.keys.is_lost = True
    with pytest.raises(Unreachable):
        array.hands.carry_out(entry, plan)
    found = array.hands.find(entry)
    assert found is not None
    array.pass_by(3)
    assert array.hands.carry_out(entry, plan) == found
    array.pass_by(3)
    assert len(array.twin.account) == 1
    assert array.hands.follow(entry, found, array).state is State.DONE


def test_it_is_found_by_what_the_correlator_was_told_where_marks_were_lost() -> None:
    array = Array()
    array.begin(dump(specnum=AT_50_S))
    for key, put in array.keys.history:
        if key == CORRELATOR:
            told = put.value
    other = Array()
    assert other.hands.find(dump(specnum=AT_50_S)) is None
    other.keys.put(CORRELATOR, told)
    found = other.hands.find(dump(specnum=AT_50_S))
    assert found is not None
    assert found.name == "260301nbdx"
    assert other.hands.find(dump(id=778, specnum=AT_50_S)) is None
    assert other.hands.follow(dump(specnum=AT_50_S), found, other).state is State.DONE


def test_a_trigger_cannot_be_taken_back() -> None:
    array = Array()
    array.retracted_by = "gone"
    outcome = array.carry_through(dump(specnum=AT_50_S))
    assert isinstance(outcome, Outcome)
    assert outcome.detail["message"].endswith("; gone has taken its event back, and a trigger cannot be")


def given(array: Array, specnum: int, name: str = "260301aaab") -> None:
    """The search's own trigger."""
    array.keys.put(CORRELATOR, json.dumps({"cmd": "trigger", "val": f"{specnum}-{name}-"}).encode())


def when_free(array: Array, entry: Entry) -> Plan | Outcome:
    """Its plan, when the correlator waits for no other dump any more."""
    for _ in range(60):
        try:
            return array.plan(entry)
        except Later:
            array.pass_by(0.5)
    raise AssertionError("it waits for ever")


def test_a_second_dump_waits_until_the_first_is_written() -> None:
    array = Array()
    first, second = dump(1, mjds=at(58)), dump(2, mjds=at(64))
    begun = array.begin(first)
    array.pass_by(5)
    with pytest.raises(Later, match="waits for dump 260301naab, and takes one trigger at a time"):
        array.plan(second)
    plan = when_free(array, second)
    # The spectrum of the first is 21.5 s old when it is written, 0.5 s before its burst.
    assert 79 <= (array.now - BEGAN).total_seconds() <= 81
    assert isinstance(plan, Plan), plan
    trace = array.hands.carry_out(second, plan)
    for entry, one in ((first, begun), (second, trace)):
        outcome = array.hands.follow(entry, one, array)
        assert outcome.detail["message"].endswith("16 of 16 nodes of the correlator have written it")
    assert (array.now - BEGAN).total_seconds() >= 85  # and not by what was written of the first
    assert [(one["did"], one["nodes"]) for one in array.twin.account] == [("dumped", 16), ("dumped", 16)]


def test_one_that_would_be_too_late_after_another_is_refused() -> None:
    array = Array()
    array.begin(dump(1, mjds=at(60)))
    outcome = when_free(array, dump(2, mjds=at(60.2)))
    assert isinstance(outcome, Outcome)
    assert outcome.detail["message"] == (
        "too late: args.mjds is of 20 s ago, and the correlator keeps 20 s; "
        "the correlator waits for dump 260301naab, and takes one trigger at a time"
    )
    assert len(array.told(CORRELATOR)) == 1


def test_a_dump_waits_for_that_of_the_search() -> None:
    array = Array()
    given(array, AT_50_S)
    with pytest.raises(Later, match="waits for dump 260301aaab"):
        array.plan(dump(specnum=0))
    entry = dump(mjds=at(59))
    plan = when_free(array, entry)
    assert isinstance(plan, Plan), plan
    outcome = array.hands.follow(entry, array.hands.carry_out(entry, plan), array)
    assert outcome.detail["message"].endswith("16 of 16 nodes of the correlator have written it")
    assert [one["did"] for one in array.twin.account] == ["dumped", "dumped"]


def test_of_dumps_that_were_planned_at_once_one_is_given() -> None:
    array = Array()
    entries = [dump(1, specnum=0), dump(2, specnum=0)]
    plans = [array.plan(entry) for entry in entries]
    array.hands.carry_out(entries[0], plans[0])  # type: ignore[arg-type]
    with pytest.raises(Later, match="another has put /cmd/corr/0 meanwhile"):
        array.hands.carry_out(entries[1], plans[1])  # type: ignore[arg-type]
    assert array.hands.find(entries[1]) is None
    assert len(array.told(CORRELATOR)) == 1


@pytest.mark.parametrize("told", ["850000", "1", "0", str(10**18)])
@pytest.mark.parametrize("is_forgotten", [False, True])
def test_what_was_never_written_is_waited_for_no_longer_than_it_can_take(
    told: str, is_forgotten: bool
) -> None:
    """Nor is one of another time, from before the correlator was started anew."""
    array = Array()
    array.twin.misbehaviour.is_deaf = True
    given(array, int(told))
    array.keys.put("/ovro-alert/other", b"")
    if is_forgotten:
        array.keys.compact()
    array.pass_by(36)
    array.twin.misbehaviour.is_deaf = False
    assert isinstance(array.plan(dump(specnum=0)), Plan)


def test_what_is_forgotten_is_waited_for_by_its_spectrum() -> None:
    array = Array()
    given(array, AT_50_S)
    array.pass_by(1)
    array.keys.compact()
    with pytest.raises(Later):
        array.plan(dump(specnum=0))
    array.pass_by(20)
    assert isinstance(array.plan(dump(specnum=0)), Plan)


@pytest.mark.parametrize("told", [b"?", b"5", b'{"cmd": "stop"}', b'{"cmd": "trigger", "val": "x-y-"}'])
def test_what_is_no_trigger_is_not_waited_for(told: bytes) -> None:
    array = Array()
    array.keys.put(CORRELATOR, told)
    assert array.carry_through(dump(specnum=0)).state is State.DONE


def test_a_name_that_was_told_already_is_refused() -> None:
    array = Array()
    first = dump(1, specnum=0, name="260301aaab")
    assert array.carry_through(first).state is State.DONE
    assert array.hands.find(first) is not None
    again = dump(2, specnum=0, name="260301aaab")
    assert array.hands.find(again) is None
    assert array.refusal(again) == "args.name: 260301aaab was another dump's already"
    given(array, 1, "260301aaac")
    for name in ("260301aaab", "260301aaac"):
        assert "already" in array.refusal(dump(3, specnum=0, name=name))
    assert len(array.told(CORRELATOR)) == 2


@pytest.mark.parametrize("name", ["999999aaaa", "260230aaaa", "260301aaa", "2603 1aaaa", "٢٦٠٣٠١aaab"])
def test_a_name_is_a_day_and_letters(name: str) -> None:
    assert "is not yymmdd and four letters" in Array().refusal(dump(specnum=0, name=name))


def test_a_node_that_is_silent_is_told_and_not_waited_for() -> None:
    array = Array()
    array.keys.put("/mon/corr/99", b'{"n_trigs": 3}')
    stale = to_mjd(BEGAN - timedelta(days=1))
    array.keys.put("/mon/corr/98", json.dumps({"n_trigs": 3, "time": stale}).encode())
    outcome = array.carry_through(dump(specnum=0))
    says = "16 of 16 nodes of the correlator have written it; nothing new is heard of 98, 99"
    assert outcome.detail["message"].endswith(says)
    assert outcome.detail["silent"] == [98, 99]
    assert (array.now - BEGAN).total_seconds() < 65


@pytest.mark.parametrize(("off", "which"), [(3, "behind"), (-3, "ahead of")])
def test_a_clock_that_is_off_is_told(off: float, which: str) -> None:
    """Ours, where the correlator's is right: a burst of 18.5 s ago, kept for 20."""
    array = Array()
    now = array.now + timedelta(seconds=off)
    hands = DsaHands(array.keys, array.settings, lambda: now)
    late = 18.5 if off > 0 else 25
    says = f"the correlator's clock is 3.0 s {which} this host's"
    outcome = hands.plan(dump(mjds=at(60 - late)), now)
    assert isinstance(outcome, Outcome)
    kept = "and the correlator keeps 20 s"
    assert outcome.detail["message"] == f"too late: args.mjds is of 22 s ago, {kept}; {says}"
    plan = hands.plan(dump(mjds=at(55)), now)
    assert isinstance(plan, Plan)
    assert plan.summary["clock"] == says
