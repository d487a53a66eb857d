"""Spans of time as operators write them: 90d, 12h, 30m."""

import re
from datetime import timedelta

UNITS = {"d": "days", "h": "hours", "m": "minutes"}
SPAN = re.compile(r"(\d{1,5})([dhm])")


def parse_span(text: str) -> timedelta | None:
    """The span that is written so; None where it is none."""
    match = SPAN.fullmatch(text)
    return None if match is None else timedelta(**{UNITS[match[2]]: int(match[1])})
