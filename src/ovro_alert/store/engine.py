"""Connections to the log's database, and bringing its schema up to date."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL

from ovro_alert.store.postgres import make_postgres_engine

# How long a write waits while another process holds SQLite's lock. Clients of today wait 9 s for an answer,
# and a write may have to wait for the one before it as well.
BUSY_S = 4.0


def make_engine(url: str | URL, *, writes: bool) -> Engine:
    """An engine on the log; one that `writes` takes the write lock when a transaction begins.

    Raises
        ValueError: the URL cannot be used for a log, and why.
    """
    parsed = make_url(url)
    options: dict[str, Any] = {"json_serializer": _dumps, "json_deserializer": _loads}
    if parsed.get_backend_name() == "postgresql":
        return make_postgres_engine(parsed, writes=writes, **options)
    if parsed.get_backend_name() != "sqlite":
        raise ValueError("OVRO_ALERT_DATABASE_URL: the log is kept by SQLite or by PostgreSQL")
    if not parsed.database or parsed.database == ":memory:":
        raise ValueError("OVRO_ALERT_DATABASE_URL: a log in memory would not survive; name a file")
    Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, **options, connect_args={"timeout": BUSY_S, "check_same_thread": False})
    begin = "BEGIN IMMEDIATE" if writes else "BEGIN"

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _: object) -> None:
        # The driver's own BEGIN comes too late for savepoints and readers: we say it ourselves, below.
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def say_begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


@contextmanager
def opened(url: str | URL, *, writes: bool) -> Iterator[Engine]:
    """An engine on the log for as long as the block lasts. Raises as `make_engine`."""
    engine = make_engine(url, writes=writes)
    try:
        yield engine
    finally:
        engine.dispose()


def migrate(url: str | URL, to: str = "head") -> None:
    """Brings the database's schema to the newest revision, from empty or from any older one."""
    with opened(url, writes=True) as engine, engine.begin() as connection:
        config = _alembic()
        config.attributes["connection"] = connection
        command.upgrade(config, to)


def revision(url: str | URL) -> str | None:
    """The revision of the database's schema; None where it has none."""
    with opened(url, writes=False) as engine, engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def exists(url: str | URL) -> bool:
    """Whether there is a database; to ask it of a file would make one."""
    parsed = make_url(url)
    return parsed.get_backend_name() != "sqlite" or Path(parsed.database or "").exists()


def is_newest(url: str | URL) -> bool:
    """Whether there is a database, and its schema is the one that this code works on."""
    return exists(url) and revision(url) == newest_revision()


def newest_revision() -> str | None:
    """The revision that this code works on."""
    return ScriptDirectory.from_config(_alembic()).get_current_head()


def _alembic() -> Config:
    config = Config()
    config.set_main_option("script_location", "ovro_alert.store:migrations")
    return config


def _dumps(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_UTC_Z).decode()


def _loads(kept: Any) -> Any:
    """SQLite gives a JSON column back as a number where the JSON is one (its column affinity is NUMERIC)."""
    return kept if isinstance(kept, int | float) else orjson.loads(kept)
