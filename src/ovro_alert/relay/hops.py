"""The way of an alert to the telescope, hop by hop, with the time that each took."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

ALERT_HOPS = (("arrived", "arrived_at"), ("received", "received_at"), ("logged", "logged_at"))
COMMAND_HOPS = (
    ("queued", "queued_at"),
    ("claimed", "claimed_at"),
    ("running", "running_at"),
    ("over", "over_at"),
)


def hops(alert: Mapping[str, Any] | None, command: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The hops that are known of a command and the alert that led to it, in order.

    Each has `hop`, `at` (UTC) and `ms`, the milliseconds since the hop before (null for the first).
    """
    moments = _known(alert, ALERT_HOPS) if alert else []
    moments += _known(command, COMMAND_HOPS)
    before = [None, *(moment for _, moment in moments)]
    return [
        {"hop": name, "at": moment, "ms": last and (moment - last).total_seconds() * 1e3}
        for (name, moment), last in zip(moments, before, strict=False)
    ]


def _known(row: Mapping[str, Any], names: tuple[tuple[str, str], ...]) -> list[tuple[str, datetime]]:
    return [(hop, row[column]) for hop, column in names if row[column] is not None]
