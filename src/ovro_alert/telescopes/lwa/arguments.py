"""The arguments of OVRO-LWA's commands."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BeforeValidator, Field

from ovro_alert.alert import Declination, Positive, RightAscension, Utc
from ovro_alert.command import from_mjd
from ovro_alert.telescopes.arguments import Arguments


def _to_moment(value: object) -> object:
    """An MJD, ISO 8601 (UTC unless it says otherwise), or None for `now`."""
    if isinstance(value, str):
        text = value.strip()
        if text.casefold() == "now":
            return None
        try:
            value = float(text)
        except ValueError:
            try:
                moment = datetime.fromisoformat(text)
            except ValueError as error:
                raise ValueError("is neither ISO 8601 nor an MJD") from error
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if isinstance(value, int | float):
        try:
            return from_mjd(value)
        except (OverflowError, ValueError) as error:
            raise ValueError(f"{value} is not an MJD") from error
    raise ValueError("is neither ISO 8601 nor an MJD")


class BeamArguments(Arguments):
    """Where a beam is to look, when, and for how long; degrees, s, ms of integration."""

    ra: RightAscension
    dec: Declination
    start: Annotated[Utc | None, BeforeValidator(_to_moment)] = None
    duration: Positive | None = None
    dm: Positive | None = None
    beamnum: int | None = Field(None, ge=1, le=16)
    inttime: float | None = Field(None, ge=1, le=1024)
    name: str = ""


class DumpArguments(Arguments):
    """What of the buffer to keep: so much of it, or a window; all else of a trigger is its metadata."""

    nsamp: int | None = Field(None, gt=0, le=2**53)
    duration: Positive | None = None
    start: Annotated[Utc | None, BeforeValidator(_to_moment)] = None
    end: Annotated[Utc | None, BeforeValidator(_to_moment)] = None
    toa: Annotated[Utc | None, BeforeValidator(_to_moment)] = None  # at the telescope
