"""One question to Swift's target-of-opportunity API, in a process of its own: JSON in, JSON out.

swifttools reads its address when it is imported, keeps its login in a file of the home directory, also when
that is over, and brings a hundred megabytes of other libraries. A process that ends with the answer has none
of that outlive it, and can be ended when it hangs.
"""

import contextlib
import json
import sys
from typing import Any

from swifttools.swift_too import TOORequest, TOORequests


def ask(question: dict[str, Any]) -> dict[str, Any]:
    """The answer to `{"who": {username, shared_secret}, "request": …}`, or to `"since"` in its place."""
    who = question["who"]
    if "since" in question:
        listed = TOORequests(**who, begin=question["since"], limit=question["limit"])
        entries = [
            {"target_name": one.target_name, "too_id": one.too_id, "timestamp": _iso(one.timestamp)}
            for one in listed.entries
        ]
        return _status(listed) | {"entries": entries}
    request = TOORequest(**who, **question["request"], autosubmit=False)
    if request.validate():
        request.submit()
    return _status(request) | {"too_id": request.status.too_id or request.too_id}


def _iso(moment: Any) -> str | None:
    return None if moment is None else f"{moment.isoformat()}Z"  # swifttools' times are UTC and naive


def _status(answered: Any) -> dict[str, Any]:
    status = answered.status
    return {
        "status": str(status.status),
        "errors": [str(one) for one in status.errors],
        "warnings": [str(one) for one in status.warnings],
    }


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):  # it prints, too
        answer = ask(json.load(sys.stdin))
    json.dump(answer, sys.stdout)
