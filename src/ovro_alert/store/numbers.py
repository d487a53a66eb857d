"""Numbers that the log gives out, in the order of its commits."""

from sqlalchemy import insert, update

from ovro_alert.store.log import Transaction
from ovro_alert.store.schema import counters

LOG = "log"  # a random number that marks this log among all logs; given by the first migration
ENTRIES = "entries"
TOKENS = "tokens"
FEED = "feed"


def next_number(tx: Transaction, name: str) -> int:
    """The next number of a counter, from 1. The row stays locked until the commit: no gaps, no overtaking."""
    step = update(counters).where(counters.c.name == name).values(value=counters.c.value + 1)
    number = tx.connection.execute(step.returning(counters.c.value)).scalar()
    if number is None:
        tx.connection.execute(insert(counters).values(name=name, value=1))
        return 1
    return int(number)
