"""What tests of every room are given: the corpus, and a relay that runs for real."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from databases import new_databases
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


@pytest.fixture
def postgres_urls() -> Iterator[Iterator[str]]:
    """URLs of new databases on the PostgreSQL server that these tests were given, one after the other."""
    server = os.environ.get("OVRO_ALERT_TEST_POSTGRES")
    if not server:
        pytest.skip("no PostgreSQL: set OVRO_ALERT_TEST_POSTGRES to what `deploy/dev/postgres start` prints")
    with new_databases(server) as urls:
        yield urls
