"""What could not be read, with the reason: kept for people, never tried again by itself."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, insert, select

from ovro_alert.store.feed import Happened
from ovro_alert.store.feed import append as tell
from ovro_alert.store.log import Transaction
from ovro_alert.store.schema import setaside


def append(
    tx: Transaction,
    content: bytes,
    size: int,
    reasons: Sequence[str],
    format: str | None,
    transport: Mapping[str, Any],
) -> int:
    """Keeps bytes, or the beginning of `size` of them, beside the reasons; returns their number."""
    row = {
        "at": tx.now,
        "reasons": list(reasons),
        "format": format,
        "transport": dict(transport),
        "size": size,
        "bytes": content,
    }
    result = tx.connection.execute(insert(setaside).values(row).returning(setaside.c.n))
    number: int = result.scalar_one()
    tell(tx, Happened.SETASIDE, {"setaside_id": number, "reason": "; ".join(reasons), "format": format})
    return number


def newest(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """The last ones set aside, newest first, without their bytes."""
    wanted = (column for column in setaside.c if column is not setaside.c.bytes)
    rows = connection.execute(select(*wanted).order_by(setaside.c.n.desc()).limit(limit))
    return [dict(row) for row in rows.mappings()]


def content(connection: Connection, n: int) -> bytes | None:
    """The bytes of one of them; None where there is no such number."""
    found: bytes | None = connection.scalar(select(setaside.c.bytes).where(setaside.c.n == n))
    return found
