"""Known sources in the log's database, by catalogue; a counter says that one of them has changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, case, delete, func, insert, select

from ovro_alert.sky.catalogue import Known
from ovro_alert.store.log import Transaction
from ovro_alert.store.numbers import next_number
from ovro_alert.store.schema import counters, known_sources

CHANGES = "catalogues"  # the counter
TOGETHER = 5000  # rows of one insert
COLUMNS = [known_sources.c[name] for name in Known.__dataclass_fields__]
ALL = select(*COLUMNS).order_by(known_sources.c.n)
OF = known_sources.c.catalogue == bindparam("which")
VERSION = select(counters.c.value).where(counters.c.name == CHANGES)
LISTED = (
    select(
        known_sources.c.catalogue,
        func.count(),
        func.sum(case((known_sources.c.repeats, 1), else_=0)),
        func.max(known_sources.c.imported_at),
    )
    .group_by(known_sources.c.catalogue)
    .order_by(known_sources.c.catalogue)
)


class Exists(Exception):
    """There is a catalogue of that name."""


class Unknown(Exception):
    """There is no catalogue of that name."""


@dataclass(frozen=True)
class Imported:
    """A catalogue: how many entries it has, of them those of repeaters, and since when."""

    name: str
    sources: int
    repeating: int
    imported_at: datetime


def put(tx: Transaction, name: str, sources: Sequence[Known], *, replace: bool) -> int:
    """Keeps a catalogue; returns how many entries of one of that name it takes the place of.

    Raises
        Exists: there is one, and it is not to be replaced.
    """
    before = tx.connection.execute(delete(known_sources).where(OF), {"which": name}).rowcount
    if before and not replace:
        raise Exists(f"there is a catalogue {name} of {before} entries")
    rows = [{**vars(one), "catalogue": name, "imported_at": tx.now} for one in sources]
    for begin in range(0, len(rows), TOGETHER):
        tx.connection.execute(insert(known_sources), rows[begin : begin + TOGETHER])
    next_number(tx, CHANGES)
    return before


def remove(tx: Transaction, name: str) -> int:
    """Lets go of a catalogue; returns how many entries it had. Raises Unknown."""
    gone = tx.connection.execute(delete(known_sources).where(OF), {"which": name}).rowcount
    if not gone:
        raise Unknown(f"there is no catalogue {name}")
    next_number(tx, CHANGES)
    return gone


def listed(connection: Connection) -> list[Imported]:
    """All catalogues, by name."""
    return [Imported(*row) for row in connection.execute(LISTED)]


def sources(connection: Connection) -> list[Known]:
    """The sources of all catalogues."""
    return [Known(*row) for row in connection.execute(ALL)]


def version(connection: Connection) -> int:
    """A number that is greater after every change."""
    return connection.scalar(VERSION) or 0
