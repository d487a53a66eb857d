"""Why a message could not be read: the one error of this room."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from pydantic import ValidationError

LONGEST_NAME = 80
REASONS_KEPT = 20  # of a message with a thousand wrong fields the first few say enough


class Reason(NamedTuple):
    """One thing that is wrong, and the field that it is wrong with; an empty `loc` is the whole message."""

    loc: tuple[str, ...]
    msg: str

    def __str__(self) -> str:
        return f"{'.'.join(self.loc)}: {self.msg}" if self.loc else self.msg


class Unreadable(ValueError):
    """A message that cannot become an Alert; `reasons` say why without repeating what it said."""

    def __init__(self, reasons: Iterable[Reason]) -> None:
        self.reasons = list(reasons)
        super().__init__("; ".join(map(str, self.reasons)))

    @classmethod
    def at(cls, msg: str, *loc: str) -> "Unreadable":
        """The one reason `msg`, with the field at `loc`."""
        return cls([Reason(_place(*loc), msg)])


def _place(*steps: object) -> tuple[str, ...]:
    """Where a field is; its names are the sender's, who may have written a megabyte of one."""
    return tuple(str(step)[:LONGEST_NAME] for step in steps)


def _plainly(msg: str) -> str:
    """pydantic's sentence as a reason: "Input should be a finite number" → "must be a finite number"."""
    msg = re.sub(r"^(Value error, |(Input|String|List|Dictionary|Value) should )", _must, msg)
    return "is required" if msg == "Field required" else msg


def _must(found: re.Match[str]) -> str:
    return "" if found[1].startswith("Value error") else "must "


@contextmanager
def naming(*loc: str) -> Iterator[None]:
    """Whatever pydantic refuses inside is Unreadable, its fields named from `loc` down."""
    try:
        yield
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)[:REASONS_KEPT]
        reasons = [Reason(_place(*loc, *one["loc"]), _plainly(one["msg"])) for one in found]
    else:
        return
    raise Unreadable(reasons)
