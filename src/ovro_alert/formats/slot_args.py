"""The args of the slot protocol in use today, whichever sender's: named by no standard, typed by nobody."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from ovro_alert.alert import Declination, Localization, NotNegative, Positive, RightAscension, Utc
from ovro_alert.command import from_mjd
from ovro_alert.formats.fields import Probability, Wire, parse_time
from ovro_alert.formats.unreadable import Reason, Unreadable, naming


def _number(value: Any) -> Any:
    """A number, or text that is one; "" is absent."""
    if isinstance(value, str):
        try:
            return float(value) if value.strip() else None
        except ValueError:
            raise ValueError("must be a number") from None
    return value


def _word(value: Any) -> Any:
    """Text, or a whole number: event numbers are sent as both."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _known(value: Any) -> Any:
    """The name of a known source, or only whether it is one."""
    if isinstance(value, bool):
        return "known source" if value else ""
    return _word(value)


def _moment(value: Any) -> Any:
    """An ISO 8601 time, or an MJD as a number or text."""
    if value is None or value == "":
        return None
    try:
        if isinstance(value, bool):
            raise TypeError
        return from_mjd(float(value))
    except (TypeError, ValueError, OverflowError):
        pass
    try:
        return parse_time(value)
    except ValueError:
        raise ValueError("must be an ISO 8601 time or an MJD") from None


def _position(value: Any) -> Any:
    """ra,dec[,error] as numbers; today's GCN receiver writes an ellipse for the error, [a, b, angle]."""
    if value is None or value == "":
        return None
    parts = value.replace("[", "").replace("]", "").split(",") if isinstance(value, str) else []
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if not 2 <= len(numbers) <= 5:
        raise ValueError("must be 'ra,dec,error' in degrees")
    return {"ra": numbers[0], "dec": numbers[1], "error_deg": max(numbers[2:4], default=None)}


_Number = BeforeValidator(_number)
_Word = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$"), BeforeValidator(_word)]
_Moment = Annotated[Utc | None, BeforeValidator(_moment)]
_Probability = Annotated[Probability | None, _Number]


class Args(Wire):
    """Every arg of every sender that is read, by its name in lower case; all may be absent."""

    role: _Word | None = None
    instrument: _Word | None = None
    mission: _Word | None = None
    toa: _Moment = None
    ra: Annotated[RightAscension | None, _Number] = None
    dec: Annotated[Declination | None, _Number] = None
    position: Annotated[Localization | None, BeforeValidator(_position)] = None
    # bursts
    id: _Word | None = None
    event_no: _Word | None = None
    trigname: _Word | None = None
    dm: Annotated[Positive | None, _Number] = None
    snr: Annotated[NotNegative | None, _Number] = None
    importance: _Probability = None
    known: Annotated[str | None, Field(max_length=200), BeforeValidator(_known)] = None
    # gravitational waves
    graceid: _Word | None = None
    alerttype: _Word | None = None
    far: Annotated[NotNegative | None, _Number] = None
    bns: _Probability = None
    nsbh: _Probability = None
    bbh: _Probability = None
    terrestrial: _Probability = None
    hasns: _Probability = None
    # requests
    start: _Moment = None
    duration: Annotated[Positive | None, _Number] = None
    int_time: Annotated[Positive | None, _Number] = None
    name: _Word | None = None


def read_args(args: dict[str, Any]) -> Args:
    """The args, whatever the case of their names.

    Raises
        Unreadable: an arg of a wrong type or value, named ("args", <its name as it was written>).
    """
    written = {name.lower(): name for name in args}
    try:
        with naming():
            return Args.model_validate({name.lower(): value for name, value in args.items()})
    except Unreadable as error:
        reasons = [Reason(("args", written[loc[0]], *loc[1:]), msg) for loc, msg in error.reasons]
    raise Unreadable(reasons)
