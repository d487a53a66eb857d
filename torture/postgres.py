"""The database is away for a minute: PostgreSQL is stopped, and started again."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torture.database import without
from torture.ground import Ground, Outcome, Skipped

TRIES = "the database is away: PostgreSQL is stopped"
SCRIPT = Path(__file__).parents[1] / "deploy" / "dev" / "postgres"
LIMIT_S = 120


def run(ground: Ground) -> Outcome:
    """Writes and reads are refused with 503, and the same process goes on by itself with the server."""
    if not any(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        raise Skipped("PostgreSQL is not installed (Debian's package postgresql)")
    # Not within ours: the server runs as a user of its own, who may not look into it.
    with tempfile.TemporaryDirectory(prefix="torture-postgres-server-") as place:
        Path(place).chmod(0o755)
        server = Path(place) / "cluster"
        try:
            url = _server("start", server)
            with ground.relay({"OVRO_ALERT_DATABASE_URL": url}) as relay:
                return without(
                    ground, relay, _stopped(server), {"/lwa": 503, "/healthz": 200, "/readyz": 503}
                )
        finally:
            _server("remove", server)


@contextmanager
def _stopped(server: Path) -> Iterator[bool]:
    _server("stop", server)
    yield False  # a commit whose answer was lost with the connection may be on disk
    _server("start", server)


def _server(word: str, directory: Path) -> str:
    done = subprocess.run(
        [SCRIPT, word, directory], stdout=subprocess.PIPE, text=True, timeout=LIMIT_S, check=True
    )
    return done.stdout.strip()
