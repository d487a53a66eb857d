"""The mark of a command that was ended without an act: in the way of whoever was held up just before one."""

import json
from contextlib import suppress

from ovro_alert.acting import NotTaken
from ovro_alert.telescopes.etcd import Keys, Put

KIND = "ended"  # as `kind` stands in the marks of what was done


def forbid(keys: Keys, mark: str, why: str) -> bool:
    """Puts it under the key `mark`, unless the command was acted on; whether nobody can act on it now."""
    if keys.put_once(mark, {mark: json.dumps({"kind": KIND, "why": why}).encode()}):
        return True
    return why_ended(keys.get(mark).put) is not None


def why_ended(put: Put | None) -> str | None:
    """Why the command of a mark was ended; None where that is another's mark, or none."""
    with suppress(ValueError, TypeError, KeyError):
        mark = json.loads(put.value) if put else {}
        if mark["kind"] == KIND:
            return str(mark["why"])
    return None


def check(put: Put | None) -> None:
    """Raises NotTaken where the command of a mark was ended."""
    if (why := why_ended(put)) is not None:
        raise NotTaken(why)
