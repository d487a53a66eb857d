"""Writes that may be repeated: one that comes again under the same key adds nothing.

The header that carries the key is `Idempotency-Key` of the IETF's draft of that name
(draft-ietf-httpapi-idempotency-key-header).
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import bindparam, delete, insert, select, tuple_

from ovro_alert.command import Entry
from ovro_alert.store import commands, entries
from ovro_alert.store.log import Transaction
from ovro_alert.store.schema import idempotency

KEPT = timedelta(days=7)
FORGOTTEN = 10  # old keys with each new one: more than come, and never many at once
WHICH = tuple_(idempotency.c.holder, idempotency.c.key)
FIND = select(idempotency.c.fingerprint, idempotency.c.entry_id).where(
    idempotency.c.holder == bindparam("whose"), idempotency.c.key == bindparam("which")
)
FORGET = delete(idempotency).where(
    WHICH.in_(
        select(idempotency.c.holder, idempotency.c.key)
        .where(idempotency.c.at <= bindparam("before"))
        .order_by(idempotency.c.at)
        .limit(FORGOTTEN)
    )
)
ADD = insert(idempotency)


class Reused(Exception):
    """The key came before, with another request."""


@dataclass(frozen=True)
class Once:
    """Whose key it is, the key, and what tells the request that it came with from others."""

    holder: str
    key: str
    fingerprint: bytes


def once(holder: str, key: str, slot: str, body: bytes) -> Once:
    return Once(holder, key, hashlib.sha256(slot.encode() + b"\n" + body).digest())


def only_once(this: Once, job: Callable[[Transaction], Entry]) -> Callable[[Transaction], Entry]:
    """The job, as one that is done once: under a key that is known it gives the entry that was made then.

    A key is known for a week at least. The job raises Reused where its key came with another request.
    """

    def run(tx: Transaction) -> Entry:
        tx.connection.execute(FORGET, {"before": tx.now - KEPT})
        found = tx.connection.execute(FIND, {"whose": this.holder, "which": this.key}).first()
        if found is None:
            entry = job(tx)
            tx.connection.execute(ADD, {**vars(this), "entry_id": entry.id, "at": tx.now})
            return entry
        if found.fingerprint != this.fingerprint:
            raise Reused("this key came before, with another request: a new request needs a new key")
        return entries.to_entry(commands.find(tx.connection, found.entry_id))

    return run
