"""The search of DSA-110's own triggers for a burst that CHIME has seen."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import astropy.units as u
import pytest
from astropy.coordinates import FK5, EarthLocation, SkyCoord
from astropy.time import Time

from dsa_array import BEGAN, Array, command
from ovro_alert.acting import Outcome, Plan
from ovro_alert.command import Entry, State, to_mjd
from ovro_alert.telescopes.dsa.pointing import on_meridian, to_declination, to_elevation
from ovro_alert.telescopes.dsa.trigger import read

DM = 500.0
RA, DEC = 180.0, 37.3
# A burst that passes 1530 MHz 30 s after the array began is later at 400 MHz by the constant 4148.808.
SEEN = BEGAN + timedelta(seconds=30)
LATER_S = 4148.808 * DM * (1 / 400**2 - 1 / 1530**2)
NAME = "260301aaab"


def chime(dm: float = DM, seconds: float = 0.0, **more: Any) -> Entry:
    """What the policy sends of the burst."""
    toa = to_mjd(SEEN + timedelta(seconds=LATER_S + seconds))
    return command("CHIME FRB", {"ra": RA, "dec": DEC, "dm": dm, "toa": toa, "event": "chime-1"} | more)


def seen(array: Array, name: str = NAME, moment: datetime = SEEN, dm: float = DM, **more: Any) -> None:
    array.twin.detect(name, moment, dm, **{"ra": RA, "dec": DEC} | more)


def test_what_is_looked_for_is_said_and_nothing_is_written() -> None:
    array = Array()
    before = len(array.keys.history)
    plan = array.plan(chime())
    assert isinstance(plan, Plan)
    message = "looking through the array's triggers for chime-1 at 180.000 +37.300, DM 500.0"
    assert plan.summary == {"message": message}
    array.hands.carry_out(chime(), plan)
    assert array.hands.find(chime()) is None
    assert len(array.keys.history) == before


def test_the_newest_trigger_is_the_burst() -> None:
    array = Array()
    seen(array, dm=DM + 0.5, ra=RA + 0.1)
    began = array.now
    outcome = array.carry_through(chime(dmerror=0.5))
    assert array.now == began
    assert outcome.state is State.DONE
    [found] = outcome.detail["found"]
    assert found["name"] == NAME
    assert found["placed_by"] == "trigger"
    # 0.1° of right ascension at that declination; the beam's 1.7° and CHIME's 0.1° at 90 % are 0.794° a σ.
    assert found["apart_deg"] == pytest.approx(0.07955, abs=1e-4)
    assert found["apart_sigma"] == pytest.approx(0.07955 / 0.7935, abs=0.01)
    # 0.5 by √(1² + 2²).
    assert (found["dm_difference"], found["dm_sigma"]) == (0.5, pytest.approx(0.5 / 5**0.5, abs=0.01))
    # The mean of the two DMs, by their weights, is 0.1 above CHIME's.
    assert found["seconds_apart"] == pytest.approx(0.1 * LATER_S / DM, abs=1e-3)
    # 20 a day, all in the beam: 20 / 86400 s · 2 · 0.1403 s · 2 · 5.76 / 1000 pc cm⁻³.
    assert found["expected_by_chance"] == pytest.approx(7.48e-7, rel=0.01)
    told = "0.08° (0.1σ) apart, DM +0.5 (+0.2σ), +0.002 s (+0.0σ); 7.5e-07 by chance"
    assert outcome.detail["message"] == f"DSA-110 has seen it: {NAME}, {told}"
    json.dumps(outcome.detail)


@pytest.mark.parametrize(
    "other",
    [
        {"dm": DM + 20},
        {"ra": RA + 8},
        {"moment": SEEN + timedelta(seconds=1)},
    ],
)
def test_what_differs_in_one_of_the_three_is_another_burst(other: dict[str, Any]) -> None:
    array = Array()
    seen(array, **other)
    began = array.now
    outcome = array.carry_through(chime())
    assert outcome.state is State.DONE
    assert (array.now - began).total_seconds() == 60  # it might have come later
    assert outcome.detail["found"] == []
    [nearest] = outcome.detail["nearest"]
    assert nearest["name"] == NAME
    assert outcome.detail["message"].startswith(
        "none of 1 triggers of DSA-110 is this burst; the nearest is 260301"
    )


def test_a_trigger_that_comes_after_the_alert_ends_the_wait() -> None:
    array = Array()
    trace = array.begin(chime())
    began = array.now
    wait = array.wait

    def later(seconds: float) -> None:
        wait(seconds)
        if (array.now - began).total_seconds() == 20:
            seen(array)

    array.wait = later  # type: ignore[method-assign]
    outcome = array.hands.follow(chime(), trace, array)
    assert [found["name"] for found in outcome.detail["found"]] == [NAME]
    assert (array.now - began).total_seconds() == 20
    assert [said["message"] for said in array.said] == ["none of 0 triggers of DSA-110 is this burst"]


def test_a_folder_is_searched_the_likeliest_first_and_what_is_bad_is_counted(tmp_path: Path) -> None:
    array = Array(folder=tmp_path)
    seen(array, "260301aaae", dm=DM)
    seen(array, "260301aaac", dm=DM + 3)
    seen(array, "260301aaad", dm=DM + 0.1, ra=RA + 0.5)
    seen(array, "260301aaaf_inj3")
    seen(array, "260301aaag", injected=True)
    seen(array, "260301aaah", dm=700)
    bad = {
        "half.json": '{"260301aaaa": {"mjds": 61100.25',
        "list.json": "[1]",
        "two.json": '{"a": {}, "b": {}}',
        "nan.json": '{"trigname": "a", "mjds": NaN, "snr": 9, "dm": 5}',
        "late.json": '{"trigname": "a", "mjds": 2461100.5, "snr": 9, "dm": 5}',
        "text.json": '{"trigname": "a", "mjds": "61100.25", "snr": 9, "dm": 5}',
        "hand.json": '{"trigname": "a", "mjds": 61100.25, "snr": 0, "dm": 5}',
        "deep.json": "[" * 100_000,
    }
    for name, text in bad.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "notes.txt").write_text("?")
    (tmp_path / "folder.json").mkdir()
    detail = array.carry_through(chime()).detail
    assert [found["name"] for found in detail["found"]] == ["260301aaae", "260301aaad", "260301aaac"]
    assert [found["name"] for found in detail["nearest"]] == ["260301aaah"]
    assert (detail["triggers"], detail["injected"], detail["unreadable"]) == (4, 2, 9)
    assert "; 2 more (9 could not be read)" in detail["message"]


def test_each_bad_trigger_is_named_with_its_fault() -> None:
    good = {"trigname": NAME, "mjds": 61100.25, "snr": 9.0, "dm": 5.0}
    for change, says in (
        ({"dm": -1}, "dm: Input should be greater than 0"),
        ({"mjds": None}, "mjds: Input should be a valid number"),
        ({"ra": 360}, "ra: Input should be less than 360"),
        ({"radecerr": -1}, "radecerr: Input should be greater"),
        ({"trigname": ""}, "trigname: String should have"),
        ({"mjds": 88069}, "must be an MJD between"),
    ):
        with pytest.raises(ValueError, match=says):
            read(json.dumps(good | change).encode())


def test_a_trigger_written_again_in_better_words_counts_as_it_was_written_last(tmp_path: Path) -> None:
    array = Array(folder=tmp_path)
    seen(array)  # in etcd and in the folder, and there it is improved
    flat = {
        "trigname": NAME,
        "mjds": to_mjd(SEEN),
        "snr": 9.0,
        "dm": DM,
        "ra": RA,
        "dec": DEC,
        "radecerr": 2.0,
    }
    (tmp_path / f"cluster_output{NAME}.json").write_text(json.dumps(flat))
    detail = array.carry_through(chime(error=0.2)).detail
    [found] = detail["found"]
    assert (found["snr"], detail["triggers"]) == (9.0, 1)


def test_a_folder_that_is_not_there_is_told() -> None:
    array = Array(folder=None, search_wait_s=0)
    array.settings = array.settings.model_copy(update={"triggers": Path("/nonexistent/T2")})
    detail = array.carry_through(chime()).detail
    assert detail["why_unreadable"] == ["/nonexistent/T2: No such file or directory"]


def test_old_files_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text("?")
    array = Array(folder=tmp_path, search_wait_s=0)
    toa = to_mjd(datetime.fromisoformat("2099-01-01T00:00:00+00:00"))
    detail = array.carry_through(chime(toa=toa)).detail
    assert detail["unreadable"] == 0


def test_a_trigger_without_a_place_is_where_the_array_pointed() -> None:
    array = Array(search_wait_s=0)
    ra, dec = on_meridian(to_declination(90, 37.23), SEEN, -118.2819)
    for place in ({"ra": 0.0, "dec": 0.0}, {"ra": None, "dec": None}):
        seen(array, **place)
        detail = array.carry_through(chime(ra=ra, dec=dec)).detail
        [found] = detail["found"]
        assert found["placed_by"] == "pointing"
        assert found["apart_deg"] < 1e-6
        assert array.carry_through(chime(ra=(ra + 30) % 360, dec=dec)).detail["found"] == []
    array.twin.misbehaviour.silent = set(range(1, 64))
    array.pass_by(90)
    assert array.carry_through(chime(ra=ra, dec=dec)).detail["unplaced"] == 1


def test_what_is_on_the_meridian_is_where_astropy_has_it() -> None:
    site = EarthLocation(lon=-118.2819 * u.deg, lat=37.23 * u.deg)
    for text, dec in (("2026-03-01T06:00:00", 37.23), ("2024-09-17T18:30:00", 71.6), ("2025-01-01", -10.0)):
        time = Time(text, scale="utc", location=site)
        of_date = SkyCoord(time.sidereal_time("apparent"), dec * u.deg, frame=FK5(equinox=time))
        moment = datetime.fromisoformat(f"{text}+00:00" if "T" in text else f"{text}T00:00:00+00:00")
        ra, declination = on_meridian(dec, moment, -118.2819)
        assert SkyCoord(ra, declination, unit="deg").separation(of_date.icrs).deg < 0.02


def test_elevations_and_declinations() -> None:
    assert to_elevation(37.23, 37.23) == 90
    assert to_elevation(-10, 37.23) == pytest.approx(42.77)
    assert to_elevation(71.6, 37.23) == pytest.approx(124.37)  # above 90 is north
    assert to_declination(124.37, 37.23) == pytest.approx(71.6)


def test_a_retraction_ends_the_wait() -> None:
    array = Array()
    array.retracted_by = "gone"
    began = array.now
    outcome = array.carry_through(chime())
    assert isinstance(outcome, Outcome)
    assert array.now == began
    assert outcome.detail["message"].endswith("gone has taken its event back: not looked for any more")


def test_what_is_hidden_by_a_later_trigger_is_found_without_a_folder() -> None:
    """Also by a client that starts after both; another that cannot be read hides nothing either."""
    array = Array(search_wait_s=0)
    seen(array)
    seen(array, "260301aaac", moment=SEEN + timedelta(seconds=15), dm=50.0)
    array.keys.put("/mon/corr/1/trigger", b"?")
    detail = array.carry_through(chime()).detail
    assert [found["name"] for found in detail["found"]] == [NAME]
    assert (detail["triggers"], detail["unreadable"]) == (2, 1)


def test_etcd_is_asked_for_each_trigger_once_and_no_farther_back_than_is_needed() -> None:
    array = Array(search_wait_s=10)
    for number, before_s in enumerate((9000, 8000, 60, 30)):
        seen(array, f"260301aaa{number}", moment=SEEN - timedelta(seconds=before_s), dm=DM + 100)
    asked: list[int] = []
    get = array.keys.get

    def counted(key: str, revision: int = 0) -> Any:
        if key == "/mon/corr/1/trigger":
            asked.append(revision)
        return get(key, revision)

    array.keys.get = counted  # type: ignore[method-assign]
    assert array.carry_through(chime()).detail["triggers"] == 3
    assert sum(revision > 0 for revision in asked) == 2


def test_what_etcd_has_forgotten_is_known_to_who_looked_before() -> None:
    array = Array(search_wait_s=10)
    seen(array)
    trace = array.begin(chime(dm=DM + 100))
    wait = array.wait

    def forget(seconds: float) -> None:
        array.keys.compact()
        wait(seconds)
        seen(array, "260301aaac", dm=DM + 50)

    array.wait = forget  # type: ignore[method-assign]
    detail = array.hands.follow(chime(dm=DM + 100), trace, array).detail
    assert {near["name"] for near in detail["nearest"]} == {NAME, "260301aaac"}


def test_a_link_to_nowhere_blinds_nobody(tmp_path: Path) -> None:
    array = Array(folder=tmp_path)
    seen(array)
    array.keys.put("/mon/corr/1/trigger", b"?")
    (tmp_path / "gone.json").symlink_to("/nonexistent/gone.json")
    detail = array.carry_through(chime()).detail
    assert [found["name"] for found in detail["found"]] == [NAME]
    assert "gone.json: No such file or directory" in detail["why_unreadable"]


@pytest.mark.parametrize(
    ("args", "found"),
    [
        # 2° apart; the beam and a radius of 0.1° allow for 2.41° at 99 %.
        ({"position": "180,39.3,0.1"}, True),
        ({"position": "180,41.3,0.1"}, False),
        ({"position": "180,41.3,3"}, True),
        ({"position": "180,41.3,"}, False),
        ({"position": "180,41.3", "error_deg": 3}, True),
        ({"ra": 180, "dec": 41.3, "errorDeg": "3"}, True),
    ],
)
def test_the_error_of_today_is_kept(args: dict[str, Any], found: bool) -> None:
    array = Array(search_wait_s=0)
    seen(array)
    entry = chime()
    rest = {name: value for name, value in entry.args.items() if name not in ("ra", "dec")}
    entry = entry.model_copy(update={"args": rest | args})
    assert bool(array.carry_through(entry).detail["found"]) is found


@pytest.mark.parametrize("zone", ["", "Z", "+00:00"])
def test_a_time_of_arrival_may_be_iso(zone: str) -> None:
    array = Array(search_wait_s=0)
    seen(array)
    toa = (SEEN + timedelta(seconds=LATER_S)).replace(tzinfo=None).isoformat() + zone
    assert array.carry_through(chime(toa=toa)).detail["found"]
