"""Alerts as they came, out of the relay's log or a folder of messages, for a policy to be tried on."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, RowMapping

from ovro_alert.alert import Alert
from ovro_alert.command import State
from ovro_alert.formats import read, with_map
from ovro_alert.formats.unreadable import Unreadable
from ovro_alert.policy.chronicle import DAY
from ovro_alert.policy.compared import Did, Past
from ovro_alert.policy.map_functions import FUNCTIONS as MAP_FUNCTIONS
from ovro_alert.policy.rules import Policy
from ovro_alert.store import alerts
from ovro_alert.store import past as past_log

Unread = Callable[[str, str], None]  # told of what cannot be read, and why


def of_log(connection: Connection, policy: Policy, unread: Unread, **within: Any) -> Iterator[Past]:
    """Alerts of the log at the moments when they were decided upon, within what `spoken_of` is given.

    They have their sky maps at hand where the policy asks those; what comes before a time reaches as far back
    as it asks.
    """
    asks_maps = not policy.uses.isdisjoint(MAP_FUNCTIONS)
    for row, sent in past_log.spoken_of(connection, **within, before=reach(policy)):
        try:
            alert = Alert.model_validate(row["body"])
            if asks_maps and alert.gw is not None:
                alert = with_map(alert, alerts.content(connection, alert.alert_id) or b"")
        except (ValidationError, Unreadable) as error:  # of another version, which had other words
            unread(row["alert_id"], str(error))
        else:
            yield Past(alert, row["logged_at"], [_did(one) for one in sent])


def reach(policy: Policy) -> timedelta:
    """How long before an alert that matters has come which is not of its event."""
    limits = DAY if policy.limited else timedelta(0)
    return max(limits, timedelta(seconds=2 * policy.within_s))


def _did(row: RowMapping) -> Did:
    return Did(
        (row["rule"], row["slot"], row["command"]),
        row["args"],
        row["deadline"],
        row["priority"],
        State(row["state"]),
        row["queued_at"],
        row["claimed_at"],
        row["running_at"],
        row["over_at"],
    )


def of_folder(folder: Path, unread: Unread) -> list[Past]:
    """The messages of a folder, each at the moment when it was sent, or its event was where it does not say.

    What comes a second time, byte for byte or not, is left out.
    """
    found: dict[str, Past] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            alert = read(path.read_bytes())
        except (Unreadable, OSError) as error:
            unread(str(path), str(error))
            continue
        if at := alert.sent or alert.event_time:
            found.setdefault(alert.alert_id, Past(alert, at, None))
        else:
            unread(str(path), "it names no time at which it could have come")
    return sorted(found.values(), key=lambda past: past.at)
