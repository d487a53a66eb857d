"""Whatever the API's own description allows, and much that it does not."""

import re
import subprocess
import sys
from collections.abc import Sequence
from typing import NamedTuple

from tests.support import RunningRelay
from torture.ground import Ground, Outcome

TRIES = "requests that schemathesis makes of the OpenAPI"
EXAMPLES, QUICK = 300, 20  # of each operation and phase
# Followers who wait are tried elsewhere: here a wait is short, and an answer that never ends is left out.
CHANGES = {"OVRO_ALERT_RELAY_MAX_WAIT_S": "0.05"}
ENDLESS = "/stream$"
PATIENCE_S = 10
LIMIT_S = 1500


class Tried(NamedTuple):
    requests: int
    operations: int
    failures: Sequence[str]


def run(ground: Ground) -> Outcome:
    """Nothing is answered 5xx, and nothing is left without an answer."""
    with ground.relay(CHANGES) as relay:
        tried = try_schema(relay, QUICK if ground.quick else EXAMPLES)
    seen = f"no 5xx in any of {tried.operations} operations"
    return Outcome(f"{tried.requests} requests", seen, tried.failures)


def try_schema(relay: RunningRelay, examples: int) -> Tried:
    """Runs schemathesis on a relay that has CHANGES in its environment, with a key of all rights."""
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{relay.url}/openapi.json"]
    options = f"--max-examples {examples} --seed 1 --exclude-path-regex {ENDLESS} --no-color --no-shrink"
    options += f" --checks not_a_server_error --continue-on-failure --request-timeout {PATIENCE_S}"
    done = subprocess.run(
        [*command, *options.split(), "--header", f"X-API-Key: {relay.key}"],
        cwd=relay.directory,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    output = done.stdout + done.stderr
    operations, requests = _number(r"(\d+) selected", output), _number(r"(\d+) generated", output)
    failures = [] if done.returncode == 0 and requests else [_first_failure(output)]
    return Tried(requests, operations, failures)


def _number(pattern: str, output: str) -> int:
    found = re.search(pattern, output)
    return int(found[1]) if found else 0


def _first_failure(output: str) -> str:
    """The part of its report that says what failed, in one line."""
    report = output.partition(" FAILURES ")[2] or output.partition(" ERRORS ")[2] or output
    return " ".join(report.strip("=").split())[:1000]
