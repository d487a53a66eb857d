"""What tests of every room are given: the corpus, and a relay that runs for real."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from databases import PostgresServer, new_databases
from support import RunningRelay

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of recorded alerts; tests that need it are skipped, and say so, where it is absent."""
    folder = Path(os.environ.get("OVRO_ALERT_CORPUS", ROOT.parent / "shared" / "corpus"))
    if not folder.is_dir():
        pytest.skip(f"the corpus of recorded alerts is not at {folder}: set OVRO_ALERT_CORPUS")
    return folder


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[RunningRelay]:
    """A relay that runs for this test alone."""
    running = RunningRelay(tmp_path)
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def postgres() -> str:
    """The URL of the PostgreSQL server that these tests were given."""
    server = os.environ.get("OVRO_ALERT_TEST_POSTGRES")
    if not server:
        pytest.skip("no PostgreSQL: set OVRO_ALERT_TEST_POSTGRES to what `deploy/dev/postgres start` prints")
    return server


@pytest.fixture
def postgres_urls(postgres: str) -> Iterator[Iterator[str]]:
    """URLs of new databases on it, one after the other."""
    with new_databases(postgres) as urls:
        yield urls


@pytest.fixture
def postgres_server(postgres: str) -> Iterator[PostgresServer]:
    """A server of this test's own."""
    if not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        pytest.skip("the programs of a PostgreSQL server are not installed here")
    # Not pytest's own folder: the server's user may not enter that.
    server = PostgresServer(Path(tempfile.mkdtemp(prefix="ovro-alert-postgres-")))
    yield server
    server.remove()
