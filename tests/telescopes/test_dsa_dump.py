"""A dump of DSA-110's voltages: from which spectrum on, under which name, and whether it was written."""

from datetime import timedelta
from typing import Any

import pytest

from dsa_array import BEGAN, Array, command
from ovro_alert.acting import Outcome, Plan, Unreachable
from ovro_alert.command import State, to_mjd

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
