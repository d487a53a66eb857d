"""Numbers that the log gives out, in the order of its commits."""

from sqlalchemy import bindparam, insert, update

from ovro_alert.store.log import Transaction
from ovro_alert.store.schema import counters

ENTRIES = "entries"
TOKENS = "tokens"
FEED = "feed"

# Statements stand outside the functions wherever a command or an alert passes: to build one takes longer than
# to run it.
STEP = (
    update(counters)
    .where(counters.c.name == bindparam("which"))
    .values(value=counters.c.value + bindparam("step"))
    .returning(counters.c.value)
)
BEGIN = insert(counters)


def next_number(tx: Transaction, name: str) -> int:
    """The next number of a counter, from 1."""
    return next_numbers(tx, name, 1)[0]


def next_numbers(tx: Transaction, name: str, count: int) -> range:
    """The next so many of a counter. Its row stays locked until the commit: no gaps, no overtaking."""
    last = tx.connection.execute(STEP, {"which": name, "step": count}).scalar()
    if last is None:
        tx.connection.execute(BEGIN, {"name": name, "value": count})
        last = count
    return range(last - count + 1, last + 1)
