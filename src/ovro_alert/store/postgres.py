"""The log on PostgreSQL, where many workers and hosts share one database.

Every transaction that writes holds one advisory lock from its beginning to its commit. So the numbers that
it takes are in the order of the commits, two decisions on one event come one after the other, and nobody can
wait for somebody who waits for him; group commit takes the lock once for all the writes that wait. Who reads
waits for nobody. What a commit changed is told to the other processes by NOTIFY, which PostgreSQL delivers if
and when the transaction commits.
"""

import logging
import secrets
import selectors
import socket
import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, func, select
from sqlalchemy.engine import URL
from sqlalchemy.pool import NullPool

from ovro_alert.store.schema import counters

LOCK = 0x6F76726F  # names our lock among the database's advisory locks
CHANNEL = "ovro_alert"
TOPICS = 50  # in one notification, which PostgreSQL limits to 8000 bytes; a topic has 100 at most
HEARTBEAT_S = 5.0
BACKOFF_S = (0.1, 5.0)
# What a lost host, a dead network or a stuck worker may cost the others; the URL may say otherwise.
CONNECTING = {
    "application_name": "ovro-alert",
    "connect_timeout": "5",  # s
    "keepalives_idle": "10",  # s
    "tcp_user_timeout": "10000",  # ms that what was sent may stay unacknowledged
}
# The first against a role or a database that has it off: what was acknowledged would not be on disk.
SESSION = "-c synchronous_commit=on -c lock_timeout=10s -c idle_in_transaction_session_timeout=30s"
logger = logging.getLogger(__name__)


def make_postgres_engine(url: URL, *, writes: bool, **options: Any) -> Engine:
    """An engine whose transactions hold the log's lock if it `writes`, and see one moment if it does not.

    Raises
        ValueError: the driver is not installed.
    """
    if not writes:
        read_only = {"postgresql_readonly": True}
        return _engine(url, isolation_level="REPEATABLE READ", execution_options=read_only, **options)
    # Each statement after the lock sees all that was committed before it.
    engine = _engine(url, isolation_level="READ COMMITTED", **options)

    @event.listens_for(engine, "begin")
    def take_lock(connection: Connection) -> None:
        connection.execute(select(func.pg_advisory_xact_lock(LOCK)))

    return engine


def _engine(url: URL, **options: Any) -> Engine:
    try:
        return create_engine(
            url.set(drivername="postgresql+psycopg"),
            connect_args={
                **{key: value for key, value in CONNECTING.items() if key not in url.query},
                "options": f"{SESSION} {url.query.get('options', '')}",
            },
            pool_pre_ping=True,  # a connection that the server has ended is found out before it is used
            **options,
        )
    except ModuleNotFoundError as error:
        raise ValueError(f"a log on PostgreSQL needs the extra `postgres`: {error}") from error


class Others:
    """The other processes on the same log: tells them what is committed here, and hears what they commit.

    A thread listens. It calls `on_commit` with what others changed, as it comes; when its connection was
    lost, with whatever has a new number since. A topic therefore has a counter: a slot's, or the feed's.
    """

    def __init__(self, url: URL, on_commit: Callable[[set[str]], None]) -> None:
        self._on_commit = on_commit
        self._me = secrets.token_hex(8)
        # Within a transaction nothing would be heard.
        self._engine = _engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with self._engine.connect() as connection:
            self._values = _topics(connection)
        self._told_to_stop, self._stop = socket.socketpair()
        self._thread = threading.Thread(target=self._listen_for_ever, name="log-listen", daemon=True)
        self._thread.start()

    def tell(self, connection: Connection, changed: set[str]) -> None:
        """Tells the others what a transaction has changed, once it commits."""
        topics = sorted(changed)
        for start in range(0, len(topics), TOPICS):
            payload = " ".join([self._me, *topics[start : start + TOPICS]])
            connection.execute(select(func.pg_notify(CHANNEL, payload)))

    def close(self) -> None:
        if self._thread.is_alive():
            self._stop.send(b".")
            self._thread.join()
        self._stop.close()
        self._told_to_stop.close()

    def _listen_for_ever(self) -> None:
        shortest, longest = BACKOFF_S
        pause = shortest
        while True:
            try:
                with self._engine.connect() as connection:
                    self._listen(connection)
                    return
            except Exception as error:
                logger.warning("the log's database does not say what others write: %s", error)
            if self._waits(pause):
                return
            pause = min(2 * pause, longest)

    def _listen(self, connection: Connection) -> None:
        """Hears until told to stop. Raises whatever ends the connection."""
        connection.exec_driver_sql(f"LISTEN {CHANNEL}")
        driver: Any = connection.connection.driver_connection
        while True:
            # Nothing heard for a while may also mean that the connection is gone: this asks.
            self._catch_up(connection)
            while heard := self._waits(HEARTBEAT_S, driver):
                if heard is self._told_to_stop:
                    return
                for notice in driver.notifies(timeout=0):
                    who, *topics = notice.payload.split()
                    if who != self._me:
                        self._on_commit(set(topics))

    def _catch_up(self, connection: Connection) -> None:
        before, self._values = self._values, _topics(connection)
        if changed := {topic for topic, value in self._values.items() if value != before.get(topic)}:
            self._on_commit(changed)

    def _waits(self, seconds: float, driver: Any = None) -> Any:
        """Which comes first within that time: the call to stop, something on the connection, or nothing."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._told_to_stop, selectors.EVENT_READ)
            if driver is not None:
                selector.register(driver, selectors.EVENT_READ)
            ready = [key.fileobj for key, _ in selector.select(seconds)]
        return self._told_to_stop if self._told_to_stop in ready else next(iter(ready), None)


def _topics(connection: Connection) -> dict[str, int]:
    """What followers may wait for, with its last number."""
    rows = connection.execute(select(counters.c.name, counters.c.value)).all()
    slots = {name.removeprefix("slot:"): value for name, value in rows if name.startswith("slot:")}
    return slots | {name: value for name, value in rows if name == "feed"}
