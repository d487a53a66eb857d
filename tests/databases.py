"""PostgreSQL for the tests: databases made for one and dropped after it, a server that a test may crash."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from sqlalchemy import create_engine, make_url

from support import until

SCRIPT = Path(__file__).parents[1] / "deploy" / "dev" / "postgres"


@contextmanager
def new_databases(server: str) -> Iterator[Iterator[str]]:
    """URLs of databases that are made on a server when asked for, and dropped at the end."""
    made: list[str] = []
    engine = create_engine(server, isolation_level="AUTOCOMMIT")

    def new() -> Iterator[str]:
        while True:
            made.append(f"test_{uuid4().hex}")
            with engine.connect() as connection:
                connection.exec_driver_sql(f"CREATE DATABASE {made[-1]}")
            yield make_url(server).set(database=made[-1]).render_as_string(hide_password=False)

    yield new()
    with engine.connect() as connection:
        for name in made:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    engine.dispose()


class PostgresServer:
    """A server of one test's own, that it may stop and crash."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.url = self.start()

    def _run(self, verb: str) -> str:
        done = subprocess.run([SCRIPT, verb, self.directory], capture_output=True, text=True, timeout=50)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def start(self) -> str:
        """Starts it, with what was in it before; its URL is the same again."""
        return self._run("start")

    def stop(self) -> None:
        self._run("stop")

    def crash(self) -> None:
        """Ends it at once: of what it has not written out only its write-ahead log is there afterwards."""
        lock = self.directory / "data" / "postmaster.pid"
        os.kill(int(lock.read_text().split()[0]), signal.SIGQUIT)
        until(lambda: not lock.exists())

    def remove(self) -> None:
        self._run("remove")
