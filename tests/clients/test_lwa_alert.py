"""The LWA client between a real relay and the telescope's twins, over etcd."""

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ovro_alert.demo.sample_waves import BNS, gw_notice
from ovro_alert.link.etcd import Etcd
from ovro_alert.telescopes.lwa import sdf
from support import RunningRelay, until
from tests.clients.observatory import LIMIT_S, Observatory, observatory

pytestmark = pytest.mark.end_to_end
BEAM = {"ra": 83.633083, "dec": 22.0145, "duration": 1}


@pytest.fixture
def place(relay: RunningRelay, whichever_etcd: str, tmp_path: Path) -> Iterator[Observatory]:
    with observatory(relay, whichever_etcd, tmp_path / "lwa") as place:
        yield place


@pytest.fixture
def at_work(place: Observatory) -> Observatory:
    """With a client that follows."""
    place.start()
    return place


def test_a_beam_is_submitted_seen_and_followed_to_its_end(at_work: Observatory) -> None:
    asked = at_work.put("powerbeam", **BEAM, name="Crab")
    state, detail = at_work.outcome(asked)
    assert state == "done", detail
    name = f"{asked}_POWER3"
    assert at_work.executor.begun() == [name]
    session = sdf.parse((at_work.directory / "sdf" / f"lwa-1-{asked}.sdf").read_text())
    assert (session.session_id, session.observations[0].target) == (asked, "Crab")
    assert "/lustre/pipeline/beam03" in str(detail)
    assert at_work.executor.states()[name] == "completed"
    said = [one["detail"].get("state") for one in at_work.reports(asked, "progress")]
    assert "observing" in said


def test_a_dump_is_triggered_once_on_every_pipeline_and_followed_until_it_is_written(
    at_work: Observatory,
) -> None:
    asked = at_work.put("trigger", event="S260101a", duration=10)
    state, detail = at_work.outcome(asked)
    assert state == "done", detail
    assert at_work.pipelines.triggered() == {str(asked): Counter({"lxdlwagpu01/2": 1, "lxdlwagpu01/3": 1})}
    assert {one["status"] for one in at_work.pipelines.account()["dumps"]} == {"complete"}


def test_a_dump_does_not_wait_for_a_beam(at_work: Observatory) -> None:
    beams = [at_work.put("powerbeam", **BEAM | {"duration": 60}) for _ in range(3)]
    dump = at_work.put("trigger", duration=10)
    assert at_work.outcome(dump)[0] == "done"
    until(lambda: len(at_work.executor.begun()) == 3)
    assert {at_work.state(one) for one in beams} == {"running"}
    ids, names = zip(*(name.split("_") for name in at_work.executor.begun()), strict=True)
    assert (set(ids), set(names)) == (set(map(str, beams)), {"POWER3", "POWER5", "POWER6"})


WRONG = [
    ("powerbeam", BEAM | {"ra": 400}, "ra"),
    ("powerbeam", BEAM | {"duration": -1}, "duration"),
    ("powerbeam", BEAM | {"beamnum": 17}, "beamnum"),
    ("powerbeam", BEAM | {"int_time_ms": 5000}, "inttime"),
    ("powerbeam", BEAM | {"start": "2020-01-01T00:00:00Z"}, "start"),
    ("trigger", {"nsamp": 0}, "nsamp"),
    ("sing", {}, "command: 'sing' is not known here"),
]


def test_what_cannot_be_is_refused_before_anything_is_written(at_work: Observatory) -> None:
    for command, args, named in WRONG:
        state, detail = at_work.outcome(at_work.put(command, **args))
        assert (state, named in detail["message"]) == ("refused", True), detail
    assert at_work.submitted() == []
    assert at_work.pipelines.account()["heard"] == []
    with Etcd([at_work.etcd]) as keys:
        assert keys.get_all("/ovro-alert/")[0] == {}


def test_a_retraction_aborts_the_dump_that_is_written(
    relay: RunningRelay, whichever_etcd: str, tmp_path: Path
) -> None:
    with observatory(relay, whichever_etcd, tmp_path / "lwa", speed=1.0) as place:
        place.start()
        now = datetime.now(UTC)
        wave, no_wave = (
            gw_notice("S260304dmp", *of) for of in (("PRELIMINARY", now, BNS), ("RETRACTION", now, None))
        )
        asked = place.http.post("/alerts", content=wave).raise_for_status().json()["commands"][0]
        until(lambda: place.reports(asked, "progress"), LIMIT_S)
        place.http.post("/alerts", content=no_wave).raise_for_status()
        state, detail = place.outcome(asked)
        assert (state, "retracted by" in detail["message"]) == ("failed", True), detail
        assert {one["status"] for one in place.pipelines.account()["dumps"]} == {"aborted"}


def test_a_session_that_is_dropped_has_failed_and_says_so(place: Observatory) -> None:
    place.executor.faults.drop = 1
    place.start()
    place_settings = place.put("powerbeam", **BEAM)
    state, detail = place.outcome(place_settings)
    assert state == "failed"
    assert "by the scheduler" in detail["message"]
    assert place.executor.begun() == []


def test_while_etcd_is_away_the_deadline_is_kept_and_afterwards_it_goes_on(
    relay: RunningRelay, etcd_process, tmp_path: Path
) -> None:
    with observatory(relay, etcd_process.url, tmp_path / "lwa") as place:
        place.start()
        first = place.put("powerbeam", **BEAM)
        assert place.outcome(first)[0] == "done"
        etcd_process.stop()
        late = datetime.now(UTC) - timedelta(seconds=57)  # of 60 that Flarescope's beam is useful for
        request = f'{{"ra": 15.83, "dec": 62.37, "start": "{late:%Y-%m-%dT%H:%M:%SZ}", "duration": 60}}'
        asked = place.http.post("/alerts", content=request.encode()).raise_for_status().json()["commands"][0]
        state, detail = place.outcome(asked)
        assert (state, detail["message"][:8]) == ("refused", "too late")
        waits = place.put("powerbeam", **BEAM)
        etcd_process.start()
        assert place.outcome(waits)[0] == "done"
        assert [name.split("_")[0] for name in place.executor.begun()] == [str(first), str(waits)]


def test_check_says_what_there_is_and_does_nothing(place: Observatory, open_path: Path) -> None:
    def check() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ovro_alert.clients.lwa_alert", "--check"],
            env=os.environ | place.environment(directory=open_path),
            cwd=place.directory,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )

    done = check()
    assert (done.returncode, "etcd answers" in done.stdout) == (0, True), done.stdout + done.stderr
    assert place.submitted() == []
    place.executor.faults.clock_s = 3.0
    until(lambda: told_of_the_clock(check().stdout), LIMIT_S)


def told_of_the_clock(said: str) -> bool:
    return any("wrong" in line.casefold() and "clock" in line for line in said.splitlines())


def test_a_clock_that_is_off_is_told_by_the_client_as_it_runs(place: Observatory) -> None:
    place.executor.faults.clock_s = 3.0
    place.start()
    until(lambda: re.search(r"WARNING.* clock.* 3\.\d s", place.log().read_text()), LIMIT_S)


def test_its_memory_is_small(at_work: Observatory) -> None:
    assert at_work.outcome(at_work.put("powerbeam", **BEAM))[0] == "done"
    status = Path(f"/proc/{at_work.processes[0].pid}/status").read_text()
    (kilobytes,) = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")]
    assert kilobytes < 80_000
