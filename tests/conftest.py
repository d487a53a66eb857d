"""What tests of every room are given: the corpus, and a relay that runs for real."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import etcds
from databases import PostgresServer, new_databases
from etcds import ask, base64
from ovro_alert.demo.etcd_gateway import Gateway
from ovro_alert.link.etcd import Etcd
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
def open_path() -> Iterator[Path]:
    """A folder of this test's own that other users may enter; pytest's are its user's alone."""
    with tempfile.TemporaryDirectory(prefix="ovro-alert-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


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


def _etcd(directory: Path) -> Iterator[etcds.Server]:
    if shutil.which("etcd") is None:
        pytest.skip("there is no etcd here (Debian's package etcd-server)")
    server = etcds.Server(directory)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def etcd_server(tmp_path: Path) -> Iterator[etcds.Server]:
    """An etcd of this test's own."""
    yield from _etcd(tmp_path / "etcd")


@pytest.fixture(params=["etcd", "in memory"])
def etcd_process(request: pytest.FixtureRequest) -> Iterator[etcds.Server | Gateway]:
    """An etcd of this test's own at its `url`, which it may `stop` and `start`: what was put is kept."""
    if request.param == "etcd":
        yield request.getfixturevalue("etcd_server")
    else:
        gateway = Gateway()
        gateway.start()
        yield gateway
        gateway.stop()


@pytest.fixture(scope="session")
def etcd_of_worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[etcds.Server]:
    """An etcd that the tests of this process share, one after the other."""
    yield from _etcd(tmp_path_factory.mktemp("etcd"))


@pytest.fixture(scope="session")
def etcd_url(request: pytest.FixtureRequest) -> str:
    """The URL of an etcd that tests share, each with a key of its own."""
    return os.environ.get("OVRO_ALERT_TEST_ETCD") or request.getfixturevalue("etcd_of_worker").url


@pytest.fixture(params=["etcd", "in memory"])
def keys_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an etcd with nothing in it, which is this test's alone while it runs."""
    if request.param == "etcd":
        url = request.getfixturevalue("etcd_of_worker").url
        ask(url, "/kv/deleterange", key=base64("\0"), range_end=base64("\0"))
        yield url
    else:
        with Gateway() as gateway:
            yield gateway.url


@pytest.fixture
def whichever_etcd(request: pytest.FixtureRequest) -> Iterator[str]:
    """The real one where it is installed, else the one in memory, with nothing in it: for what takes long."""
    if shutil.which("etcd") is not None:
        url = request.getfixturevalue("etcd_of_worker").url
        ask(url, "/kv/deleterange", key=base64("\0"), range_end=base64("\0"))
        yield url
    else:
        with Gateway() as gateway:
            yield gateway.url


@pytest.fixture
def keys(keys_url: str) -> Iterator[Etcd]:
    """A telescope's etcd with nothing in it, as clients have it."""
    with Etcd([keys_url]) as etcd:
        yield etcd


@pytest.fixture
def etcd_twin() -> Iterator[etcds.Twin]:
    """The etcd in memory, or one in trouble."""
    with etcds.Twin() as twin:
        yield twin


@pytest.fixture
def etcd_twin_url(etcd_twin: etcds.Twin) -> str:
    return etcd_twin.url
