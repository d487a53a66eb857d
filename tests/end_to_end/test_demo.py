"""The demonstration: the whole house, over real transports, with its exit code."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ovro_alert.demo.replay import as_though_now, recorded
from ovro_alert.demo.samples import codetection, samples
from ovro_alert.formats import Unreadable, read
from ovro_alert.telescopes.lwa import sdf
from support import until

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(180)]
COMMAND = [str(Path(sys.executable).with_name("ovro-alert")), "demo"]


def demo(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "--once", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
        env=os.environ | environment,
    )


def played(out: Path) -> dict[str, dict[str, Any]]:
    return {one["sample"]: one for one in json.loads((out / "timeline.json").read_text())}


def commands(one: dict[str, Any], word: str) -> list[dict[str, Any]]:
    """Those of a word that an alert led to, as they were in the end."""
    return [each for each in one["commands"] if each["command"] == word]


@pytest.fixture(scope="module", params=["etcd", "no etcd"])
def told(request, tmp_path_factory):
    """The story with Debian's etcd on the PATH, or without: its folder, and what was printed."""
    folder = tmp_path_factory.mktemp("story")
    environment = {}
    if request.param == "no etcd":
        environment["PATH"] = str(folder)
    elif shutil.which("etcd") is None:
        pytest.skip("etcd is not installed: apt-get install etcd-server")
    out = folder / "out"
    result = demo("--out", out, **environment)
    assert result.returncode == 0, result.stdout + result.stderr
    assert (out / "etcd").is_dir() == (request.param == "etcd"), "the real one keeps data"
    return out, result.stdout


def test_every_scenario_is_carried_out(told):
    out, printed = told
    story = played(out)
    now = datetime.now(UTC)
    assert list(story) == [one.name for one in [*samples(now), *codetection(now)]]

    words = "powerbeam", "voltagebeam"
    beams = [beam for one in story.values() for word in words for beam in commands(one, word)]
    assert len(beams) == 7
    for beam in beams:
        assert (beam["state"], beam["detail"]["state"]) == ("running", "observing")
        assert sdf.parse(Path(beam["detail"]["sdf"]).read_text()).name == beam["detail"]["session"]
        assert beam["detail"]["sdf"] in printed
    assert len({beam["detail"]["session"].partition("_")[2] for beam in beams}) == 7, "each has its own beam"

    [dump] = commands(story["gw-merger"], "trigger")
    assert dump["state"] == "done"
    assert [one["status"] for one in dump["detail"]["pipelines"].values()] == ["complete"] * 16

    [found] = commands(story["chime-codetection"], "CHIME FRB")
    assert found["state"] == "done"
    assert [one["name"] for one in found["detail"]["found"]] == [
        story["dsa-trigger"]["alert_id"].split("-")[1]
    ]
    [missed] = commands(story["chime-repeater"], "CHIME FRB")
    assert (missed["state"], missed["detail"]["found"]) == ("running", [])

    [repoint] = commands(story["chime-repeater"], "repoint")
    assert repoint["state"] == "pending approval"


def test_a_retraction_reaches_who_acts_on_its_event(told):
    story = played(told[0])
    [search] = commands(story["chime-new"], "CHIME FRB")
    assert search["state"] == "done"
    assert search["detail"]["retracted_by"] == story["chime-retraction"]["alert_id"]
    [beam] = commands(story["chime-new"], "powerbeam")
    assert story["chime-retraction"]["alert_id"] in beam["detail"]["message"], "it observes on, and knows"
    [swift] = commands(story["dsa-detection"], "swift")
    assert swift["state"] == "cancelled"


def test_the_corpus_is_played_whole(tmp_path, corpus):
    out = tmp_path / "out"
    result = demo("--corpus", corpus, "--out", out)
    assert result.returncode == 0, result.stdout + result.stderr
    story = played(out)
    files = {str(path.relative_to(corpus)) for path in corpus.rglob("*") if path.is_file()}
    assert story.keys() == files - {"README.md"}
    assert "as though it happened now" in result.stdout
    # What is up depends on the hour: every beam that was submitted has its file, and no other.
    beams = [beam for one in story.values() for beam in commands(one, "powerbeam")]
    asked = {beam["id"] for beam in beams if beam["state"] in ("running", "done")}
    files = {int(path.stem.rpartition("-")[2]) for path in (out / "lwa" / "sdf").glob("*.sdf")}
    assert files == asked
    assert not any(commands(one, "trigger") for one in story.values()), "no neutron star merges in there"


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
    approve = re.search(r"http://\S+/approve", log.read_text())
    httpx2.post(approve[0], headers={"X-API-Key": "demo"}, json={"by": "a person"}).raise_for_status()
    until(lambda: "63 antennas from declination 71.20°" in log.read_text(), 30, f"the move (see {log})")
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
