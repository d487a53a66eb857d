"""The dump plan against arithmetic done by hand: 1,000,320 samples ÷ (196e6/8192 Hz) = 41.80929… s a file."""

from datetime import UTC, datetime

import pytest

from ovro_alert.sky.ring import PIPELINES
from ovro_alert.telescopes.lwa.dump import commands

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_one_file_of_a_pipeline() -> None:
    one = commands.DumpPlan("1", NOW, 1)
    assert one.nfile == 1
    assert one.ntime_per_file % 960 == 0
    assert one.seconds == pytest.approx(41.8093, abs=1e-4)  # 1000320 × 8192 ÷ 196e6
    assert one.bytes_per_pipeline == 67_605_626_880  # 1000320 × 67584
    assert one.bytes_per_pipeline / one.seconds == pytest.approx(1.617e9, rel=1e-4)


def test_the_words_for_every_pipeline_that_holds_a_buffer() -> None:
    puts = dict(commands.DumpPlan("1767225600000000", NOW, 1).puts())
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
