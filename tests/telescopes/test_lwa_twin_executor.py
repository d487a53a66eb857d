"""The scheduler's twin judges by the format, and answers nobody: it shows, and keeps an account."""

import json
from pathlib import Path
from typing import Any

import pytest
from telescopes.memory import Clock, MemoryKeys

from ovro_alert.telescopes.lwa.twin.executor import Executor, Faults

# Written by hand. 2026-01-01T12:10:00 is MJD 61041 and 43,800,000 ms; the Crab's 83.63° are 5.5755 h.
FILE = """\
PI_ID            1
PI_NAME          A. Observer

PROJECT_ID       0
SESSION_ID       42
SESSION_MODE     POWER
SESSION_DRX_BEAM 5
CONFIG_FILE      /etc/lwa.yaml
CAL_DIR          /cal
DO_CAL           False

OBS_ID           1
OBS_TARGET       Crab
OBS_START_MJD    61041
OBS_START_MPM    43800000
OBS_START        UTC 2026 01 01 12:10:00.000
OBS_DUR          60000
OBS_INT_TIME     128
OBS_MODE         TRK_RADEC
OBS_RA           5.575538867
OBS_DEC          +22.014500000
"""


class House:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.keys, self.clock, self.faults = MemoryKeys(), Clock(), Faults()
        self.twin = Executor(self.keys, self.clock, self.faults, has=lambda path: path == "/cal")

    def submit(self, text: str, mode: str = "buffer") -> str:
        """What it did of it last."""
        path = self.directory / f"{len(self.keys.log)}.sdf"
        path.write_text(text)
        return self.tell({"filename": str(path), "mode": mode})

    def tell(self, told: object) -> str:
        self.keys.put("/cmd/observing/submitsdf", json.dumps(told).encode())
        self.twin.tick()
        return str(self.twin.account()[-1]["did"])

    def shown(self, point: str) -> Any:
        put = self.keys.get(f"/mon/observing/{point}").put
        assert put is not None
        return json.loads(put.value)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_a_session_is_shown_from_its_lead_to_its_end(house: House) -> None:
    assert house.submit(FILE) == "took"
    # 55 s before 12:10:00 and 60 s after it, in days.
    times = [pytest.approx(61041.5 + 545 / 86400), pytest.approx(61041.5 + 660 / 86400)]
    assert house.shown("schedule") == {"POWER5": {"42_POWER5": times}}
    assert house.shown("sdfdict")["42_POWER5"]["SESSION"]["PI_NAME"] == ["A.", "Observer"]
    assert house.shown("sdfdict")["42_POWER5"]["OBSERVATIONS"]["OBSERVATION_1"]["OBS_DUR"] == "60000"
    house.clock.on(545)
    house.twin.tick()
    assert (house.shown("schedule"), house.twin.states()) == ({}, {"42_POWER5": "observing"})
    assert house.shown("submitted") == {"POWER5": {"42_POWER5": times}}
    house.clock.on(115)
    house.twin.tick()
    assert house.twin.states() == {"42_POWER5": "completed"}
    assert [each["did"] for each in house.twin.account()] == ["took", "began", "completed"]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("SESSION_ID       42\n", "", "SESSION_ID is missing"),
        ("SESSION_DRX_BEAM 5\n", "", "SESSION_DRX_BEAM is missing"),
        ("SESSION_DRX_BEAM 5", "SESSION_DRX_BEAM 17", "SESSION_DRX_BEAM"),
        ("SESSION_MODE     POWER", "SESSION_MODE     VOLT", "SESSION_DRX_BEAM: VOLT has beam 1 only"),
        ("5.575538867", "83.633083", "ra"),  # degrees
        ("OBS_DUR          60000", "OBS_DUR          60.5", "OBS_DUR"),
        ("OBS_DUR          60000", "OBS_DUR          600.0", "OBS_DUR"),
        ("OBS_DUR          60000", "OBS_DUR          6_00", "OBS_DUR"),
        ("SESSION_ID       42", "SESSION_ID       5.0", "SESSION_ID"),
        ("OBS_INT_TIME     128", "OBS_INT_TIME     2048", "OBS_INT_TIME"),
        ("OBS_INT_TIME     128", "OBS_INT_TIME     1025", "OBS_INT_TIME"),
        ("POWER\nSESSION_DRX_BEAM 5", "VOLT\nSESSION_DRX_BEAM 1", "OBS_INT_TIME: VOLT is not integrated"),
        ("OBS_START_MPM    43800000", "OBS_START_MPM    43800", "OBS_START"),  # seconds
        ("DO_CAL           False", "DO_CAL           0", "DO_CAL"),
        ("OBS_MODE         TRK_RADEC\n", "", "OBS_MODE is missing"),
        ("/cal\n", "/nowhere\n", "CAL_DIR: /nowhere is not there"),
    ],
)
def test_a_file_that_is_not_of_the_format_is_not_taken(house: House, old: str, new: str, why: str) -> None:
    assert old in FILE
    assert house.submit(FILE.replace(old, new)) == "could not read"
    assert why in house.twin.account()[-1]["why"]
    assert house.shown("schedule") == {}


def test_an_overlap_on_the_same_mode_and_beam_is_dropped(house: House) -> None:
    assert house.submit(FILE) == "took"
    assert house.submit(FILE.replace(" 42", " 43")) == "dropped"
    assert house.submit(FILE.replace(" 42", " 44").replace("BEAM 5", "BEAM 6")) == "took"
    # What was parsed is shown, whether it was taken or not.
    assert list(house.shown("sdfdict")) == ["42_POWER5", "43_POWER5", "44_POWER6"]
    assert list(house.shown("schedule")) == ["POWER5", "POWER6"]
    later = FILE.replace(" 42", " 45").replace("43800000", "43915000").replace("12:10:00", "12:11:55")
    assert house.submit(later) == "took"


def test_a_session_is_known_by_its_id_once(house: House) -> None:
    house.submit(FILE)
    assert house.submit(FILE) == "dropped"
    assert house.twin.account()[-1]["why"] == "it was submitted before"


@pytest.mark.parametrize(("seconds", "did"), [(545, "took"), (545.5, "skipped"), (700, "skipped")])
def test_one_that_comes_after_its_lead_has_begun_is_skipped(house: House, seconds: float, did: str) -> None:
    house.clock.on(seconds)
    assert house.submit(FILE) == did or (did == "took" and house.twin.begun() == ["42_POWER5"])


def test_at_once_is_now_whatever_its_start(house: House) -> None:
    assert house.submit(FILE, "asap") == "began"
    assert house.shown("submitted")["POWER5"]["42_POWER5"] == [61041.5, pytest.approx(61041.5 + 60 / 86400)]


@pytest.mark.parametrize(("stops", "state"), [(True, "cancelled"), (False, "observing")])
def test_what_is_to_come_is_cancelled_and_what_has_begun_may_go_on(
    house: House, stops: bool, state: str
) -> None:
    house.faults.stops_running = stops
    house.submit(FILE)
    assert house.submit(FILE, "cancel") == "cancelled"
    assert house.shown("schedule") == {}
    other = FILE.replace(" 42", " 43")
    house.submit(other, "asap")
    house.submit(other, "cancel")
    assert house.twin.states() == {"42_POWER5": "cancelled", "43_POWER5": state}


def test_a_reset_forgets_what_is_to_come(house: House) -> None:
    house.submit(FILE)
    assert house.tell({"filename": None, "mode": "reset"}) == "reset"
    assert (house.shown("schedule"), house.shown("submitted")) == ({}, {})


@pytest.mark.parametrize(
    "told", ["x", {}, {"mode": "asap"}, {"filename": None, "mode": "asap"}, {"filename": 7, "mode": "x"}]
)
def test_words_that_it_does_not_know_change_nothing(house: House, told: object) -> None:
    assert house.tell(told) == "could not read"


def test_misbehaviour(house: House) -> None:
    house.faults.silent = True
    assert house.submit(FILE) == "heard nothing"
    house.faults.silent, house.faults.refuses = False, True
    assert house.submit(FILE) == "could not read"
    house.faults.refuses, house.faults.drop = False, 1
    assert house.submit(FILE) == "dropped"
    house.faults.slow_s = 5
    assert house.submit(FILE) == "dropped"  # nothing new yet
    house.clock.on(5)
    house.twin.tick()
    assert house.twin.account()[-1]["did"] == "took"
    house.faults.garbage = {"schedule"}
    house.twin.tick()
    with pytest.raises(ValueError, match="Expecting"):
        house.shown("schedule")
    assert json.loads(json.dumps(house.twin.account())) == house.twin.account()
