"""The dump plan against arithmetic done by hand: 1,000,320 samples ÷ (196e6/8192 Hz) = 41.80929… s a file."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovro_alert.sky.ring import PIPELINES, to_samples
from ovro_alert.telescopes.lwa import dump

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_one_file_of_a_pipeline() -> None:
    one = dump.plan("1", NOW, 1)
    assert one.nfile == 1
    assert one.ntime_per_file % 960 == 0
    assert one.seconds == pytest.approx(41.8093, abs=1e-4)  # 1000320 × 8192 ÷ 196e6
    assert one.bytes_per_pipeline == 67_605_626_880  # 1000320 × 67584
    assert one.bytes_per_pipeline / one.seconds == pytest.approx(1.617e9, rel=1e-4)


@pytest.mark.parametrize(
    ("samples", "files"),
    [(0, 1), (1, 1), (1_000_320, 1), (1_000_321, 2), (to_samples(158), 4), (to_samples(1660), 40)],
)
def test_files_cover_what_is_wanted(samples: int, files: int) -> None:
    assert dump.plan("1", NOW, samples).nfile == files


@given(st.floats(1e-6, 1e5))
def test_never_less_than_wanted_and_never_a_whole_file_more(seconds: float) -> None:
    plan = dump.plan("1", NOW, to_samples(seconds))
    assert seconds <= plan.seconds + 1e-9
    assert plan.nfile == 1 or plan.seconds - seconds < 41.81


def test_the_words_for_every_pipeline_that_holds_a_buffer() -> None:
    puts = dict(dump.plan("1767225600000000", NOW, 1).puts())
    assert len(puts) == PIPELINES == 16
    assert puts["/cmd/corr/x/lxdlwagpu01/pipeline/2/TriggeredDump/0"] == {
        "cmd": "update",
        "val": {
            "block": "TriggeredDump",
            "timestamp": 1767225600.0,
            "kwargs": {"command": "trigger", "nfile": 1, "ntime_per_file": 1000320, "dump_path": "/data0/"},
        },
        "id": "1767225600000000",
    }
    last = puts["/cmd/corr/x/lxdlwagpu08/pipeline/3/TriggeredDump/0"]
    assert last["val"]["kwargs"]["dump_path"] == "/data1/"


def test_the_document_holds_all_that_the_control_must_put() -> None:
    plan = dump.plan("7", NOW, to_samples(158))
    read = json.loads(dump.document(plan, {"event": "S260101a"}))
    assert {each["key"]: each["value"] for each in read["puts"]} == dict(plan.puts())
    assert read["metadata"] == {"event": "S260101a"}
    assert read["bytes"] == 4 * 67_605_626_880 * 16
