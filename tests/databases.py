"""Databases of PostgreSQL for the tests, each made for one and dropped after it."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from sqlalchemy import create_engine, make_url


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
