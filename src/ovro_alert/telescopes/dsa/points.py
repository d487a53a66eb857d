"""Monitor points of the array: read strictly, by number, and by whose clock."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from ovro_alert.telescopes.etcd import Put


class Point(BaseModel):
    """A point as it must be; what else it says is left out."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


Model = TypeVar("Model", bound=Point)


def read_point(model: type[Model], put: Put | None) -> Model | None:
    """A point; None where there is none, or what is there is another."""
    try:
        return None if put is None else model.model_validate_json(put.value)
    except ValidationError:
        return None


def numbered(points: Mapping[str, Put], prefix: str) -> list[tuple[int, Put]]:
    """Those of `<prefix><n>`, without what else is below the prefix."""
    found = ((key.removeprefix(prefix), put) for key, put in points.items())
    return [(int(rest), put) for rest, put in found if rest.isascii() and rest.isdigit()]


def differ(whose: str, ahead_s: float | None, most_s: float) -> str | None:
    """What to tell people where a clock is more than so much ahead of ours, or behind; else None."""
    if ahead_s is None or abs(ahead_s) <= most_s:
        return None
    which = "ahead of" if ahead_s > 0 else "behind"
    return f"the {whose} clock is {abs(ahead_s):.1f} s {which} this host's"
