"""The hands for beams on the scheduler's twin: what is planned, refused, submitted once, seen, followed."""

import json
import os
import stat
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from telescopes.memory import NOW, Clock, MemoryKeys

from ovro_alert.acting import Later, NotTaken, Outcome, Plan, Trace, Unreachable
from ovro_alert.command import Entry, State, to_mjd
from ovro_alert.telescopes.lwa import sdf
from ovro_alert.telescopes.lwa.observing import Observing
from ovro_alert.telescopes.lwa.settings import LwaSettings
from ovro_alert.telescopes.lwa.twin.executor import Executor, Faults

CRAB = {"ra": 83.633083, "dec": 22.0145, "duration": 60}
SUBMIT = "/cmd/observing/submitsdf"


class Heard:
    """A `Word`: waiting lets the time pass, and the twin act."""

    def __init__(self, house: "House") -> None:
        self.house = house
        self.retracted_by: str | None = None
        self.said: list[str] = []
        self.then: Callable[[], object] = lambda: None
        self.lost: Exception | None = None

    def say(self, detail: dict[str, Any]) -> None:
        json.dumps(detail)
        self.said.append(detail["message"])

    def check(self) -> None:
        if self.lost:
            raise self.lost

    def wait(self, seconds: float) -> None:
        assert seconds > 0
        self.house.clock.on(seconds)
        self.then()
        self.house.twin.tick()


class House:
    def __init__(self, directory: Path, command: Callable[..., Entry]) -> None:
        self.keys = MemoryKeys()
        self.clock = Clock()
        self.directory = directory
        self.command = command
        self.twin = Executor(self.keys, self.clock, Faults())
        self.keys.idle = lambda: self.twin.tick()
        self.word = Heard(self)

    def hands(self, **changes: Any) -> Observing:
        return Observing(
            self.keys,
            LwaSettings(**changes),
            self.directory,
            _write,
            self.clock,
        )

    def entry(self, word: str = "powerbeam", priority: int = 0, id: int = 777, **args: Any) -> Entry:
        made = self.command(word, CRAB | args, id=id)
        return made.model_copy(update={"priority": priority})

    def at(self, seconds: float) -> str:
        return (self.clock() + timedelta(seconds=seconds)).isoformat()

    def plan(self, entry: Entry, **changes: Any) -> Plan | Outcome:
        return self.hands(**changes).plan(entry, self.clock())

    def refusal(self, entry: Entry, **changes: Any) -> str:
        outcome = self.plan(entry, **changes)
        assert isinstance(outcome, Outcome), outcome
        assert outcome.state is State.REFUSED
        return str(outcome.detail["message"])

    def act(self, entry: Entry, **changes: Any) -> Trace:
        plan = self.plan(entry, **changes)
        assert isinstance(plan, Plan), plan
        json.dumps(plan.summary)
        return self.carry_out(entry, plan, **changes)

    def carry_out(self, entry: Entry, plan: Plan | Outcome, **changes: Any) -> Trace:
        """As a client does it; and the scheduler looks around."""
        assert isinstance(plan, Plan), plan
        plan.before()
        trace = self.hands(**changes).carry_out(entry, plan)
        self.twin.tick()
        return trace

    def failure(self, entry: Entry, trace: Trace, **changes: Any) -> str:
        outcome = self.hands(**changes).follow(entry, trace, self.word)
        assert outcome.state is State.FAILED, outcome
        return str(outcome.detail["message"])

    def told(self) -> list[dict[str, Any]]:
        """What was put to the scheduler."""
        return [json.loads(put.value) for key, put in self.keys.log if key == SUBMIT]

    def show(self, point: str, value: object) -> None:
        self.keys.put(f"/mon/observing/{point}", json.dumps(value).encode())


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def mjd(moment: datetime, seconds: float = 0) -> float:
    return to_mjd(moment + timedelta(seconds=seconds))


@pytest.fixture
def house(tmp_path: Path, command: Callable[..., Entry]) -> House:
    return House(tmp_path, command)


@pytest.mark.parametrize("is_new", [True, False])
def test_the_scheduler_may_read_the_file_whatever_the_umask_of_the_client(
    open_path: Path, command: Callable[..., Entry], is_new: bool
) -> None:
    directory = open_path / "made" / "here"
    before = os.umask(0o077)
    try:
        if not is_new:  # by a client of before
            (directory / "sdf").mkdir(parents=True)
            directory.chmod(0o755)
            directory.parent.chmod(0o755)
        house = House(directory, command)
        house.act(house.entry())
    finally:
        os.umask(before)
    path = Path(house.told()[0]["filename"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    for folder in (path.parent, directory, directory.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o755


def test_a_beam_at_once_is_submitted_seen_followed_and_told_of(house: House) -> None:
    entry = house.entry()
    trace = house.act(entry)
    assert trace == Trace("777_POWER3", NOW)
    [told] = house.told()
    assert told == {"filename": str(house.directory / "sdf" / "lwa-1-777.sdf"), "mode": "asap"}
    [observation] = sdf.parse(Path(told["filename"]).read_text()).observations
    assert (observation.ra, observation.start) == (pytest.approx(83.633083), NOW)
    outcome = house.hands().follow(entry, trace, house.word)
    assert outcome.state is State.DONE
    assert outcome.detail["message"] == "777_POWER3 is completed"
    assert outcome.detail["products"] == "/lustre/pipeline/beam03"
    assert house.word.said == ["777_POWER3 is observing"]
    assert house.twin.states() == {"777_POWER3": "completed"}
    assert house.clock() - NOW == timedelta(seconds=60)


def test_a_voltage_beam_is_beam_1_and_its_data_are_elsewhere(house: House) -> None:
    entry = house.entry("VoltageBeam")
    trace = house.act(entry)
    assert trace.name == "777_VOLT1"
    assert house.hands().follow(entry, trace, house.word).detail["products"] == "/lustre/ubuntu/beam01"


def test_a_start_to_come_is_scheduled_and_begins_then(house: House) -> None:
    entry = house.entry(start=house.at(300))
    trace = house.act(entry)
    assert house.told()[0]["mode"] == "buffer"
    outcome = house.hands().follow(entry, trace, house.word)
    assert outcome.state is State.DONE
    assert house.word.said == [
        "777_POWER3 is scheduled",
        "777_POWER3 is making ready, and observes from 12:05:00Z on",
        "777_POWER3 is observing",
    ]
    assert house.twin.begun() == ["777_POWER3"]


@pytest.mark.parametrize(
    ("args", "field"),
    [
        ({"ra": 400}, "args.ra"),
        ({"duration": -1}, "args.duration"),
        ({"beamnum": 17}, "args.beamnum"),
        ({"int_time": 5000}, "args.inttime"),
        ({"start": "2026-01-01T11:58:59"}, "args.start"),
        ({"beamnum": 2}, "args.beamnum: 2 is reserved for others"),
        ({"beamnum": 4}, "args.beamnum: 4 is reserved for others"),
    ],
)
def test_what_cannot_be_names_the_field_and_nothing_is_written(
    house: House, args: dict[str, Any], field: str
) -> None:
    before = list(house.keys.log)
    entry = house.entry(**args).model_copy(update={"command_mjd": 61041.5})
    assert house.refusal(entry).startswith(field)
    assert house.keys.log == before
    assert not list((house.directory / "sdf").iterdir())


def test_a_start_that_passed_while_the_command_waited_is_right(house: House) -> None:
    entry = house.entry(start=NOW.isoformat()).model_copy(update={"command_mjd": 61041.5})
    house.clock.on(40)
    trace = house.act(entry)
    assert house.hands().follow(entry, trace, house.word).state is State.DONE
    assert house.clock() == NOW + timedelta(seconds=60)


def test_each_command_has_a_beam_of_its_own_until_none_is_free(house: House) -> None:
    names = [house.act(house.entry(id=id), beams=(3, 5)).name for id in (1, 2)]
    assert names == ["1_POWER3", "2_POWER5"]
    reason = house.refusal(house.entry(id=3), beams=(3, 5))
    assert reason == (
        "no beam is free for it: beam 3 is held by 1_POWER3 until 12:01:05Z (priority 0), "
        "beam 5 is held by 2_POWER5 until 12:01:00Z (priority 0)"
    )
    house.clock.on(66)
    house.twin.tick()
    assert house.act(house.entry(id=4), beams=(3, 5)).name == "4_POWER3"


def test_voltages_are_not_recorded_from_a_beam_that_looks_elsewhere(house: House) -> None:
    house.act(house.entry(id=1), beams=(1,))
    assert "held by 1_POWER1" in house.refusal(house.entry("voltagebeam", id=2))
    house.clock.on(66)
    house.act(house.entry("voltagebeam", id=3))
    assert "held by 3_VOLT1" in house.refusal(house.entry(id=4), beams=(1,))


def test_a_session_that_has_left_the_monitor_still_holds_its_beam(house: House) -> None:
    house.act(house.entry(id=1, duration=600), beams=(3,))
    house.act(house.entry(id=2), beams=(5,))
    assert "1_POWER3" not in json.loads(house.keys.get("/mon/observing/submitted").put.value).get(
        "POWER3", {}
    )
    assert "held by 1_POWER3" in house.refusal(house.entry(id=3), beams=(3,))


def test_a_session_of_others_to_come_is_kept_clear_of_its_lead(house: House) -> None:
    house.show("schedule", {"POWER3": {"9_POWER3": [mjd(NOW, 64), mjd(NOW, 900)]}})
    assert "(not ours)" in house.refusal(house.entry(), beams=(3,))
    house.show("schedule", {"POWER3": {"9_POWER3": [mjd(NOW, 66), mjd(NOW, 900)]}})
    assert isinstance(house.plan(house.entry(), beams=(3,)), Plan)


def test_for_what_was_ended_meanwhile_nobody_gives_up_a_beam(house: House) -> None:
    """Whoever planned it and was held up wakes with a plan that is nobody's any more."""
    house.act(house.entry(id=1, priority=1, start=house.at(90)), beams=(3,))
    high = house.entry(id=2, priority=3)
    plan = house.plan(high, beams=(3,))
    assert house.hands().forbid(high, "too late")
    with pytest.raises(Later, match="1_POWER3 keeps its beam"):
        house.carry_out(high, plan)
    with pytest.raises(NotTaken, match="too late"):
        house.hands().find(high)
    assert [each["mode"] for each in house.told()] == ["buffer"]


def test_the_greater_priority_takes_the_beam_of_the_least(house: House) -> None:
    low, high = house.entry(id=1, priority=1, start=house.at(90)), house.entry(id=2, priority=3)
    house.act(low, beams=(3, 5))
    house.act(house.entry(id=5, priority=2, start=house.at(90)), beams=(5,))
    plan = house.plan(high, beams=(3, 5))
    assert isinstance(plan, Plan)
    assert plan.summary["cancelled"] == ["1_POWER3"]
    assert "in place of 1_POWER3" in plan.summary["message"]
    assert house.carry_out(high, plan).name == "2_POWER3"
    assert [each["mode"] for each in house.told()] == ["buffer", "buffer", "cancel", "asap"]
    assert house.twin.states() == {
        "1_POWER3": "cancelled",
        "5_POWER5": "scheduled",
        "2_POWER3": "observing",
    }
    assert house.failure(low, Trace("1_POWER3", NOW)) == (
        "1_POWER3 was cancelled at the telescope: command 2 (event)"
    )


def test_what_has_begun_is_given_up_only_where_the_scheduler_stops_it(house: House) -> None:
    """The public one does not: it would leave the session, and one to come would go for nothing."""
    house.act(house.entry(id=1, priority=1, duration=100), beams=(3,))
    house.act(house.entry(id=2, priority=1, start=house.at(300)), beams=(3,))
    long = house.entry(id=3, priority=9, duration=400)
    assert house.refusal(long, beams=(3,)) == (
        "no beam is free for it: beam 3 is held by 2_POWER3 until 12:06:00Z (priority 1), "
        "beam 3 is held by 1_POWER3 until 12:01:40Z (priority 1, has begun)"
    )
    assert "cancel" not in [told["mode"] for told in house.told()]
    house.twin.faults.stops_running = True
    plan = house.plan(long, beams=(3,), stops_running=True)
    assert isinstance(plan, Plan)
    assert plan.summary["cancelled"] == ["1_POWER3", "2_POWER3"]
    assert house.carry_out(long, plan).name == "3_POWER3"
    assert house.twin.states() == {"1_POWER3": "cancelled", "2_POWER3": "cancelled", "3_POWER3": "observing"}


def test_one_of_ours_that_does_not_show_is_not_given_up(house: House) -> None:
    """It was displaced from `submitted`, or is not yet there: nobody would see it go."""
    house.act(house.entry(id=1, priority=1, duration=600), beams=(3,))
    house.clock.on(1)
    house.act(house.entry(id=2, priority=1, duration=600), beams=(5,))
    high = house.entry(id=3, priority=9)
    assert "1_POWER3 until 12:10:05Z (priority 1, not shown)" in house.refusal(
        high, beams=(3,), stops_running=True
    )


def test_one_to_come_is_cancelled_before_one_that_observes(house: House) -> None:
    house.act(house.entry(id=1, priority=1, duration=600), beams=(3,))
    house.act(house.entry(id=2, priority=2, start=house.at(100)), beams=(5,))
    high = house.entry(id=3, priority=3, duration=200)
    plan = house.plan(high, beams=(3, 5), stops_running=True)
    assert isinstance(plan, Plan)
    assert plan.summary["cancelled"] == ["2_POWER5"]


def test_no_beam_is_taken_of_an_equal_priority_or_of_others(house: House) -> None:
    house.act(house.entry(id=1, priority=3), beams=(3,))
    assert "priority 3" in house.refusal(house.entry(id=2, priority=3), beams=(3,))
    times = [mjd(NOW, -10), mjd(NOW, 900)]
    house.show("submitted", {"POWER5": {"9_POWER5": times}})
    assert "9_POWER5" in house.refusal(house.entry(id=2, priority=99), beams=(5,))


def test_a_session_without_a_file_cannot_be_cancelled(house: House) -> None:
    house.show("schedule", {"POWER5": {"9_POWER5": [mjd(NOW, -10), mjd(NOW, 900)]}})
    house.show("sdfdict", {"9_POWER5": 7})
    assert "9_POWER5" in house.refusal(house.entry(), beams=(5,), preempt_others_at=0)


def test_sessions_of_others_yield_from_the_priority_that_is_set(house: House) -> None:
    others = sdf.write(_session_of_others(house))
    path = house.directory / "theirs.sdf"
    path.write_text(others)
    house.keys.put(SUBMIT, json.dumps({"filename": str(path), "mode": "buffer"}).encode())
    house.twin.tick()
    entry = house.entry(priority=5, start=house.at(700))
    assert "9_POWER3" in house.refusal(entry, beams=(3,), preempt_others_at=6)
    assert house.act(entry, beams=(3,), preempt_others_at=5).name == "777_POWER3"
    assert house.twin.states() == {"9_POWER3": "cancelled", "777_POWER3": "scheduled"}


def _session_of_others(house: House) -> Any:
    plan = House(house.directory / "others", house.command).plan(house.entry(id=9, start=house.at(700)))
    return plan.what.session  # type: ignore[union-attr]


def test_where_the_one_that_must_yield_stays_nothing_is_submitted(house: House) -> None:
    low = house.entry(id=1)
    trace = house.act(low, beams=(3,))
    with pytest.raises(NotTaken, match="1_POWER3 was to give up its beam, and stays"):
        house.act(house.entry(id=2, priority=1), beams=(3,), stops_running=True)
    assert house.twin.begun() == ["1_POWER3"]
    # It is not told that it was cancelled, and its beam is not for others, though another displaces it.
    house.act(house.entry(id=3), beams=(5,))
    house.clock.on(1)
    assert "held by 1_POWER3" in house.refusal(house.entry(id=4), beams=(3,))
    assert house.hands().follow(low, trace, house.word).state is State.DONE


def test_one_that_another_displaces_as_it_is_cancelled_stays(house: House) -> None:
    low = house.entry(id=1, duration=600)
    trace = house.act(low, beams=(3,))
    plan = house.plan(house.entry(id=2, priority=1), beams=(3,), stops_running=True)
    other = house.hands(beams=(5,)), house.entry(id=3)
    others = other[0].plan(other[1], house.clock())
    assert isinstance(others, Plan)

    def displaces() -> None:
        if house.clock() == NOW:
            house.clock.on(1)
            other[0].carry_out(other[1], others)
        house.twin.tick()

    house.keys.idle = displaces
    with pytest.raises(NotTaken, match="1_POWER3 was to give up its beam, and stays"):
        house.carry_out(house.entry(id=2, priority=1), plan)
    assert house.hands().follow(low, trace, house.word).state is State.DONE


def test_one_that_begins_as_it_is_cancelled_stays(house: House) -> None:
    """It leaves `schedule` before `submitted` has it."""
    house.act(house.entry(id=1, start=house.at(300)), beams=(3,))
    house.clock.on(243)
    plan = house.plan(house.entry(id=2, priority=1), beams=(3,))

    def begins_late() -> None:
        house.show("schedule", {})
        steps.append(begins)

    def begins() -> None:
        house.clock.on(2)
        house.twin.tick()

    steps: list[Callable[[], object]] = [begins_late]
    house.twin.faults.silent = True  # it hears the word too late
    house.keys.idle = lambda: steps.pop()() if steps else None
    with pytest.raises(NotTaken, match="1_POWER3 was to give up its beam, and stays"):
        house.carry_out(house.entry(id=2, priority=1), plan)
    assert house.twin.states() == {"1_POWER3": "observing"}


def test_a_session_of_ours_in_its_lead_holds_its_beam_when_another_has_displaced_it(house: House) -> None:
    """`submitted` shows the last that began alone, and the file says the start without the lead."""
    calibrating = house.act(house.entry(id=101, start=house.at(600), duration=600))
    assert calibrating.name == "101_POWER3"
    house.clock.on(66)  # 535 s before its start its beam is calibrated
    house.twin.tick()
    assert house.twin.begun() == ["101_POWER3"]
    assert house.act(house.entry(id=102, duration=300)).name == "102_POWER5"
    house.clock.on(5)
    assert house.act(house.entry(id=103, duration=300)).name == "103_POWER6"


@pytest.mark.parametrize(("do_cal", "begun"), [("True", 66), ("False", 546)])
def test_so_does_one_of_others_and_power_holds_it_against_voltages(
    house: House, do_cal: str, begun: int
) -> None:
    observation = {
        "OBS_START_MJD": "61041",
        "OBS_START_MPM": str((12 * 3600 + 600) * 1000),
        "OBS_DUR": "60000",
    }
    file = {
        "SESSION": {"CAL_DIR": "/cal", "DO_CAL": do_cal},
        "OBSERVATIONS": {"OBSERVATION_1": observation},
    }
    house.show("sdfdict", {"9_POWER1": file})
    house.show("submitted", {"POWER5": {"8_POWER5": [mjd(NOW, 60), mjd(NOW, 660)]}})
    house.clock.on(begun - 2)
    assert isinstance(house.plan(house.entry("voltagebeam")), Plan)
    house.clock.on(2)
    assert "held by 9_POWER1" in house.refusal(house.entry("voltagebeam"))
    house.clock.on(663 - begun)  # one that begins at once ends a little later than its file says
    assert "held by 9_POWER1" in house.refusal(house.entry("voltagebeam"))
    house.clock.on(3)
    assert isinstance(house.plan(house.entry("voltagebeam")), Plan)


def test_a_session_that_is_dropped_without_a_word_is_not_taken(house: House) -> None:
    house.twin.faults.drop = 1
    entry = house.entry()
    assert house.failure(entry, house.act(entry)) == (
        "777_POWER3 was read and dropped by the scheduler within 10 s: "
        "nothing else holds its beam, or its clock is ahead"
    )
    assert [each["mode"] for each in house.told()] == ["asap", "cancel"]  # so that it never comes
    assert house.twin.begun() == []
    # Nothing shows that it does not observe, and that it was cancelled is only what it was told.
    assert house.act(house.entry(id=778)).name == "778_POWER5"


def test_one_that_another_followed_at_once_is_taken_and_left_alone(house: House) -> None:
    """`submitted` shows the last that began alone: ours observes beside it, and is only in `sdfdict`."""
    house.twin.faults.slow_s = 2
    other = House(house.directory / "others", house.command).plan(house.entry(id=9), beams=(5,))
    path = house.directory / "9.sdf"
    path.write_text(sdf.write(other.what.session))  # type: ignore[union-attr]
    told = json.dumps({"filename": str(path), "mode": "asap"}).encode()

    entry = house.entry()
    trace = house.act(entry)
    house.keys.put(SUBMIT, told)
    house.twin.tick()
    house.clock.on(2)
    house.twin.tick()  # looks at both
    shown = json.loads(house.keys.get("/mon/observing/submitted").put.value)
    assert "777_POWER3" not in shown.get("POWER3", {})
    assert house.twin.states()["777_POWER3"] == "observing"
    outcome = house.hands().follow(entry, trace, house.word)
    assert outcome.state is State.DONE
    assert outcome.detail["message"] == (
        "777_POWER3 is completed by its times; it was never shown to this client"
    )
    assert "cancel" not in [told["mode"] for told in house.told()]


def test_what_took_the_beam_meanwhile_is_named(house: House) -> None:
    plan = house.plan(house.entry(id=2), beams=(3,))
    house.act(house.entry(id=1), beams=(3,))
    assert isinstance(plan, Plan)
    trace = house.carry_out(house.entry(id=2), plan)
    assert house.failure(house.entry(id=2), trace).endswith("its beam is held by 1_POWER3")


def test_one_that_was_dropped_is_not_done_for_another_began_since(house: House) -> None:
    """It is in `sdfdict`, and so is what was parsed and dropped."""
    plan = house.plan(house.entry(id=2), beams=(3,))
    house.clock.on(1)
    house.act(house.entry(id=1), beams=(3,))
    trace = house.carry_out(house.entry(id=2), plan)
    assert house.twin.begun() == ["1_POWER3"]
    assert house.failure(house.entry(id=2), trace).startswith("2_POWER3 was read and dropped")


@pytest.mark.parametrize("retracted", [False, True])
def test_whose_claim_is_lost_cancels_nothing(house: House, retracted: bool) -> None:
    """Another host may follow it by now, and see it observe."""
    entry = house.entry(start=house.at(300))
    house.twin.faults.silent = not retracted
    trace = house.act(entry)
    house.word.retracted_by = "chime-7-retraction" if retracted else None
    house.word.lost = RuntimeError("the lease is about to run out")
    told = len(house.told())
    with pytest.raises(RuntimeError):
        house.hands().follow(entry, trace, house.word)
    assert len(house.told()) == told


@pytest.mark.parametrize("fault", ["silent", "refuses", "slow_s"])
def test_a_scheduler_that_does_not_take_it_is_told_of(house: House, fault: str) -> None:
    setattr(house.twin.faults, fault, 100 if fault == "slow_s" else True)
    entry = house.entry()
    assert "was not taken" in house.failure(entry, house.act(entry))
    house.twin.faults = Faults()
    house.clock.on(1)
    house.twin.tick()
    assert house.twin.begun() == []  # it comes to its senses, and finds it taken back


@pytest.mark.parametrize("point", ["schedule", "submitted", "sdfdict"])
def test_garbage_in_a_monitor_point_is_waited_out(house: House, point: str) -> None:
    house.twin.faults.garbage = {point}
    house.twin.tick()
    with pytest.raises(Later, match=point):
        house.plan(house.entry())
    with pytest.raises(Unreachable, match=point):
        house.hands().find(house.entry())
    house.twin.faults.garbage = set()
    house.twin.tick()
    assert house.act(house.entry()).name == "777_POWER3"


@pytest.mark.parametrize(
    ("point", "value"),
    [
        ("schedule", b"[]"),
        ("schedule", b'{"POWER3": []}'),
        ("submitted", b'{"POWER3": {"1_POWER3": [1]}}'),
        ("submitted", b'{"POWER3": {"1_POWER3": [NaN, 1]}}'),
        ("submitted", b'{"POWER3": {"1_POWER3": [1e30, 1e31]}}'),
        ("submitted", b"[" * 100000),
        ("sdfdict", b"\xff"),
    ],
)
def test_points_of_another_shape_say_nothing(house: House, point: str, value: bytes) -> None:
    house.keys.put(f"/mon/observing/{point}", value)
    with pytest.raises(Later, match=point):
        house.plan(house.entry())


def test_files_of_others_that_cannot_be_read_are_passed_over(house: House) -> None:
    house.show("sdfdict", {"1_POWER3": 7, "2_FAST": {"SESSION": {}, "OBSERVATIONS": {"OBSERVATION_1": {}}}})
    assert house.act(house.entry()).name == "777_POWER3"


def test_a_command_is_submitted_once_by_etcds_own_word(house: House) -> None:
    entry = house.entry()
    first, second = house.plan(entry), house.plan(entry)
    assert isinstance(first, Plan)
    assert isinstance(second, Plan)
    house.hands().carry_out(entry, first)
    house.hands().carry_out(entry, second)
    assert len(house.told()) == 1


def test_a_submission_whose_answer_was_lost_is_found(house: House) -> None:
    entry = house.entry()
    assert house.hands().find(entry) is None
    house.keys.deaf_to = SUBMIT
    with pytest.raises(Unreachable):
        house.act(entry)
    house.keys.deaf_to = ""
    found = house.hands().find(entry)
    assert found == Trace("777_POWER3", NOW)
    assert found is not None
    house.twin.tick()
    assert house.hands().follow(entry, found, house.word).state is State.DONE
    assert len(house.told()) == 1


def test_a_session_is_found_where_its_mark_was_lost(house: House) -> None:
    entry = house.entry()
    house.act(entry)
    house.keys.log = [each for each in house.keys.log if not each[0].startswith("/ovro-alert/")]
    found = house.hands().find(entry)
    assert found is not None
    assert found.name == "777_POWER3"
    outcome = house.hands().follow(entry, found, house.word)
    assert (outcome.state, outcome.detail["products"]) == (State.DONE, "/lustre/pipeline/beam03")


def test_one_that_was_submitted_and_never_taken_is_told_of_after_a_restart(house: House) -> None:
    entry = house.entry()
    house.twin.faults.silent = True
    house.keys.deaf_to = SUBMIT
    with pytest.raises(Unreachable):
        house.act(entry)
    found = house.hands().find(entry)
    assert found is not None
    outcome = house.hands().follow(entry, found, house.word)
    assert outcome.state is State.FAILED
    assert outcome.detail["message"].startswith("777_POWER3 was not taken by the scheduler")
    assert [told["mode"] for told in house.told()] == ["asap", "cancel"]


def test_a_disk_that_is_full_submits_nothing(house: House) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    hands = Observing(house.keys, LwaSettings(), house.directory, full, house.clock)
    plan = hands.plan(house.entry(), NOW)
    assert isinstance(plan, Plan)
    with pytest.raises(NotTaken, match="No space left"):
        hands.carry_out(house.entry(), plan)
    assert house.told() == []


def test_many_at_once_have_a_beam_each_before_any_shows(house: House) -> None:
    hands = house.hands()
    for id in range(1, 6):
        plan = hands.plan(house.entry(id=id), house.clock())
        assert isinstance(plan, Plan)
        hands.carry_out(house.entry(id=id), plan)
    assert house.twin.begun() == []
    house.twin.tick()
    assert sorted(house.twin.begun()) == ["1_POWER3", "2_POWER5", "3_POWER6", "4_POWER7", "5_POWER8"]


def test_a_command_that_is_tried_again_is_not_in_its_own_way(house: House) -> None:
    hands, entry = house.hands(), house.entry()
    plan = hands.plan(entry, house.clock())
    assert isinstance(plan, Plan)
    house.keys.away = True
    with pytest.raises(Unreachable):
        hands.carry_out(entry, plan)
    house.keys.away = False
    again = hands.plan(entry, house.clock())
    assert isinstance(again, Plan)
    assert again.summary["beam"] == 3


def test_that_it_is_taken_is_seen_at_once(house: House) -> None:
    hands, entry = house.hands(), house.entry()
    plan = hands.plan(entry, house.clock())
    assert isinstance(plan, Plan)
    trace = hands.carry_out(entry, plan)
    said_at = []
    house.word.then = lambda: said_at.append((house.clock() - NOW, list(house.word.said)))
    assert hands.follow(entry, trace, house.word).state is State.DONE
    assert said_at[0] == (timedelta(seconds=5), ["777_POWER3 is observing"])


def test_nothing_is_concluded_of_one_that_was_never_seen_while_etcd_is_away(house: House) -> None:
    house.twin.faults.silent = True
    entry = house.entry(duration=1)
    trace = house.act(entry)

    def away() -> None:
        house.keys.away = True

    house.word.then = away
    house.twin.tick = lambda wait_s=0.0: None  # type: ignore[method-assign]
    with pytest.raises(Unreachable, match="what became of 777_POWER3 cannot be known: etcd is away"):
        house.hands().follow(entry, trace, house.word)


def test_one_that_does_not_show_in_time_holds_its_beam_no_longer(house: House) -> None:
    house.twin.faults.silent = True
    hands = house.hands()
    for id, seconds, beam in ((1, 9, 3), (2, 2, 5), (3, 0, 3)):
        plan = hands.plan(house.entry(id=id), house.clock())
        assert isinstance(plan, Plan)
        assert plan.summary["beam"] == beam
        hands.carry_out(house.entry(id=id), plan)
        house.clock.on(seconds)


def test_one_that_does_not_show_yet_may_begin_and_end_later_than_it_was_to(house: House) -> None:
    hands = house.hands()
    for id, seconds, beam in ((1, 5.9, 3), (2, 0.1, 5), (3, 0, 3)):
        plan = hands.plan(house.entry(id=id, duration=1), house.clock())
        assert isinstance(plan, Plan)
        assert plan.summary["beam"] == beam
        hands.carry_out(house.entry(id=id, duration=1), plan)
        house.clock.on(seconds)


def test_a_retraction_is_tried_until_the_session_has_gone(house: House) -> None:
    entry = house.entry(start=house.at(300))
    trace = house.act(entry)
    house.word.retracted_by = "chime-7-retraction"
    house.twin.faults.silent = True

    def hears_again() -> None:
        house.twin.faults.silent = len(house.told()) < 4

    house.word.then = hears_again
    assert house.failure(entry, trace).endswith("cancelled at the telescope: retracted by chime-7-retraction")
    assert house.twin.states() == {"777_POWER3": "cancelled"}
    said = "777_POWER3: its event was retracted by chime-7-retraction; it"
    assert house.word.said == [
        f"{said} was not seen to be cancelled",
        "777_POWER3 is scheduled",
        f"{said} is cancelled",
    ]


def test_one_that_makes_ready_has_begun_and_is_not_said_to_observe(house: House) -> None:
    entry = house.entry(start=house.at(300))
    trace = house.act(entry)
    house.clock.on(250)
    house.twin.tick()
    house.word.retracted_by = "chime-7-retraction"
    assert house.hands().follow(entry, trace, house.word).state is State.DONE
    assert house.word.said[0] == (
        "777_POWER3: its event was retracted by chime-7-retraction; "
        "it is making ready, and observes from 12:05:00Z on"
    )
    assert house.word.said[1:] == [
        "777_POWER3 is making ready, and observes from 12:05:00Z on",
        "777_POWER3 is observing",
    ]


def test_a_retraction_cancels_what_has_not_begun(house: House) -> None:
    entry = house.entry(start=house.at(300))
    trace = house.act(entry)
    house.word.retracted_by = "chime-7-retraction"
    outcome = house.hands().follow(entry, trace, house.word)
    assert outcome.state is State.FAILED
    assert outcome.detail["message"] == (
        "777_POWER3 was cancelled at the telescope: retracted by chime-7-retraction"
    )
    assert house.twin.states() == {"777_POWER3": "cancelled"}
    house.clock.on(310)  # by its file it would observe now
    assert house.act(house.entry(id=778, beamnum=3)).name == "778_POWER3"


def test_what_observes_goes_on_unless_it_is_to_be_stopped(house: House) -> None:
    entry = house.entry()
    trace = house.act(entry)
    house.word.retracted_by = "chime-7-retraction"
    outcome = house.hands().follow(entry, trace, house.word)
    assert outcome.state is State.DONE
    assert "777_POWER3: its event was retracted by chime-7-retraction; it observes on" in house.word.said
    house.twin.faults.stops_running = True
    again = house.entry(id=778)
    outcome = house.hands(stop_retracted=True).follow(again, house.act(again), house.word)
    assert outcome.state is State.FAILED
    assert house.twin.states()["778_POWER3"] == "cancelled"


def test_one_that_somebody_else_cancels_has_failed(house: House) -> None:
    entry = house.entry(start=house.at(300))
    trace = house.act(entry)

    def cancel() -> None:
        house.word.then = lambda: None
        told = {"filename": house.told()[0]["filename"], "mode": "cancel"}
        house.keys.put(SUBMIT, json.dumps(told).encode())

    house.word.then = cancel
    outcome = house.hands().follow(entry, trace, house.word)
    assert outcome.state is State.FAILED
    assert outcome.detail["message"] == "777_POWER3 was cancelled at the telescope"


def test_one_that_is_between_two_points_was_not_cancelled(house: House) -> None:
    """It begins: `schedule` is empty before `submitted` has it, and the scheduler's clock is 2 s ahead."""
    entry = house.entry(start=house.at(300))
    trace = house.act(entry)

    def empties_first() -> None:
        if house.clock() >= NOW + timedelta(seconds=240):
            house.word.then = lambda: setattr(house.twin.faults, "garbage", set())
            house.clock.on(3)
            house.twin.faults.garbage = {"submitted"}  # is not written yet:
            house.twin.tick()
            house.show("submitted", {})

    house.twin.faults.clock_s = 2
    house.word.then = empties_first
    assert house.hands().follow(entry, trace, house.word).state is State.DONE
    assert house.word.said[0] == "777_POWER3 is scheduled"
    assert house.word.said[1].startswith("777_POWER3 is making ready")


def test_one_that_observes_goes_on_when_the_schedule_is_reset(house: House) -> None:
    entry = house.entry()
    trace = house.act(entry)

    def reset() -> None:
        house.word.then = lambda: None
        house.keys.put(SUBMIT, b'{"filename": null, "mode": "reset"}')

    house.word.then = reset
    assert house.hands().follow(entry, trace, house.word).state is State.DONE
    assert house.clock() == NOW + timedelta(seconds=60)


def test_one_whose_start_passes_without_it_was_skipped(house: House) -> None:
    entry = house.entry(start=house.at(100))
    trace = house.act(entry)

    def lose() -> None:
        if house.clock() >= NOW + timedelta(seconds=45):
            house.word.then = lambda: None
            house.twin = Executor(house.keys, house.clock)  # restarted: it has forgotten all

    house.word.then = lose
    outcome = house.hands().follow(entry, trace, house.word)
    assert outcome.state is State.FAILED
    assert outcome.detail["state"] == "skipped"


def test_while_etcd_is_away_the_end_is_known_from_the_times(house: House) -> None:
    entry = house.entry()
    trace = house.act(entry)

    class Away(Heard):
        def wait(self, seconds: float) -> None:
            house.clock.on(seconds)
            house.keys.away = True

    word = Away(house)
    outcome = house.hands().follow(entry, trace, word)
    assert outcome.state is State.DONE
    assert "by its times; the scheduler could not be asked: etcd is away" in outcome.detail["message"]
    assert word.said == ["777_POWER3 is observing", "777_POWER3 cannot be seen: etcd is away"]


def test_a_beam_is_calibrated_where_it_is_due_and_there_is_the_time(house: House) -> None:
    def do_cal(id: int, ahead: float, **changes: Any) -> bool:
        plan = house.plan(house.entry(id=id, start=house.at(ahead)), beams=(3,), **changes)
        assert isinstance(plan, Plan)
        return bool(plan.what.session.do_cal)

    assert not do_cal(1, 539)  # 55 s of lead, 480 to calibrate, 5 of notice
    assert do_cal(1, 540)
    assert not do_cal(1, 540, do_cal=False)
    entry = house.entry(id=1, start=house.at(540))
    trace = house.act(entry, beams=(3,))
    assert house.hands().follow(entry, trace, house.word).state is State.DONE
    assert not do_cal(2, 600)  # it was calibrated for the last one
    assert do_cal(2, 600, calibration_max_age_s=60)
    plan = house.plan(house.entry(id=2, start=house.at(600)), beams=(3,))
    assert isinstance(plan, Plan)
    assert plan.summary["last_calibrated"] == "2026-01-01T12:09:00+00:00"


def test_nothing_is_calibrated_while_another_needs_the_beam(house: House) -> None:
    house.act(house.entry(id=1), beams=(3,))
    plan = house.plan(house.entry(id=2, start=house.at(545)), beams=(3,))
    assert isinstance(plan, Plan)
    assert plan.what.session.do_cal is False


def test_a_beam_with_the_time_to_be_calibrated_is_rather_taken(house: House) -> None:
    house.act(house.entry(id=1), beams=(3,))
    plan = house.plan(house.entry(id=2, start=house.at(545)))
    assert isinstance(plan, Plan)
    assert (plan.summary["beam"], plan.what.session.do_cal) == (5, True)


def test_a_beam_that_is_given_up_is_calibrated_where_nobody_else_needs_it_for_that(house: House) -> None:
    house.act(house.entry(id=1, start=house.at(600)), beams=(3,))
    later = house.entry(id=2, priority=1, start=house.at(630))
    plan = house.plan(later, beams=(3,))
    assert isinstance(plan, Plan)
    assert (plan.summary["cancelled"], plan.summary["calibrate"]) == (["1_POWER3"], True)
    house.act(house.entry(id=3, duration=20), beams=(3,), calibration_s=400)
    house.clock.on(1)
    plan = house.plan(house.entry(id=4, priority=1, start=house.at(542)), beams=(3,))
    assert isinstance(plan, Plan)
    assert (plan.summary["cancelled"], plan.summary["calibrate"]) == (["1_POWER3"], False)


@pytest.mark.parametrize("beams", [(3, 2), (4,)])
def test_a_reserved_beam_is_never_taken_whatever_else_the_settings_say(
    house: House, beams: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match=f"{beams[-1]} is reserved"):
        house.plan(house.entry(), beams=beams)
    assert f"beamnum: {beams[-1]} is reserved" in house.refusal(house.entry(beamnum=beams[-1]))
