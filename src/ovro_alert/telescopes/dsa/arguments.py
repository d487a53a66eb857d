"""The arguments of the array's commands."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BeforeValidator, Field

from ovro_alert.alert import Declination, Finite, NotNegative, RightAscension
from ovro_alert.command import from_mjd, to_mjd
from ovro_alert.telescopes.arguments import Arguments, reason, spelled

__all__ = ["BurstArguments", "DumpArguments", "RepointArguments", "reason", "spelled"]

FIRST, LAST = 51544, 88069  # MJD: the years 2000 to 2100
NO_MOMENT = "must be ISO 8601 or an MJD, between the years 2000 and 2100"
# Far beyond any that there is, and so far that nothing overflows.
MOST_DM = 1e5  # pc cm⁻³
Frequency = Annotated[float, Field(ge=10, le=1e5)]  # MHz
Containment = Annotated[float, Field(ge=0.01, le=1)]


def to_moment(mjd: float) -> datetime:
    """The moment of an MJD; ValueError outside this century, where a Julian date or seconds of 1970 lie."""
    if not FIRST <= mjd < LAST:
        raise ValueError("must be an MJD between the years 2000 and 2100")
    return from_mjd(mjd)


def _to_moment(value: object) -> datetime:
    """The moment of an MJD, or of ISO 8601: UTC unless it says otherwise."""
    try:
        return to_moment(float(value))  # type: ignore[arg-type]  # what is none is refused
    except (TypeError, ValueError, OverflowError):
        pass
    try:
        moment = datetime.fromisoformat(value if isinstance(value, str) else "")  # 20260301 is no date
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        to_moment(to_mjd(moment))
    except (ValueError, OverflowError):
        raise ValueError(NO_MOMENT) from None
    return moment


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

    `toa` is topocentric, at `reference_mhz`; within `error` (deg) it lies with the probability
    `containment`.
    """

    ra: RightAscension
    dec: Declination
    dm: Annotated[float, Field(gt=0, le=MOST_DM)]
    toa: Moment
    event: str = ""
    error: Annotated[float, Field(ge=0, le=180)] | None = None
    containment: Containment | None = None
    dmerror: Annotated[float, Field(ge=0, le=MOST_DM)] | None = None
    referencemhz: Frequency | None = None
