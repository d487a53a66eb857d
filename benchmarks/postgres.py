"""PUTs on PostgreSQL with one worker, two and four: where throughput stops growing."""

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.load import request, run
from benchmarks.servers import KEY, serving
from benchmarks.slots import BODY, CONNECTIONS, WARM_S

SCRIPT = Path(__file__).parents[1] / "deploy" / "dev" / "postgres"
WORKERS = (1, 2, 4)
SECONDS = 4.0


def measure(directory: Path, say: Callable[[str], None]) -> None:
    """Says requests a second with so many workers, beside one."""
    if not any(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        say("skipped: PostgreSQL is not installed (Debian's package postgresql)")
        return
    message = request("PUT", "/lwa", KEY, BODY)
    with _postgres() as url:
        alone = 0.0
        for workers in WORKERS:
            with serving("relay_api:app", directory, url, workers) as server:
                run(server.port, message, CONNECTIONS, WARM_S * workers)
                load = run(server.port, message, CONNECTIONS, SECONDS)
            alone = alone or load.rate
            say(
                f"PUT /lwa with {workers} workers  {load.rate:>6.0f}/s (p50 {load.percentile(50):.1f} ms, "
                f"p99 {load.percentile(99):.1f} ms)   {load.rate / alone:.2f} of one"
            )


@contextmanager
def _postgres() -> Iterator[str]:
    # Not within a directory of ours: the server runs as a user of its own, who may not look into it.
    with tempfile.TemporaryDirectory(prefix="bench-postgres-") as place:
        Path(place).chmod(0o755)
        cluster = Path(place) / "cluster"
        start = subprocess.run([SCRIPT, "start", cluster], stdout=subprocess.PIPE, text=True, check=True)
        try:
            yield start.stdout.strip()
        finally:
            subprocess.run([SCRIPT, "remove", cluster], check=True)
