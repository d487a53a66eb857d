"""Spans of time as operators write them (90d, 12h, 30m), and as they read them."""

import re
from datetime import timedelta

UNITS = {"d": "days", "h": "hours", "m": "minutes"}
SPAN = re.compile(r"(\d{1,5})([dhm])")


def parse_span(text: str) -> timedelta | None:
    """The span that is written so; None where it is none."""
    match = SPAN.fullmatch(text)
    return None if match is None else timedelta(**{UNITS[match[2]]: int(match[1])})


def say_span(seconds: float) -> str:
    """A span to two or three figures: 45 s, 12 min, 5 h, 3 d; of a negative one, that of none."""
    for name, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{max(seconds, 0):.0f} s"
