"""Keys in the log's database: made, rotated, revoked, and known by their hash alone.

A key is `oa_<id>_<secret>`: what it is, its public id by which people speak of it, and 256 random bits.
"""

import base64
import hashlib
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, RowMapping, insert, select, update

from ovro_alert.store.log import Transaction
from ovro_alert.store.schema import keys

TOKEN = re.compile(r"oa_([a-z2-7]{10})_[A-Za-z0-9_-]{43}")
NOT_REVOKED = select(keys).where(keys.c.revoked_at.is_(None))


class Unknown(Exception):
    """There is no such key, or it is no longer in force."""


@dataclass(frozen=True)
class Key:
    """What is known of a key; its secret is not."""

    id: str
    name: str
    hash: bytes
    scopes: tuple[str, ...]
    made_at: datetime
    last_used: datetime | None  # to the hour
    revoked_at: datetime | None
    expires_at: datetime | None

    def is_in_force(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def hash_of(token: bytes) -> bytes:
    """What is kept of a key.

    A plain SHA-256: slow and salted hashes are for what people choose and a dictionary holds, and there is no
    going through 2²⁵⁶ secrets at any speed; but this is asked at every request.
    """
    return hashlib.sha256(token).digest()


def id_of(token: bytes) -> str | None:
    """The id in what may be a key; None where it has not the form of one."""
    match = TOKEN.fullmatch(token.decode("latin-1"))
    return match and match[1]


def make(tx: Transaction, name: str, scopes: Collection[str], expires_at: datetime | None) -> tuple[Key, str]:
    """A new key, and its token: to be shown once, for it is kept nowhere."""
    id = base64.b32encode(secrets.token_bytes(7)).decode().lower()[:10]
    token = f"oa_{id}_{secrets.token_urlsafe(32)}"
    key = Key(id, name, hash_of(token.encode()), tuple(sorted(set(scopes))), tx.now, None, None, expires_at)
    tx.connection.execute(insert(keys), vars(key) | {"scopes": list(key.scopes)})
    return key, token


def make_first(tx: Transaction, name: str, scope: str) -> str | None:
    """The first key of all, its token; None where a key has ever been made.

    Writes come one after the other: of several workers that start at once on an empty log one makes it.
    """
    if tx.connection.execute(select(keys.c.id).limit(1)).first() is not None:
        return None
    return make(tx, name, [scope], None)[1]


def rotate(
    tx: Transaction, id: str, overlap_until: datetime, expires_at: datetime | None = None
) -> tuple[Key, str]:
    """A new key in place of one in force, which is good until `overlap_until` at most.

    Unless told otherwise the new one lives as long as the old one was made to.

    Raises
        Unknown
    """
    old = find(tx.connection, id)
    if not old.is_in_force(tx.now):
        raise Unknown(f"key {id} is no longer in force: make a new one")
    if expires_at is None and old.expires_at is not None:
        expires_at = tx.now + (old.expires_at - old.made_at)
    end = overlap_until if old.expires_at is None else min(overlap_until, old.expires_at)
    change = {"expires_at": end} if end > tx.now else {"revoked_at": tx.now}
    tx.connection.execute(update(keys).where(keys.c.id == id).values(change))
    return make(tx, old.name, old.scopes, expires_at)


def revoke(tx: Transaction, id: str) -> Key:
    """Takes a key out of force, for good; to repeat it changes nothing. Raises Unknown."""
    key = find(tx.connection, id)
    if key.revoked_at is None:
        tx.connection.execute(update(keys).where(keys.c.id == id).values(revoked_at=tx.now))
    return key


def used(tx: Transaction, ids: Collection[str]) -> None:
    """Notes that keys have been used."""
    tx.connection.execute(update(keys).where(keys.c.id.in_(ids)).values(last_used=tx.now))


def find(connection: Connection, id: str) -> Key:
    """Raises Unknown."""
    row = connection.execute(select(keys).where(keys.c.id == id)).mappings().first()
    if row is None:
        raise Unknown(f"there is no key {id}")
    return _to_key(row)


def listed(connection: Connection) -> list[Key]:
    """All keys, the oldest first, those no longer in force among them."""
    rows = connection.execute(select(keys).order_by(keys.c.made_at, keys.c.id)).mappings()
    return [_to_key(row) for row in rows]


def not_revoked(connection: Connection) -> dict[str, Key]:
    """The keys that may be in force, by id."""
    return {row["id"]: _to_key(row) for row in connection.execute(NOT_REVOKED).mappings()}


def _to_key(row: RowMapping) -> Key:
    return Key(**{**row, "scopes": tuple(row["scopes"])})
