"""The fields that several wire formats share, typed and checked by pydantic."""

import hashlib
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from ovro_alert.alert import Finite, Localization, NotNegative, Utc
from ovro_alert.formats.unreadable import Unreadable


class Wire(BaseModel):
    """What a sender writes: JSON's own types ("1" is no number), and what we do not know left aside."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


def parse_time(value: Any) -> datetime:
    """An ISO 8601 time with `T` or a space; UTC where it names no zone, as GCN and CHIME mean it."""
    try:
        if not isinstance(value, str) or len(value.strip()) <= len("2024-01-01"):
            raise ValueError
        moment = datetime.fromisoformat(value.strip())
        return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("must be an ISO 8601 time") from None


def iso(moment: datetime) -> str:
    """ISO 8601 with `Z`."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def digest(document: dict[str, Any]) -> str:
    """The same for the same document whatever the order of its names: a notice repeated is the same alert."""
    canonical = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(canonical, digest_size=6).hexdigest()


def _probability(value: float) -> float:
    """1.0000000000000002 is a sum of floats, not a mistake."""
    if not -1e-6 < value < 1 + 1e-6:
        raise ValueError("must be between 0 and 1")
    return min(max(value, 0.0), 1.0)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _larger(value: Any) -> Any:
    """The larger axis of [semi-major, semi-minor, position angle], or side of an asymmetric error."""
    if not isinstance(value, list):
        return value
    if not 1 <= len(value) <= 3 or not all(_is_number(one) and one >= 0 for one in value[:2]):
        raise ValueError("must be a number, or one to three of them of which the first two are not negative")
    return max(value[:2])


def _or(default: Any) -> BeforeValidator:
    """null is the same as absent."""
    return BeforeValidator(lambda value: default if value is None else value)


def localization(
    ra: float | None,
    dec: float | None,
    error_deg: float | None = None,
    containment: float | None = None,
    loc: tuple[str, ...] = (),
) -> Localization | None:
    """Where it is, if its sender says; Unreadable, below `loc`, if only one coordinate is said.

    `containment` is that of the error, and left out with it.
    """
    if ra is None and dec is None:
        return None
    if ra is None or dec is None:
        raise Unreadable.at("is required beside the other coordinate", *loc, "ra" if ra is None else "dec")
    return Localization(
        ra=ra, dec=dec, error_deg=error_deg, containment=None if error_deg is None else containment
    )


Time = Annotated[Utc, BeforeValidator(parse_time)]
Probability = Annotated[Finite, AfterValidator(_probability)]
Probabilities = Annotated[dict[str, Probability | None], _or({})]
ErrorSize = Annotated[NotNegative, BeforeValidator(_larger)]
# One line without control characters, short enough to be part of an alert_id and of an address.
Identifier = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Label = Annotated[str, Field(max_length=200), _or("")]
Text = Annotated[
    str, AfterValidator(lambda text: text[:2000]), _or("")
]  # told to people, so cut, not refused
