"""One question to Swift's target-of-opportunity API, in a process of its own (see `calling`).

swifttools reads its address when it is imported, and keeps its login in a file of the home directory, also
when that is over.
"""

import logging
from typing import Any

from swifttools.swift_too import TOORequest, TOORequests

from ovro_alert.announce.calling import answer


class _Login(logging.Handler):
    """With which status our login was answered, by httpx's log.

    swifttools does not tell a refusal from a gateway that is out of order.
    """

    status: int | None = None

    def emit(self, record: logging.LogRecord) -> None:
        match record.args:
            case ("POST", url, _, int(status), _) if str(url).endswith("/login"):
                self.status = status


def ask(question: dict[str, Any]) -> dict[str, Any]:
    """The answer to `{"who": {username, shared_secret}, "request": …}`, or to `"since"` in its place."""
    log, login = logging.getLogger("httpx"), _Login()
    log.setLevel(logging.INFO)
    log.addHandler(login)
    return _ask(question, question["who"]) | {"login": login.status}


def _ask(question: dict[str, Any], who: dict[str, str]) -> dict[str, Any]:
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
    answer(ask)
