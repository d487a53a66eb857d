"""The arguments of a command, in any of the spellings that senders use."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

_OTHER_NAMES = {"starttime": "start", "endtime": "end", "beam": "beamnum", "inttimems": "inttime"}
# How else names begin that can only mean an argument: `start_mjd`, `beam_number`, `integration_time`, or the
# keys of a session definition file. Only those that may be left out: any other one is missed.
_MEANT = {
    "start": "(obs(ervation)?)?t?(start|begin)",
    "end": "(obs(ervation)?)?t?(end|stop)",
    "duration": "(obs(ervation)?)?dur",
    "beamnum": "(session)?(drx)?beam",
    "inttime": "(obs)?int(time|egtime|egration)|tint",
    "nsamp": "n?samp|ntime|nfile",
    "toa": "toa|arriv",
}
SAME_DEG = 1e-3  # a position that is written twice may have been rounded


class Arguments(BaseModel):
    """Base of a command's arguments, of what `spelled` has made of them; what is not named is for people."""

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)

    @model_validator(mode="before")
    @classmethod
    def _says_what_it_means(cls, given: dict[str, Any]) -> dict[str, Any]:
        """What would be left out of account without a word, and was meant, is no matter for people only."""
        absent = [name for name in _MEANT if name in cls.model_fields and name not in given]
        for name in given.keys() - cls.model_fields.keys():
            for meant in absent:
                if re.match(_MEANT[meant], name):
                    raise ValueError(f"{name[:100]} is not known here; did you mean {meant}?")
        return given

    @field_validator("*", mode="before")
    @classmethod
    def _is_no_truth(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError("must not be true or false")
        return value


def spelled(given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments under one spelling each: `Start_Time`, `start time` and `startTime` are `start`.

    A `position` of today, `ra,dec` or `ra,dec,err` in degrees, becomes `ra` and `dec`; what is null is left
    out. ValueError where two spellings of one argument disagree.
    """
    args: dict[str, Any] = {}
    for name, value in given.items():
        plain = re.sub(r"[\s_-]", "", name).casefold()
        plain = _OTHER_NAMES.get(plain, plain)
        if value is None:
            continue
        if plain in args and args[plain] != value:
            raise ValueError(f"{plain} is given twice, and differently")
        args[plain] = value
    position = args.get("position")
    if isinstance(position, str) and position.count(",") in (1, 2):
        for name, value in zip(("ra", "dec"), position.split(","), strict=False):
            if not _is_same(args.setdefault(name, value), value):
                raise ValueError(f"{name} is given twice, and differently: position has another")
    return args


def _is_same(one: Any, other: str) -> bool:
    try:
        return one == other or abs(float(one) - float(other)) <= SAME_DEG
    except (TypeError, ValueError, OverflowError):
        return False


def reason(error: ValueError) -> str:
    """Why arguments were refused; names each field that is wrong."""
    if not isinstance(error, ValidationError):
        return f"args: {error}"
    wrong = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(['args', *map(str, each['loc'])])}: {each['msg']}" for each in wrong)
