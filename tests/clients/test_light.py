"""What the clients take of a host: nothing of a server's libraries, and 80 MB of memory when they have acted.

lwa-alert's and world-alert's memory is in their own tests, where what they speak with is at hand.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ovro_alert.link.relay import Relay
from support import RunningRelay
from tests.clients.observatory import LIMIT_S, array
from tests.clients.test_slack_notifier import TOKEN, SlackTwin

LARGEST_KB = 80_000


def brought(extra: str) -> set[str]:
    """Every distribution that an installation with that extra needs."""
    found: set[str] = set()
    asked = [("ovro-alert", frozenset({extra}))]
    while asked:
        name, extras = asked.pop()
        for line in requires(name) or []:
            one = Requirement(line)
            of = canonicalize_name(one.name)
            if any(not one.marker or one.marker.evaluate({"extra": each}) for each in extras | {""}):
                if of not in found:
                    asked.append((of, frozenset(one.extras)))
                found.add(of)
    return found


@pytest.mark.parametrize("extra", ["lwa", "dsa", "slack", "world"])
def test_a_client_brings_nothing_of_a_server(extra: str) -> None:
    assert "sqlalchemy" in brought("relay"), "else this test would see nothing"
    assert "twisted" in brought("chime")
    servers = {"fastapi", "starlette", "uvicorn", "twisted", "comet", "sqlalchemy", "alembic"}
    assert not brought(extra) & servers


@pytest.mark.parametrize("client", ["lwa_alert", "dsa_alert", "slack_notifier", "world_alert"])
def test_a_client_imports_nothing_of_a_server(client: str) -> None:
    program = f"import sys, ovro_alert.clients.{client}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=LIMIT_S
    )
    assert not re.findall(r"\b(fastapi|starlette|twisted|sqlalchemy|astropy|pandas)\b", done.stdout)


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRelay]:
    running = RunningRelay(tmp_path_factory.mktemp("relay"))
    running.start()
    yield running
    running.stop()


def peak_kb(process: subprocess.Popen[bytes]) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1])


def test_dsa_alerts_is_small(relay: RunningRelay, whichever_etcd: str, tmp_path: Path) -> None:
    with array(relay, whichever_etcd, tmp_path / "dsa") as place:
        process = place.start()
        assert place.outcome(place.put("dump", specnum=0, name="260301naaa"))[0] == "done"
        assert peak_kb(process) < LARGEST_KB


def test_slack_notifiers_is_small(relay: RunningRelay, tmp_path: Path) -> None:
    slack = SlackTwin()
    settings = {
        "SLACK_TOKEN": TOKEN,
        "OVRO_ALERT_SLACK_NOTIFIER_BASE_URL": f"{slack.url}/api",
        "OVRO_ALERT_SLACK_NOTIFIER_FROM_START": "true",
        "OVRO_ALERT_SLACK_NOTIFIER_SETTLE_S": "0.1",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "ovro_alert.clients.slack_notifier"],
        env=relay.environment | settings,
        cwd=tmp_path,
    )
    try:
        with Relay(relay.url, relay.key) as link:
            link.put("lwa", "powerbeam", {"ra": 83.6, "dec": 22.0, "duration": 60}, 61365.0)
        slack.wait_for(lambda: len(slack.taken) > 0)
        assert peak_kb(process) < LARGEST_KB
    finally:
        process.terminate()
        process.wait(LIMIT_S)
        slack.close()
