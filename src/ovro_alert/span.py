"""Spans of time (90d, 12h, 30m) and moments as operators write them, and spans as they read them."""

import re
from datetime import UTC, datetime, timedelta

UNITS = {"d": "days", "h": "hours", "m": "minutes"}
DATE = re.compile(r"\d{4}-\d\d-\d\d")
SPAN = re.compile(r"(\d{1,5})([dhm])")


def parse_span(text: str) -> timedelta | None:
    """The span that is written so; None where it is none."""
    match = SPAN.fullmatch(text)
    return None if match is None else timedelta(**{UNITS[match[2]]: int(match[1])})


def parse_moment(text: str) -> datetime:
    """The UTC moment that is written as a date, such as 2027-01-31, or in ISO 8601 with its zone.

    Raises
        ValueError: it is neither.
    """
    try:
        moment = datetime.fromisoformat(f"{text}T00:00Z" if DATE.fullmatch(text) else text)
        if moment.tzinfo is None:
            raise ValueError("whose time?")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):  # the latter: an hour of the year 1 or 9999 that UTC has not
        raise ValueError(f"{text!r} is neither a date nor a moment such as 2027-01-31T12:00Z") from None


def say_span(seconds: float) -> str:
    """A span to two or three figures: 45 s, 12 min, 5 h, 3 d; of a negative one, that of none."""
    for name, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{max(seconds, 0):.0f} s"
