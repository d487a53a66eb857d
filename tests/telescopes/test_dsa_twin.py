"""The twin of DSA-110 takes what the array takes, and nothing else; and what `--check` sees of it."""

import json
import threading
from pathlib import Path

import pytest

from dsa_array import Array, command
from ovro_alert.acting import Plan
from ovro_alert.command import State
from ovro_alert.link.daemon import in_background
from ovro_alert.link.etcd import Etcd
from ovro_alert.telescopes.dsa.check import check
from ovro_alert.telescopes.dsa.hands import DsaHands, utc_now
from ovro_alert.telescopes.dsa.settings import DsaSettings
from ovro_alert.telescopes.dsa.twin import DsaTwin
from ovro_alert.telescopes.findings import Level
from support import until


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("/cmd/ant/0", b"?", "Expecting value"),
        ("/cmd/ant/0", b'{"cmd": "move", "val": NaN}', "NaN is no JSON"),
        ("/cmd/ant/0", b'{"cmd": "move", "val": "90"}', "val is no elevation"),
        ("/cmd/ant/0", b'{"cmd": "move", "val": 1e999}', "val is no elevation"),
        ("/cmd/ant/0", b'{"cmd": "move", "val": true}', "val is no elevation"),
        ("/cmd/ant/0", b'{"cmd": "move"}', "is no object of cmd and val"),
        ("/cmd/ant/0", b'{"cmd": "fly", "val": 90}', "the word 'fly' is not known"),
        ("/cmd/ant/400", b'{"cmd": "move", "val": 90}', "there is no such antenna"),
        ("/cmd/corr/0", b'{"cmd": "trigger", "val": 5}', "val is not <specnum>-<name>-"),
        ("/cmd/corr/0", b'{"cmd": "trigger", "val": "5-aa"}', "val is not <specnum>-<name>-"),
        ("/cmd/corr/0", b'{"cmd": "trigger", "val": "5-a;b-"}', "val is not <specnum>-<name>-"),
        ("/cmd/corr/0", b'{"cmd": "trigger", "val": "-5-aa-"}', "val is not <specnum>-<name>-"),
        ("/cmd/corr/0", b'{"cmd": "trigger", "val": "5-aa-"}', "too late: of 60.7 s ago"),
        ("/cmd/corr/3", b'{"cmd": "trigger", "val": "0-aa-"}', "not of node 3"),
    ],
)
def test_what_makes_no_sense_moves_nothing_and_is_in_the_account(key: str, value: bytes, why: str) -> None:
    array = Array()
    array.keys.put(key, value)
    array.pass_by(2)
    [told] = array.twin.account
    assert (told["did"], told["key"]) == ("nothing", key)
    assert why in told["why"]
    assert array.told("/mon/ant/1")[-1]["drv_state"] == 2
    assert array.told("/mon/corr/1")[-1]["n_trigs"] == 0
    json.dumps(array.twin.account)


def test_everything_that_is_put_between_two_looks_is_in_the_account() -> None:
    array = Array()
    for elevation in (50, 60, 70):
        array.keys.put("/cmd/ant/0", json.dumps({"cmd": "move", "val": elevation}).encode())
    array.pass_by(1)
    assert [told["elevation"] for told in array.twin.account] == [50, 60, 70]


def test_while_one_dump_is_waited_for_another_is_not_taken() -> None:
    array = Array()
    array.keys.put("/cmd/corr/0", b'{"cmd": "trigger", "val": "850000-one-"}')
    array.keys.put("/cmd/corr/0", b'{"cmd": "trigger", "val": "850001-two-"}')
    array.pass_by(60)
    assert [told["did"] for told in array.twin.account] == ["dumped", "nothing"]
    assert array.told("/mon/corr/16")[-1]["n_trigs"] == 1


def test_drives_stop_at_their_limits() -> None:
    array = Array()
    array.keys.put("/cmd/ant/1", b'{"cmd": "move", "val": 150}')
    array.keys.put("/cmd/ant/2", b'{"cmd": "move", "val": 1}')
    array.pass_by(200)
    said = [array.told(f"/mon/ant/{number}")[-1] for number in (1, 2)]
    assert [(one["ant_el"], one["drv_state"]) for one in said] == [(135.0, 4), (3.0, 5)]


def test_what_a_check_sees(tmp_path: Path) -> None:
    array = Array(folder=tmp_path)
    array.twin.detect("260301aaab", array.now, 500.0, ra=83.6, dec=53.0, snr=9.5)
    array.twin.misbehaviour.silent = {7}
    array.pass_by(90)
    findings = check(array.keys, array.settings, array.now)
    assert [one.text for one in findings if one.level is Level.NOTE] == ["antennas: nothing new of 7"]
    assert [one.text for one in findings if one.level is Level.FINE and "clock" not in one.text] == [
        f"triggers: {tmp_path}",
        "antennas: 62 report, 62 are settled",
        "pointing: elevation 90.00°, declination +37.23°",
        "recording: no",
        "correlator: counts spectra from 2026-03-01T06:00:00Z; 16 nodes count their dumps",
        "triggers: etcd remembers 1 of /mon/corr/1/trigger, as far back as a search looks",
        "newest trigger: 260301aaab of 2026-03-01T06:01:00Z, DM 500.0, S/N 9.5",
        "etcd answers",
    ]
    assert len(findings) == 10


def test_what_is_not_well_is_said_by_a_check() -> None:
    array = Array(folder=None)
    array.settings = array.settings.model_copy(update={"triggers": Path("/nonexistent/T2")})
    array.twin.misbehaviour.clock_off_s = -3
    array.keys.put("/mon/corr/1/trigger", b'{"260301aaab": {"mjds": 61100.2}}')
    array.keys.put("/mon/snap/1/armed_mjd", b'{"armed_mjd": 55000.0}')
    array.keys.put("/cmd/corr/docopy", b"{}")
    array.pass_by(2)
    assert wrong(array) == [
        "triggers: /nonexistent/T2 is not there",
        "clock: the antennas' clock is 3.0 s behind this host's",
        "recording: /cmd/corr/docopy does not say whether the array is recording",
        "correlator: does not say from when it counts spectra; 16 nodes count their dumps",
        "clock: the correlator's clock is 3.0 s behind this host's",
        "newest trigger: cannot be read: /mon/corr/1/trigger: snr: Field required",
    ]
    array.twin.misbehaviour.silent = set(range(1, 64))
    array.pass_by(90)
    assert "antennas: 0 report, 0 are settled" in wrong(array)
    array.keys.is_away = True
    assert wrong(array)[-1] == "etcd does not answer: nobody answers"


def test_a_check_tells_of_a_dump_that_is_waited_for_and_of_nodes_that_are_silent() -> None:
    array = Array()
    array.keys.put("/mon/corr/99", b'{"n_trigs": 3}')
    array.keys.put("/cmd/corr/0", b'{"cmd": "trigger", "val": "850000-260301aaab-"}')
    array.pass_by(1)
    notes = [one.text for one in check(array.keys, array.settings, array.now) if one.level is Level.NOTE]
    assert notes[-3:-1] == [
        "correlator: nothing new of node 99",
        "correlator: waits for dump 260301aaab, and takes no other",
    ]


def wrong(array: Array) -> list[str]:
    findings = check(array.keys, array.settings, array.now)
    return [one.text for one in findings if one.level is Level.WRONG]


class Heard:
    """A word that waits as long as it is told to."""

    retracted_by = None

    def say(self, detail: object) -> None:
        """Nobody listens."""

    def check(self) -> None: ...

    def wait(self, seconds: float) -> None:
        threading.Event().wait(seconds)


def test_hands_and_twin_over_an_etcd(keys: Etcd) -> None:
    stop = threading.Event()
    twin = DsaTwin(keys, antennas=range(1, 12))
    running = in_background(lambda: twin.run(stop), "twin")
    try:
        hands = DsaHands(keys, DsaSettings(look_s=0.1))
        for entry in (command("dump", {"specnum": 0}), command("repoint", {"elevation": 90.5}, id=778)):
            plan = hands.plan(entry, utc_now())
            assert isinstance(plan, Plan), plan
            trace = hands.carry_out(entry, plan)
            assert hands.carry_out(entry, plan) == trace
            assert hands.find(entry) == trace
            assert hands.follow(entry, trace, Heard()).state is State.DONE
        until(lambda: len(twin.account) == 2)
    finally:
        stop.set()
        running.result(10)
    assert [told["did"] for told in twin.account] == ["dumped", "moved"]
