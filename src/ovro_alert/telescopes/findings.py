"""What is seen of a telescope before it is trusted with commands."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How much a finding matters."""

    FINE = "fine"
    NOTE = "note"
    WRONG = "wrong"  # commands would be refused, or done badly


@dataclass(frozen=True)
class Finding:
    """One thing that was seen."""

    level: Level
    text: str


def told(findings: Iterable[Finding]) -> Iterator[str]:
    """A line for each, what is wrong last: that is what a person reads first."""
    order = list(Level)
    for one in sorted(findings, key=lambda each: order.index(each.level)):
        yield f"{one.level:<6}{one.text}"
