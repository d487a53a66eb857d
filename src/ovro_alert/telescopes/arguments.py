"""The arguments of a command, in any of the spellings that senders use."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

_OTHER_NAMES = {"starttime": "start", "beam": "beamnum", "inttimems": "inttime", "errordeg": "error"}


def spelled(given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments under one spelling each: `Start_Time`, `start time` and `startTime` are `start`.

    A `position` of today, `ra,dec` or `ra,dec,err` in degrees, becomes `ra`, `dec` and `error`; what is null
    is left out. ValueError where two spellings of one argument disagree.
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
        said = zip(("ra", "dec", "error"), position.split(","), strict=False)
        args = {name: text for name, text in said if text.strip()} | args
    return args


def reason(error: ValueError) -> str:
    """Why arguments were refused; names each field that is wrong."""
    if not isinstance(error, ValidationError):
        return f"args: {error}"
    wrong = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(['args', *map(str, each['loc'])])}: {each['msg']}" for each in wrong)
