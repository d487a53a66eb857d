"""The one door for JSON (RFC 8259): UTF-8, finite numbers, bounded depth."""

from typing import Any

import orjson

from ovro_alert.formats.unreadable import Unreadable

MAX_DEPTH = 64  # orjson reads 1024 levels but writes 254: what comes in must be able to go out


def loads(raw: bytes) -> dict[str, Any]:
    """The JSON object that `raw` is; of a name given twice the last holds.

    Raises
        Unreadable: not JSON, not UTF-8, a number that is not finite, a NUL character (no database's text
            column keeps one), more than MAX_DEPTH levels, or not an object.
    """
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Unreadable.at(f"is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise Unreadable.at("must be a JSON object")
    if b"\\" in raw and b"\\u0000" in raw:  # a megabyte is searched for one byte in no time
        raise Unreadable.at("holds a NUL character")
    if _depth_exceeds(value, MAX_DEPTH):
        raise Unreadable.at(f"is nested deeper than {MAX_DEPTH} levels")
    return value


def _depth_exceeds(value: Any, limit: int) -> bool:
    """Level by level, not by recursion: the depth is the sender's to choose."""
    level = [value]
    for _ in range(limit):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return False
    return True
