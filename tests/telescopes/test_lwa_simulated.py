"""The simulated telescope does what the real one does: no reply, overlaps dropped, a trace to look for."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ovro_alert.command import Entry
from ovro_alert.telescopes.lwa.commands import Dump, Observe, interpret
from ovro_alert.telescopes.lwa.dump import DumpPlan
from ovro_alert.telescopes.lwa.settings import LwaSettings
from ovro_alert.telescopes.lwa.simulated import SimulatedTelescope
from ovro_alert.telescopes.lwa.telescope import NotTaken

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)  # MJD 61041.5
Make = Callable[..., Entry]


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def telescope(tmp_path: Path, clock: Clock) -> SimulatedTelescope:
    return SimulatedTelescope(tmp_path / "telescope", clock=clock)


@pytest.fixture
def act(command: Make, tmp_path: Path, clock: Clock, telescope: SimulatedTelescope) -> Callable[..., Entry]:
    """Carries out a beam of 60 s as a client does."""

    def carry_out(id: int, word: str = "powerbeam", ahead: float = 0, **args: Any) -> Entry:
        start = (clock() + timedelta(seconds=ahead)).isoformat()
        entry = command(word, {"ra": 1, "dec": 2, "duration": 60, "start": start} | args, id=id)
        action = interpret(entry, clock(), LwaSettings(), {})
        assert isinstance(action, Observe | Dump), action
        path = tmp_path / f"{id}.txt"
        path.write_text(action.document())
        telescope.carry_out(action, path)
        return entry

    return carry_out


def test_a_session_taken_shows_and_leaves_its_trace(
    act: Make, command: Make, telescope: SimulatedTelescope
) -> None:
    assert telescope.find(command("powerbeam", id=777)) is None
    trace = telescope.find(act(777))
    assert trace is not None
    assert (trace.name, trace.at) == ("777_POWER3", NOW)
    assert telescope.sessions() == {"POWER3": {"777_POWER3": [61041.5, pytest.approx(61041.5 + 60 / 86400)]}}


def test_an_overlapping_session_is_dropped_without_a_word(
    act: Make, command: Make, telescope: SimulatedTelescope, clock: Clock, tmp_path: Path
) -> None:
    act(1)
    with pytest.raises(NotTaken, match="does not show 2_POWER3 but 1_POWER3"):
        act(2)
    assert telescope.find(command("powerbeam", id=2)) is None
    act(3, beamnum=5)  # another beam
    act(4, "voltagebeam")  # another mode
    act(5, ahead=60)  # the moment after the first
    clock.now += timedelta(seconds=10)
    with pytest.raises(NotTaken):
        act(6, ahead=55)
    assert [(each["id"], each["taken"]) for each in telescope.journal()] == [
        ("1", True),
        ("2", False),
        ("3", True),
        ("4", True),
        ("5", True),
        ("6", False),
    ]
    assert telescope.journal()[1]["reason"] == "overlaps 1_POWER3"


def test_a_session_that_cannot_be_read_or_comes_too_late_is_dropped(
    command: Make, telescope: SimulatedTelescope, tmp_path: Path
) -> None:
    (tmp_path / "bad.sdf").write_text("SESSION_ID 1\n")
    telescope.submit_session(tmp_path / "bad.sdf", "asap")
    telescope.submit_session(tmp_path / "absent.sdf", "asap")
    soon = command("powerbeam", {"ra": 1, "dec": 2, "duration": 60, "start": "now"})
    action = interpret(soon, NOW + timedelta(seconds=29), LwaSettings(), {})
    assert isinstance(action, Observe)
    (tmp_path / "soon.sdf").write_text(action.document())
    telescope.submit_session(tmp_path / "soon.sdf", "buffer")
    reasons = [each["reason"] for each in telescope.journal()]
    assert reasons[0] == "SESSION_MODE is missing"
    assert "absent.sdf" in reasons[1]
    assert reasons[2] == "given 29 s before its start"
    assert telescope.sessions() == {}


def test_a_dump_is_accepted_by_every_pipeline_and_leaves_its_trace(
    act: Make, command: Make, telescope: SimulatedTelescope
) -> None:
    trace = telescope.find(act(9, "trigger"))
    assert trace is not None
    assert trace.name == "dump 9"
    replies = telescope.trigger_dump(DumpPlan("10", NOW, 4))
    assert len(replies) == 16
    assert {reply["val"]["status"] for reply in replies.values()} == {"normal"}
    assert {reply["id"] for reply in replies.values()} == {"10"}


@pytest.mark.parametrize(
    ("plan", "response"),
    [
        (DumpPlan("1", NOW, 0), "-3"),
        (DumpPlan("1", NOW, 1, 1000321), "-3"),
        (DumpPlan("1", NOW, None), "-2"),  # type: ignore[arg-type]
    ],
)
def test_a_malformed_dump_is_refused(
    command: Make, telescope: SimulatedTelescope, plan: DumpPlan, response: str
) -> None:
    assert {each["val"]["response"] for each in telescope.trigger_dump(plan).values()} == {response}
    assert telescope.find(command("trigger", id=1)) is None
    with pytest.raises(NotTaken, match=response):
        telescope.carry_out(Dump(replace(plan, id="2"), {}), Path("unused"))


def test_it_outlives_its_process_and_half_a_record(
    act: Make, command: Make, telescope: SimulatedTelescope, tmp_path: Path
) -> None:
    act(1)
    journal = tmp_path / "telescope" / "journal.jsonl"
    journal.write_bytes(journal.read_bytes() + b'{"kind": "sess')
    again = SimulatedTelescope(tmp_path / "telescope")
    assert again.find(command("powerbeam", id=1)) is not None
    assert again.trigger_dump(DumpPlan("2", NOW, 1))
    assert [each["id"] for each in again.journal()] == ["1", "2"]


def test_of_many_at_once_one_gets_the_beam(command: Make, tmp_path: Path) -> None:
    def submit(path: Path) -> None:
        # The lock is the open file's, so that threads stand for processes.
        SimulatedTelescope(tmp_path / "telescope", clock=lambda: NOW).submit_session(path, "asap")

    paths = [tmp_path / f"{id}.sdf" for id in range(8)]
    for id, path in enumerate(paths):
        action = interpret(
            command("powerbeam", {"ra": 1, "dec": 2, "duration": 60}, id=id), NOW, LwaSettings(), {}
        )
        assert isinstance(action, Observe)
        path.write_text(action.document())
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(submit, paths))
    journal = SimulatedTelescope(tmp_path / "telescope").journal()
    assert len(journal) == 8
    assert sum(each["taken"] for each in journal) == 1


def test_faults_come_before_or_after_the_submission(act: Make, command: Make, tmp_path: Path) -> None:
    entry = command("trigger", id=5)
    for point, traces in (("before", False), ("after", True)):

        def fault(at: str, point: str = point) -> None:
            if at == point:
                raise OSError("as asked")

        telescope = SimulatedTelescope(tmp_path / point, fault=fault)
        with pytest.raises(OSError, match="as asked"):
            telescope.carry_out(Dump(DumpPlan("5", NOW, 1), {}), Path("unused"))
        assert (telescope.find(entry) is not None) is traces
