"""The arguments of a command, in any of the spellings that senders use."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ovro_alert.alert import Declination, Positive, RightAscension, Utc
from ovro_alert.command import from_mjd

_OTHER_NAMES = {"starttime": "start", "beam": "beamnum", "inttimems": "inttime"}


def spelled(given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments under one spelling each: `Start_Time`, `start time` and `startTime` are `start`.

    A `position` of today, `ra,dec` or `ra,dec,err` in degrees, becomes `ra` and `dec`; what is null is left
    out. ValueError where two spellings of one argument disagree.
    """
    args: dict[str, Any] = {}
    for name, value in given.items():
        plain = re.sub(r"[\s_-]", "", name).casefold()
        plain = _OTHER_NAMES.get(plain, plain)
        if value is not None and args.setdefault(plain, value) != value:
            raise ValueError(f"{plain} is given twice, and differently")
    position = args.get("position")
    if isinstance(position, str) and position.count(",") in (1, 2):
        ra, dec, *_ = position.split(",")
        args = {"ra": ra, "dec": dec} | args
    return args


def reason(error: ValueError) -> str:
    """Why arguments were refused; names each field that is wrong."""
    if not isinstance(error, ValidationError):
        return f"args: {error}"
    wrong = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(['args', *map(str, each['loc'])])}: {each['msg']}" for each in wrong)


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
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return from_mjd(value)
        except (OverflowError, ValueError) as error:
            raise ValueError(f"{value} is not an MJD") from error
    raise ValueError("is neither ISO 8601 nor an MJD")


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)


class BeamArguments(_Arguments):
    """Where a beam is to look, when, and for how long; degrees, s, ms of integration."""

    ra: RightAscension
    dec: Declination
    start: Annotated[Utc | None, BeforeValidator(_to_moment)] = None
    duration: Positive | None = None
    dm: Positive | None = None
    beamnum: int | None = Field(None, ge=1, le=16)
    inttime: float | None = Field(None, ge=1, le=1024)
    name: str = ""


class DumpArguments(_Arguments):
    """What of the buffer to keep: so much of it, or a window; all else of a trigger is its metadata."""

    nsamp: int | None = Field(None, gt=0, le=2**53)
    duration: Positive | None = None
    start: Annotated[Utc | None, BeforeValidator(_to_moment)] = None
    end: Annotated[Utc | None, BeforeValidator(_to_moment)] = None
    toa: Annotated[Utc | None, BeforeValidator(_to_moment)] = None  # at the telescope
