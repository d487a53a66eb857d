"""What is announced: one burst of DSA-110, as the args of a command give it."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError

from ovro_alert.alert import (
    Declination,
    NotNegative,
    Part,
    Positive,
    Probability,
    RightAscension,
    Utc,
)
from ovro_alert.sky.dispersion import dispersion_delay

SOURCE = "dsa"  # events of DSA-110 are named dsa-<name>
REFERENCE_MHZ = 1530.0  # its times hold at the top of its band, topocentric
# How its search names a burst [dsa110/dsa110-T2]: yymmdd and four letters; those that it made itself end so.
NAME = re.compile(r"\d{6}[a-z]{4}(?P<injected>_inj\d*)?")
BEAM_DEG = (
    0.016  # 1′, of the search's beams: the error where none is given [dsa110/dsa110-event, event/gcn.py]
)
YEARS = (2000, 2100)  # anything else is an MJD, or seconds of 1970, taken for something that it is not


def _moment(value: Any) -> Any:
    """ISO 8601, UTC where it names no zone: pydantic would take a number, an MJD too, for seconds of 1970."""
    if not isinstance(value, str) or len(value.strip()) <= len("2026-03-04"):
        raise ValueError("must be an ISO 8601 time")
    try:
        moment = datetime.fromisoformat(value.strip())
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("must be an ISO 8601 time") from None
    if not YEARS[0] <= moment.year < YEARS[1]:
        raise ValueError(f"must be of the years {YEARS[0]} to {YEARS[1]}")
    return moment


def _name(value: Any) -> Any:
    """The burst's name, also as that of its event."""
    name = value.removeprefix(f"{SOURCE}-") if isinstance(value, str) else ""
    if not NAME.fullmatch(name):
        raise ValueError("must be a name of DSA-110, such as 260304aaaa or dsa-260304aaaa")
    return name


def _unless_zero(value: Any) -> Any:
    """0 is what a search writes that has not measured it: no error, no boxes."""
    return None if value == 0 else value


_Measured = BeforeValidator(_unless_zero)
# One line that XML can hold.
_Line = Annotated[str, Field(max_length=500, pattern=r"^[^\x00-\x1f\x7f\ufffe\uffff]*$")]


class Detection(Part):
    """A burst as it is announced: angles ICRS degrees, DM pc cm⁻³, fluxes Jy."""

    model_config = ConfigDict(extra="ignore")  # a rule may say more than the world is told

    name: Annotated[str, BeforeValidator(_name)]  # 260304aaaa
    toa: Annotated[Utc, BeforeValidator(_moment)]
    ra: RightAscension
    dec: Declination
    dm: Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False)]
    error_deg: Annotated[Annotated[float, Field(gt=0, le=180, allow_inf_nan=False)] | None, _Measured] = None
    dm_error: Annotated[NotNegative | None, _Measured] = None
    snr: Annotated[Positive | None, _Measured] = None
    width_ms: Annotated[Positive | None, _Measured] = None
    fluence: Annotated[NotNegative | None, _Measured] = None  # Jy ms
    peak_flux: Annotated[NotNegative | None, _Measured] = None
    importance: Probability | None = None  # 0 interference … 1 astrophysical
    known_source: _Line = ""
    description: _Line = ""
    alert_type: Literal["initial", "subsequent"] = "initial"
    role: Literal["observation", "test"] = "observation"

    @property
    def is_test(self) -> bool:
        """Whether it is nothing that was seen in the sky: it is never announced as that."""
        found = NAME.fullmatch(self.name)
        return self.role == "test" or found is None or found["injected"] is not None

    @property
    def radius_deg(self) -> float:
        """The error of its place, on every side."""
        return self.error_deg or BEAM_DEG

    @property
    def at_infinite_frequency(self) -> datetime:
        """When light came that left with it and that nothing held back."""
        return self.toa - timedelta(seconds=dispersion_delay(self.dm, REFERENCE_MHZ))


class Unfit(ValueError):
    """A command that cannot be announced as it stands; the message names the field."""


def read(args: Mapping[str, Any]) -> Detection:
    """The detection that a command's args are; those that are null are absent.

    Raises
        Unfit: an argument is missing, of another type or impossible; all of them are named.
    """
    try:
        return Detection.model_validate({name: value for name, value in args.items() if value is not None})
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False, include_context=False)
        reasons = (
            f"{'.'.join(['args', *map(str, e['loc'])])}: {e['msg'].removeprefix('Value error, ')}"
            for e in wrong
        )
        raise Unfit("; ".join(reasons)) from None
