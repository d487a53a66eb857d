"""The arguments of the array's commands."""

from datetime import datetime
from typing import Annotated

from pydantic import BeforeValidator, Field

from ovro_alert.alert import Declination, Finite, NotNegative, Positive, Probability, RightAscension
from ovro_alert.command import from_mjd
from ovro_alert.telescopes.arguments import Arguments, reason, spelled

__all__ = ["BurstArguments", "DumpArguments", "RepointArguments", "reason", "spelled"]

FIRST, LAST = 51544, 88069  # MJD: the years 2000 to 2100


def to_moment(mjd: float) -> datetime:
    """The moment of an MJD; ValueError outside this century, where a Julian date or seconds of 1970 lie."""
    if not FIRST <= mjd < LAST:
        raise ValueError("must be an MJD between the years 2000 and 2100")
    return from_mjd(mjd)


def _to_moment(value: object) -> datetime:
    try:
        return to_moment(float(value))  # type: ignore[arg-type]  # what is none is refused
    except TypeError:
        raise ValueError("must be an MJD between the years 2000 and 2100") from None


Moment = Annotated[datetime, BeforeValidator(_to_moment)]


class RepointArguments(Arguments):
    """Where the array is to point: a declination, or an elevation (deg; above 90 is north).

    `ra` is for people.
    """

    dec: Declination | None = None
    elevation: Finite | None = None
    ra: RightAscension | None = None


class DumpArguments(Arguments):
    """Which voltages to keep: from a spectrum on, or about a burst that came at `mjds`.

    `specnum` counts as the correlator does; 0 is what it reads at that moment. `mjds` is topocentric, at the
    top of the band, as in the array's own triggers. The rest describes the burst.
    """

    specnum: int | None = Field(None, ge=0, lt=2**53)
    mjds: Moment | None = None
    name: str | None = None
    dm: NotNegative | None = None
    ra: RightAscension | None = None
    dec: Declination | None = None


class BurstArguments(Arguments):
    """A burst that another telescope has seen.

    `toa` (MJD) is topocentric, at `reference_mhz`; within `error` (deg) it lies with the probability
    `containment`.
    """

    ra: RightAscension
    dec: Declination
    dm: Positive
    toa: Moment
    event: str = ""
    error: NotNegative | None = None
    containment: Probability | None = None
    dmerror: NotNegative | None = None
    referencemhz: Positive | None = None
