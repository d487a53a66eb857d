"""What `--check` tells a person of a telescope that is well, and of one that is not."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from telescopes.memory import NOW, Clock, MemoryKeys

from ovro_alert.telescopes.findings import Level
from ovro_alert.telescopes.lwa.check import check
from ovro_alert.telescopes.lwa.settings import LwaSettings
from ovro_alert.telescopes.lwa.twin.executor import Executor, Faults


class House:
    def __init__(self, directory: Path) -> None:
        self.directory, self.keys, self.clock, self.faults = directory, MemoryKeys(), Clock(), Faults()
        self.twin = Executor(self.keys, self.clock, self.faults)
        self.waits = 1

    def idle(self) -> None:
        """While it listens the time passes, and the recorders speak."""
        if self.waits:
            self.waits -= 1
            self.clock.on(9)
            self.twin.tick()

    def look(self, **changes: Any) -> dict[Level, list[str]]:
        self.keys.idle = self.idle
        before = len([key for key, _ in self.keys.log if not key.startswith("/mon/")])
        found = check(self.keys, "lwa", LwaSettings(**changes), self.directory, self.clock)
        assert len([key for key, _ in self.keys.log if not key.startswith("/mon/")]) == before
        return {level: [each.text for each in found if each.level is level] for level in Level}


@pytest.fixture
def house(open_path: Path) -> House:
    return House(open_path)


def test_a_telescope_that_is_well(house: House) -> None:
    house.keys.put("/ovro-alert/lwa/calibrated/3", b'{"at": "2026-01-01T11:00:00+00:00"}')
    begin = 61041.5
    shown = f'{{"POWER5": {{"9_POWER5": [{begin}, {begin + 0.01}]}}}}'
    house.keys.put("/mon/observing/submitted", shown.encode())
    said = house.look()
    assert said[Level.WRONG] == []
    assert "etcd answers" in said[Level.FINE]
    assert "directory: other users can find what is in it" in said[Level.FINE]
    assert "beam 3: free; calibrated 2026-01-01T11:00:00Z" in said[Level.FINE]
    assert (
        "beam 5: held; 9_POWER5 from 01-01T12:00:00Z to 01-01T12:14:24Z; not calibrated by us"
        in said[Level.FINE]
    )
    assert "recorder drt1: normal" in said[Level.FINE]
    assert any(each.startswith("clocks agree") for each in said[Level.FINE])


@pytest.mark.parametrize(("ahead", "way"), [(3, "ahead of"), (-3, "behind")])
def test_a_clock_that_is_wrong_is_told(house: House, ahead: float, way: str) -> None:
    house.faults.clock_s = ahead
    [said] = [each for each in house.look()[Level.WRONG] if "clock" in each]
    assert f"3.0 s {way} ours" in said


def test_an_old_point_from_the_future_tells_of_a_clock_too(house: House) -> None:
    at = (NOW + timedelta(seconds=5)).timestamp()
    house.waits = 0
    house.keys.put("/mon/dr1/summary", f'{{"timestamp": {at}, "value": "normal", "unit": ""}}'.encode())
    assert "the clock of dr1 is 5.0 s ahead of ours" in house.look()[Level.WRONG]


def test_recorders_that_are_not_well_or_silent(house: House) -> None:
    house.faults.unwell = {"dr2"}
    house.clock.on(6)
    house.twin.tick()
    house.keys.put("/mon/dr4/summary", b"garbage")
    said = house.look(recorders=("dr1", "dr2", "dr4", "dr99"))[Level.WRONG]
    assert said[:3] == [
        "recorder dr2: error",
        "recorder dr4: what it says cannot be read",
        "recorder dr99: says nothing",
    ]


@pytest.mark.parametrize(("silent_s", "is_told"), [(60, False), (61, True), (3 * 86400, True)])
def test_a_recorder_that_said_that_it_was_well_and_nothing_since(
    house: House, silent_s: float, is_told: bool
) -> None:
    house.waits = 0
    house.clock.on(silent_s)
    found = house.look(recorders=("dr1",))
    ago = {61: "61 s", 3 * 86400: "3 d"}.get(int(silent_s))
    assert (f"recorder dr1: last said normal {ago} ago" in found[Level.WRONG]) is is_told
    assert ("recorder dr1: normal" in found[Level.FINE]) is not is_told


@pytest.mark.parametrize("closed", [".", "a", "a/b", "a/b/sdf"])
def test_a_folder_that_the_scheduler_cannot_enter_is_wrong(house: House, closed: str) -> None:
    directory = house.directory / "a" / "b"
    (directory / "sdf").mkdir(parents=True)
    house.directory, barred = directory, (house.directory / closed).resolve()
    barred.chmod(0o750)
    said = f"directory: {barred} is closed to other users; the scheduler's would find no file"
    assert said in house.look()[Level.WRONG]
    barred.chmod(0o711)
    assert said not in house.look()[Level.WRONG]


def test_points_that_cannot_be_read_and_an_etcd_that_is_away(house: House) -> None:
    house.keys.put("/mon/observing/schedule", b"{")
    assert any("which beams are free cannot be known" in each for each in house.look()[Level.WRONG])
    house.keys.away = True
    assert house.look()[Level.WRONG] == ["etcd does not answer: etcd is away"]


def test_a_telescope_without_a_scheduler_and_settings_that_look_wrong(tmp_path: Path) -> None:
    house = House(tmp_path / "nowhere")
    house.keys.log.clear()
    house.waits = 0
    said = house.look(beams=(3, 11), lead_s=10, preempt_others_at=7)
    assert "the scheduler shows no session, and never has: does it run?" in said[Level.NOTE]
    assert "preempt_others_at: sessions of others give way from 7 on" in said[Level.NOTE]
    assert [each.partition(":")[0] for each in said[Level.WRONG] if "recorder " not in each[:9]] == [
        "beams",
        "lead_s, calibration_s",
        "directory",
    ]
