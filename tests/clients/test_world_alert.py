"""world-alert between a real relay, a real VOEvent broker and the other sides' twins."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import announcing
import kafkas
from announcing import ARGS, SECRET, USER, Swift
from comets import CometBroker, ending
from ovro_alert.clients import world_alert
from ovro_alert.command import to_mjd
from ovro_alert.demo.processes import free_port
from ovro_alert.link.daemon import in_background
from ovro_alert.link.relay import Relay
from ovro_alert.link.retry import Stopped
from ovro_alert.link.worker import Worker
from support import RunningRelay, until


@pytest.fixture
def swift() -> Iterator[Swift]:
    with announcing.swift() as twin:
        yield twin


@pytest.fixture
def sides(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, swift: Swift) -> int:
    """The settings of every sender, by the environment; the broker's port, where nobody listens yet."""
    port = free_port()
    for name, value in {
        "WORLD_DEPLOYED": "true",
        "WORLD_VOEVENT_HOST": "127.0.0.1",
        "WORLD_VOEVENT_PORT": str(port),
        "WORLD_SWIFT_USERNAME": USER,
        "WORLD_SWIFT_SECRET": SECRET,
        "WORLD_SWIFT_URL": swift.url,
        "WORLD_ALERT_DIRECTORY": str(tmp_path / "world"),
        "WORLD_ALERT_WAIT_S": "0.1",
        "WORLD_ALERT_RECHECK_S": "0.1",
        "WORLD_ALERT_LEASE_S": "1",
    }.items():
        monkeypatch.setenv(f"OVRO_ALERT_{name}", value)
    return port


@contextmanager
def working(relay: RunningRelay, step: Callable[[str], None] = lambda name: None) -> Iterator[Relay]:
    """The client at work until the block ends; `step` is told each step of a command."""
    settings, stop = world_alert.WorldAlertSettings(), threading.Event()
    with Relay(relay.url, relay.key) as link:
        worker = Worker(link, world_alert.hands(settings.directory), settings, stop, step=step)
        future = in_background(worker.follow, "client")
        try:
            yield link
        finally:
            stop.set()
            until(future.done)
    future.result()


def put(relay: Relay, command: str) -> int:
    now = datetime.now(UTC)
    args = ARGS | {"toa": now.isoformat(), "name": f"{now:%y%m%d}aaaa"}
    relay.put("world", command, args, to_mjd(now))
    return relay.commands("world", 0, 0)[0][-1].id


def ended(relay: Relay, id: int) -> dict[str, Any]:
    """The state and detail of a command's last report, once it is over."""

    def last() -> dict[str, Any]:
        told = [one.data for one in relay.feed(0, 0)[0] if (one.kind, one.command_id) == ("reported", id)]
        return dict(told[-1]) if told and told[-1]["state"] != "running" else {}

    found = until(last)
    assert isinstance(found, dict)
    return found


def test_each_sender_is_its_own_and_one_that_is_away_is_tried_again(
    relay: RunningRelay, swift: Swift, sides: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with working(relay) as link:
        voevent, tns, to_swift, gcn = (put(link, word) for word in ("voevent", "tns", "swift", "gcn"))
        assert ended(link, tns)["state"] == "done"
        told = ended(link, to_swift)
        assert told["state"] == "done"
        assert 0 < told["detail"]["margin_s"] <= 25 * 60
        assert "taken as request 20000" in told["detail"]["message"]
        refused = ended(link, gcn)
        assert refused["state"] == "refused"
        assert "[world_gcn] client_id" in refused["detail"]["message"]
        assert link.command(voevent).state == "running"
        monkeypatch.setattr("comets.free_port", iter([sides, free_port()]).__next__)
        with ending(CometBroker(tmp_path / "broker")):
            told = ended(link, voevent)
    assert told["state"] == "done"
    assert told["detail"]["message"].endswith(f"to 127.0.0.1:{sides}: acknowledged")
    assert len(swift.listed) == 1
    assert [path.parent.name for path in tmp_path.glob("world/tns/*/*.json")] == ["www.wis-tns.org"]


def test_a_client_that_died_over_a_request_finds_it_at_swift(
    relay: RunningRelay, swift: Swift, sides: int, tmp_path: Path
) -> None:
    reached = threading.Event()

    def die(name: str) -> None:
        if name == "acted":
            reached.set()
            raise Stopped  # nothing more is done of it, as where it was killed

    with working(relay, die) as link:
        asked = put(link, "swift")
        until(reached.is_set)
    (mark,) = tmp_path.glob("world/sent/*.json")
    mark.unlink()
    with working(relay) as link:
        told = ended(link, asked)
    assert told["state"] == "done"
    assert told["detail"]["message"] == "Swift's request 20000: there already"
    assert len(swift.listed) == len(swift.asked) == 1


def test_swift_that_takes_its_time_gets_one_request_whoever_asks_it_meanwhile(
    relay: RunningRelay,
    swift: Swift,
    sides: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    held, take = [], swift.take

    def later(form: dict[str, str]) -> announcing.Answer:
        held.append(form)
        return 504, b"Gateway Timeout"

    monkeypatch.setattr(swift, "take", later)
    with working(relay) as link:
        asked = [put(link, "swift") for _ in range(2)]
        until(lambda: "may come there until" in caplog.text, 60)
        take(held[0])
        told = [ended(link, one) for one in asked]
    assert [one["state"] for one in told] == ["done"] * 2
    assert {one["detail"]["message"] for one in told} == {"Swift's request 20000: there already"}
    assert len(held) == 1


def test_a_copy_of_gcns_schema_that_is_not_there_is_gcns_trouble_only(
    swift: Swift, sides: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OVRO_ALERT_WORLD_GCN_SCHEMA_FOLDER", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GCN_PRODUCER_CLIENT_ID", "an id")
    app = typer.Typer()
    app.command()(world_alert._main)
    result = CliRunner().invoke(app, ["--check"])
    assert (
        f"gcn: out of reach: [world_gcn] schema_folder: {tmp_path / 'nowhere'} has no copy" in result.output
    )
    assert f"swift: Swift knows {USER}" in result.output


def test_its_memory_is_small(
    relay: RunningRelay, swift: Swift, sides: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """VOEvents and Swift's requests are made in processes of their own, for what their libraries take."""
    monkeypatch.setattr("comets.free_port", iter([sides, free_port()]).__next__)
    with (
        ending(CometBroker(tmp_path / "broker")),
        closing(kafkas.Mock()) as kafka,
        Relay(relay.url, relay.key) as link,
    ):
        config = json.dumps(dict(kafka.config))
        process = subprocess.Popen(
            [sys.executable, "-m", "ovro_alert.clients.world_alert"],
            env=relay.environment | {"OVRO_ALERT_WORLD_GCN_CONFIG": config},
            cwd=tmp_path,
        )
        try:
            asked = [put(link, word) for word in ("voevent", "gcn", "swift", "tns")]
            assert [ended(link, one)["state"] for one in asked] == ["done"] * 4
            status = Path(f"/proc/{process.pid}/status").read_text()
        finally:
            process.terminate()
            process.wait(20)
    (kilobytes,) = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")]
    assert kilobytes < 80_000


def test_check_says_what_is_seen_and_sends_nothing(swift: Swift, sides: int, tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(world_alert._main)
    result = CliRunner().invoke(app, ["--check"])
    assert result.exit_code == 1
    assert "voevent: out of reach" in result.output
    assert "gcn: out of reach: no credentials" in result.output
    assert f"swift: Swift knows {USER}" in result.output
    assert "can be written to" in result.output
    asked = json.loads(next(line for line in result.output.splitlines() if "target_name" in line))
    assert asked["validate_only"] is True  # nobody saw the example
    assert SECRET not in result.output
    assert (swift.asked, swift.listed, list(tmp_path.glob("world/tns/*/*"))) == ([], [], [])
