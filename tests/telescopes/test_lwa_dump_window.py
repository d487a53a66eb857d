"""How much of the buffer is asked for, by hand: 196e6 ÷ 8192 = 23925.78125 samples/s, 960 samples a block."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovro_alert.acting import Later, Outcome
from ovro_alert.command import State
from ovro_alert.telescopes.arguments import reason, spelled
from ovro_alert.telescopes.lwa.arguments import DumpArguments
from ovro_alert.telescopes.lwa.dump.settings import DumpSettings
from ovro_alert.telescopes.lwa.dump.window import Size, size

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)  # MJD 61041.5
HZ = 23925.78125


def ago(seconds: float) -> str:
    return (NOW - timedelta(seconds=seconds)).isoformat()


def asked(
    settings: DumpSettings | None = None, deadline: datetime | None = None, **args: Any
) -> Size | Outcome:
    arguments = DumpArguments.model_validate(spelled(args))
    return size(arguments, NOW, settings or DumpSettings(), deadline)


@pytest.mark.parametrize(
    ("args", "samples"),
    [
        ({"nsamp": 1}, 1),
        ({"nsamp": 960}, 960),
        ({"nsamp": "2000640"}, 2_000_640),
        ({"duration": 100, "ra": 400}, 2_392_579),  # whatever else there is, is metadata
        # The oldest sample may be 170 s old, and a dump begins with it.
        ({}, 4_067_383),
        ({"start": ago(100), "end": ago(70)}, 2_392_579),
        ({"start_time": ago(100), "End Time": ago(70)}, 2_392_579),
        ({"start": ago(100), "duration": 30}, 2_392_579),
        ({"Start_Time": ago(100), "end": ago(70), "toa": "not looked at"}, None),
        ({"end": ago(70)}, 2_392_579),
        ({"start": ago(10), "end": ago(-430)}, 14_355_469),  # 600 s: it goes on recording
        ({"toa": ago(130)}, 2_392_579),  # to 60 s later
        ({"toa": 61041.5 - 130 / 86400}, 2_392_579),
        ({"TOA": ago(130), "duration": 60}, 2_392_579),
        ({"nsamp": 960, "toa": ago(1e6)}, 960),
    ],
)
def test_samples_enough_and_less_than_a_block_of_each_file_too_many(
    args: dict[str, Any], samples: int
) -> None:
    if samples is None:
        with pytest.raises(ValueError, match="toa"):
            asked(**args)
        return
    found = asked(**args)
    assert isinstance(found, Size)
    assert found.nfile == math.ceil(samples / 1_000_320)
    assert found.ntime_per_file % 960 == 0
    assert found.ntime_per_file <= 1_000_320
    # An MJD is good to some µs: a sample is 42.
    assert -2 <= found.nfile * found.ntime_per_file - samples < found.nfile * 960


@given(st.floats(-1000, 150), st.floats(0.001, 3000), st.integers(1, 100))
def test_the_window_is_covered_from_the_oldest_on(age: float, lasts: float, blocks: int) -> None:
    settings = DumpSettings(file_samples=blocks * 960, budget_bytes=10**18)
    end = NOW + timedelta(seconds=lasts - age)
    try:
        found = asked(settings, start=ago(age), end=end.isoformat())
    except Later:
        assert age < 0
        return
    assert isinstance(found, Size)
    needed = (170 + lasts - age) * HZ
    assert needed - 2 <= found.nfile * found.ntime_per_file < needed + 2 + found.nfile * 960
    assert (found.nfile - 1) * blocks * 960 < needed + 2
    assert found.notes == ()


@pytest.mark.parametrize(
    ("args", "why"),
    [
        ({"start": ago(400), "end": ago(200)}, "too late by 42 s: args.end"),
        ({"end": ago(158)}, "too late by 0 s: args.end"),
        ({"toa": ago(300)}, "too late by 82 s: args.toa"),  # 60 s after it are of use, too
        ({"start": ago(400), "duration": 100}, "too late by 142 s: args.start + args.duration"),
        ({"start": ago(10), "end": ago(10)}, "args.end: "),
        ({"start": ago(10), "end": ago(20)}, "args.end: "),
        ({"start": ago(10)}, "args.end: missing"),
        ({"start": ago(10), "end": ago(5), "nsamp": 5}, "args.nsamp: "),
        ({"start": ago(-2 * 86400), "duration": 5}, "args.start: 2026-01-03T12:00:00Z is more than a day"),
        ({"toa": "9999-12-31T23:59:59Z"}, "end of time"),
    ],
)
def test_what_cannot_be_dumped_is_refused_with_the_reason(args: dict[str, Any], why: str) -> None:
    found = asked(**args)
    assert isinstance(found, Outcome)
    assert found.state is State.REFUSED
    assert why in found.detail["message"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("nsamp", 0),
        ("nsamp", -960),
        ("nsamp", 1.5),
        ("nsamp", "all"),
        ("nsamp", 10**17),
        ("duration", -1),
        ("duration", 0),
        ("duration", "nan"),
        ("duration", float("inf")),
        ("start", "yesterday"),
        ("end", "nan"),
        ("end", True),
        ("toa", [61041]),
        ("toa", 1e9),
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_its_field(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=field) as refusal:
        asked(**{field: value})
    assert reason(refusal.value).startswith(f"args.{field}: ")


@pytest.mark.parametrize(
    ("other", "meant"),
    [
        ("start_mjd", "start"),
        ("begin", "start"),
        ("end_mjd", "end"),
        ("stop", "end"),
        ("dur", "duration"),
        ("toa_mjd", "toa"),
        ("arrival", "toa"),
        ("n_samples", "nsamp"),
        ("ntime_per_file", "nsamp"),
    ],
)
def test_a_name_that_can_only_mean_an_argument_is_not_left_out_of_account(other: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f"did you mean {meant}") as refusal:
        asked(far=1e-10, **{other: 1})
    assert reason(refusal.value).startswith("args: ")


def test_what_waves_of_today_say_more_is_metadata() -> None:
    today = {
        "FAR": "1e-10",
        "BNS": "0.9",
        "HasNS": "1",
        "Terrestrial": "0",
        "GraceID": "S1",
        "AlertType": "INITIAL",
    }
    ours = {"event": "ligo-S1", "alert": "x", "far": 1e-10, "toa": ago(130), "toa_error": 1}
    assert asked(nsamp="960", **today) == asked(nsamp=960)
    assert asked(**ours) == asked(toa=ago(130))


@pytest.mark.parametrize("name", ["nsamp", "duration", "start", "end", "toa"])
@pytest.mark.parametrize("value", [True, False])
def test_a_truth_is_no_number(name: str, value: bool) -> None:
    with pytest.raises(ValueError, match="must not be true or false"):
        asked(**{name: value})


def test_a_window_that_has_not_begun_is_waited_for_unless_it_would_be_too_late() -> None:
    window = {"start": ago(-60), "end": ago(-90)}
    with pytest.raises(Later, match="its window begins at 2026-01-01T12:01:00Z"):
        asked(**window)
    with pytest.raises(Later):
        asked(deadline=NOW + timedelta(seconds=61), **window)
    found = asked(deadline=NOW + timedelta(seconds=60), **window)
    assert isinstance(found, Size)
    assert found.nfile * found.ntime_per_file >= 260 * HZ


def test_what_has_left_the_ring_is_said() -> None:
    found = asked(start=ago(200), end=ago(100))
    assert isinstance(found, Size)
    assert found.notes == ("its first 42 s have left the ring",)


def test_the_end_is_cut_where_the_budget_ends() -> None:
    # 170 s to now, and 30 s more: 200 s, of which 150 GB hold 2,219,460 samples: 92.76 s.
    settings = DumpSettings(budget_bytes=150_000_000_000)
    found = asked(settings, start=ago(100), end=ago(-30))
    assert isinstance(found, Size)
    wrote = found.nfile * found.ntime_per_file
    assert 0 <= 2_219_460 - wrote < found.nfile * 960
    assert found.notes == ("its last 107 s are cut by the disk budget, 150 GB a pipeline",)
    # The whole of what is left would be before its start, were that 70 s ago.
    late = asked(settings, start=ago(70), end=ago(-30))
    assert isinstance(late, Outcome)
    assert (
        late.detail["message"]
        == "args.start: a dump up to there is more than the disk budget, 150 GB a pipeline"
    )
    few = asked(settings, nsamp=3_000_000)
    assert isinstance(few, Size)
    assert few.nfile * few.ntime_per_file == wrote
    assert few.notes == (f"cut to {wrote} of 3000000 samples by the disk budget, 150 GB a pipeline",)
    none = asked(DumpSettings(budget_bytes=960 * 67_584 - 1), nsamp=1)
    assert isinstance(none, Outcome)
    assert "holds not one block" in none.detail["message"]


@pytest.mark.parametrize(
    "settings",
    [
        {"oldest_s": 100},
        {"file_samples": 1000},
        {"hosts": ()},
        {"hosts": ("a/b",)},
        {"dump_paths": {}},
        {"dump_paths": {2: "data"}},
        {"budget_bytes": 0},
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        DumpSettings(**settings)


def test_settings_come_from_the_file(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "settings.toml").write_text(
        '[lwa_dump]\nring_s = 1800\noldest_s = 1900\nhosts = ["a"]\ndump_paths = {0 = "/x/", 1 = "/y"}\n'
    )
    monkeypatch.setenv("OVRO_ALERT_CONFIG", str(tmp_path / "settings.toml"))
    monkeypatch.setenv("OVRO_ALERT_LWA_DUMP_QUIET_S", "90")
    settings = DumpSettings()
    assert [one.key("mon") for one in settings.pipelines] == [
        "/mon/corr/x/a/pipeline/0/TriggeredDump/0",
        "/mon/corr/x/a/pipeline/1/TriggeredDump/0",
    ]
    assert (settings.ring_s, settings.quiet_s) == (1800, 90)
