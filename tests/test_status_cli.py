"""`ovro-alert status` as a person, Nagios and a script have it."""

import json
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime
from itertools import product

import pytest
from typer.testing import CliRunner

from ovro_alert.cli import app
from ovro_alert.hearing import Hearing, SourceNow
from ovro_alert.link.pulse import Pulse, beating
from ovro_alert.link.relay import Relay
from ovro_alert.status_cli import sum_up
from support import until

REPORT = {"transport": "kafka", "reporter": "receivers.ovro", "connected": True, "since_s": 7200.0}
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def status(relay, *arguments: str, **changes: str):
    return CliRunner().invoke(app, ["status", *arguments], env={**relay.environment, **changes})


def report(relay, source: str, **changes) -> None:
    with relay.client() as client:
        client.put(f"/sources/{source}", json=REPORT | changes).raise_for_status()


@pytest.mark.end_to_end
def test_every_source_in_a_table_with_a_summary_and_the_exit_code_of_nagios(relay):
    result = status(relay)
    assert (result.exit_code, result.output.splitlines()[0]) == (
        3,
        "SOURCES UNKNOWN - no receiver has ever reported",
    )
    report(relay, "igwn.gwalert", heard_s=600.0, expected_s=1800.0, behind=2, waiting=0)
    result = status(relay)
    assert (result.exit_code, result.output.splitlines()[0]) == (0, "SOURCES OK - all 1 are heard")
    report(relay, "dsa110.etcd", connected=False, since_s=30.0, why="no route | \x1b[31mto host")
    result = status(relay)
    assert (result.exit_code, result.output.splitlines()[0]) == (1, "SOURCES WARNING - dsa110.etcd lost")
    report(relay, "gcn.heartbeat", heard_s=180.0)
    result = status(relay)
    assert result.exit_code == 2
    first, head, *rows = result.output.splitlines()
    assert first == "SOURCES CRITICAL - gcn.heartbeat deaf, dsa110.etcd lost"
    cells = [row.split() for row in rows]
    assert head.split()[:2] == ["source", "state"]
    assert [row[:2] for row in cells] == [
        ["dsa110.etcd", "lost"],
        ["gcn.heartbeat", "deaf"],
        ["igwn.gwalert", "hearing"],
    ]
    assert "not connected for 30 s: no route / [31mto host" in rows[0]
    assert "no message for 3 min, where 60 s are the most" in rows[1]
    assert cells[2][2:] == "2 h 10 min ago 30 min ago 2 h 2 0 receivers.ovro".split()  # noqa: SIM905
    assert len({row.index(word) for row, word in zip(rows, ["lost", "deaf", "hearing"], strict=True)}) == 1
    assert "\x1b" not in result.output


@pytest.mark.end_to_end
def test_what_a_receiver_notes_is_what_is_shown(relay):
    pulse = Pulse("gcn.heartbeat", "kafka")
    with Relay(relay.url, relay.key) as link, beating(link, [pulse], threading.Event(), every_s=0.05):
        until(lambda: "gcn.heartbeat lost" in status(relay).output)
        pulse.connected()
        pulse.heard(expected=True)
        until(lambda: status(relay).exit_code == 0)
        pulse.behind(1001)
        until(lambda: "1001 messages behind the broker" in status(relay).output)


@pytest.mark.end_to_end
def test_a_script_is_given_json_and_the_same_exit_code(relay):
    report(relay, "gcn.heartbeat", heard_s=180.0)
    result = status(relay, "--json")
    assert result.exit_code == 2
    (source,) = json.loads(result.output)["sources"]
    assert (source["source"], source["state"]) == ("gcn.heartbeat", "deaf")


@pytest.mark.end_to_end
def test_whatever_keeps_it_from_knowing_is_unknown(relay):
    for result, why in (
        (status(relay, RELAY_KEY="wrong"), "401"),
        (status(relay, RELAY_KEY=""), "no key"),
        (status(relay, "--url", "http://127.0.0.1:1"), "no relay answers"),
        (status(relay, "--url", "http://me:secret@127.0.0.1:1"), "must hold no user"),
    ):
        assert result.exit_code == 3
        assert result.output.startswith("SOURCES UNKNOWN - ")
        assert why in result.output
        assert "secret" not in result.output
        assert len(result.output.splitlines()) == 1


@pytest.mark.end_to_end
def test_it_needs_no_more_than_every_host_has(relay):
    report(relay, "gcn.heartbeat", heard_s=1.0)
    forbidden = "import sys; sys.modules.update(dict.fromkeys(('rich', 'fastapi', 'sqlalchemy', 'lxml')))\n"
    program = f"{forbidden}from ovro_alert.cli import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", program, "status"],
        env={**os.environ, **relay.environment},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "gcn.heartbeat" in done.stdout


def now(state: Hearing) -> SourceNow:
    nothing = dict.fromkeys(SourceNow.model_fields)
    return SourceNow.model_validate(
        nothing | {"source": f"a.{state}", "state": state, "why": "", "connected": True}
    )


@pytest.mark.parametrize(("one", "other"), [*product(Hearing, Hearing)])
def test_the_gravest_of_all_decides(one, other):
    deaf, well = Hearing.DEAF in (one, other), {one, other} <= {Hearing.HEARING, Hearing.UNWATCHED}
    code, why = sum_up([now(one), now(other)])
    assert code == (2 if deaf else 0 if well else 1)
    if deaf:
        assert why.startswith("a.deaf deaf")
