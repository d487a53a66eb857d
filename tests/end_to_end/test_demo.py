"""The demonstration: the whole house, over real transports, with its exit code."""

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ovro_alert.demo.replay import as_though_now, recorded
from ovro_alert.demo.samples import samples
from ovro_alert.formats import Unreadable, read
from ovro_alert.telescopes.lwa import sdf
from support import until

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(180)]
COMMAND = [str(Path(sys.executable).with_name("ovro-alert")), "demo"]


def demo(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "--once", *map(str, arguments)], capture_output=True, text=True, timeout=150, check=False
    )


def test_every_scenario_is_carried_out(tmp_path):
    out = tmp_path / "out"
    result = demo("--out", out)
    assert result.returncode == 0, result.stdout + result.stderr
    timeline = json.loads((out / "timeline.json").read_text())
    assert [one["sample"] for one in timeline] == [one.name for one in samples(datetime.now(UTC))]
    done = [
        entry
        for one in timeline
        for entry in one["happened"]
        if entry["kind"] == "reported" and entry["data"]["state"] == "done"
    ]
    beams = list((out / "sdf").glob("*.sdf"))
    dumps = list((out / "dumps").glob("*.json"))
    assert (len(beams), len(dumps)) == (4, 1)
    assert len(done) == 5
    for path in beams:
        assert sdf.parse(path.read_text()).mode == "POWER"
        assert str(path) in result.stdout
    assert json.loads(dumps[0].read_text())["puts"]
    assert str(dumps[0]) in result.stdout
    cancelled = [e for one in timeline for e in one["happened"] if e["kind"] == "cancelled"]
    assert [entry["data"]["slot"] for entry in cancelled] == ["dsa", "world"]


def test_the_corpus_is_played_whole(tmp_path, corpus):
    out = tmp_path / "out"
    result = demo("--corpus", corpus, "--out", out)
    assert result.returncode == 0, result.stdout + result.stderr
    timeline = json.loads((out / "timeline.json").read_text())
    files = {str(path.relative_to(corpus)) for path in corpus.rglob("*") if path.is_file()}
    assert {one["sample"] for one in timeline} == files - {"README.md"}
    assert "as though it happened now" in result.stdout
    assert list((out / "sdf").glob("*.sdf"))
    assert not list((out / "dumps").glob("*.json")), "no neutron star merges in there"


def test_a_folder_with_strange_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    result = demo("--out", tmp_path)
    assert result.returncode == 1
    assert "thesis" not in result.stdout
    assert (tmp_path / "thesis.tex").read_text() == "precious"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_runs_until_told_to_stop_and_leaves_nothing_running(tmp_path, number):
    out = tmp_path / "out"
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen([*COMMAND, "--out", str(out)], stdout=output, stderr=subprocess.STDOUT)
    until(lambda: b"Ctrl-C ends all of it" in log.read_bytes(), 90, f"the end of the story (see {log})")
    assert _parts_of(out)
    process.send_signal(number)
    assert process.wait(30) == 0, log.read_text()
    assert not _parts_of(out)
    assert "Traceback" not in log.read_text()


def _parts_of(out: Path) -> list[str]:
    """Processes that work in the demonstration's folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(process.joinpath("cwd").readlink()).startswith(str(out)):
                found.append(process.name)
        except OSError:
            continue
    return [pid for pid in found if int(pid) != os.getpid()]


def test_recorded_alerts_are_shifted_as_a_whole(corpus):
    now = datetime.now(UTC)
    for sample in recorded(corpus):
        shifted, by = as_though_now(sample, now)
        assert len(shifted.raw) == len(sample.raw)
        try:
            before = read(sample.raw)
        except Unreadable:
            continue
        after = read(shifted.raw)
        if before.event_time is not None:
            # To the last digit that it writes, a second at the coarsest; an MJD holds a microsecond or so.
            late = before.event_time + by - after.event_time
            assert timedelta(microseconds=-2) <= late < timedelta(seconds=1)
            assert abs(now - after.event_time - timedelta(seconds=1)) <= timedelta(seconds=1)
        assert (after.frb, after.gw, after.localization) == (before.frb, before.gw, before.localization)
