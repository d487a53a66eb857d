"""PUT and GET of a slot, beside a bare FastAPI endpoint with the same bodies, turn and turn about."""

import json
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.load import Load, request, run
from benchmarks.servers import KEY, serving

CONNECTIONS = 64
SECONDS = 2.0
ROUNDS = 3
WARM_S = 0.3
BODY = json.dumps(
    {
        "command": "powerbeam",
        "command_mjd": 61000.123456,
        "args": {"ra": 29.5, "dec": 65.7, "start": "2026-01-01T00:00:00Z", "duration": 600.0, "beamnum": 3},
    }
).encode()


def measure(directory: Path, say: Callable[[str], None]) -> None:
    """Says requests a second of both, and their ratio."""
    with serving("relay_api:app", directory) as relay, serving("benchmarks.bare:app", directory) as bare:
        for name, message in (
            ("PUT /lwa", request("PUT", "/lwa", KEY, BODY)),
            ("GET /lwa", request("GET", "/lwa", KEY)),
        ):
            for server in (bare, relay):
                run(server.port, message, CONNECTIONS, WARM_S)  # the first requests build what all others use
            rounds = [(_load(bare.port, message), _load(relay.port, message)) for _ in range(ROUNDS)]
            ratio = median(ours.rate / theirs.rate for theirs, ours in rounds)
            theirs, ours = (max((pair[n] for pair in rounds), key=lambda load: load.rate) for n in (0, 1))
            say(
                f"{name}  relay {ours.rate:>6.0f}/s (p50 {ours.percentile(50):.1f} ms, "
                f"p99 {ours.percentile(99):.1f} ms)   bare {theirs.rate:>6.0f}/s   ratio {ratio:.2f}"
            )


def _load(port: int, message: bytes) -> Load:
    return run(port, message, CONNECTIONS, SECONDS)
