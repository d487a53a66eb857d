"""What people are told only when it changes, whichever of the workers notices."""

import hashlib

from sqlalchemy import bindparam, insert, select, update

from ovro_alert.store.log import Transaction
from ovro_alert.store.schema import counters

LAST = select(counters.c.value).where(counters.c.name == bindparam("which"))
CHANGE = update(counters).where(counters.c.name == bindparam("which"))
BEGIN = insert(counters)


def is_news(tx: Transaction, what: str, said: str) -> bool:
    """Whether this is not what was said last of something; from now on it is."""
    name, value = f"told:{_short(what):x}", _short(said)
    last = tx.connection.scalar(LAST, {"which": name})
    if last == value:
        return False
    if last is None:
        tx.connection.execute(BEGIN, {"name": name, "value": value})
    else:
        tx.connection.execute(CHANGE, {"which": name, "value": value})
    return True


def _short(text: str) -> int:
    """As much of a digest as a counter holds."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "big")
