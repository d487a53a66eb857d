"""Sky maps of alerts in the log, at hand for those that are compared with them."""

from collections import OrderedDict

from sqlalchemy import Connection

from ovro_alert.alert import Alert
from ovro_alert.formats import with_map
from ovro_alert.formats.unreadable import Unreadable
from ovro_alert.policy.functions import map_of
from ovro_alert.sky.overlap import OnMap
from ovro_alert.store import alerts

MOST = 16  # of a few MB each


class Maps:
    """Maps that have been asked for, by the alert that each came with: an event's maps differ."""

    def __init__(self) -> None:
        self._at_hand: OrderedDict[str, OnMap | None] = OrderedDict()

    def of(self, connection: Connection, alert: Alert) -> OnMap | None:
        """The map of an alert; None where it has none."""
        if alert.gw is None or alert.gw.skymap is None:
            return None
        if alert.alert_id not in self._at_hand:
            self._at_hand[alert.alert_id] = map_of(alert) or _of_log(connection, alert)
            if len(self._at_hand) > MOST:
                self._at_hand.popitem(last=False)
        self._at_hand.move_to_end(alert.alert_id)
        return self._at_hand[alert.alert_id]


def _of_log(connection: Connection, alert: Alert) -> OnMap | None:
    try:
        return map_of(with_map(alert, alerts.content(connection, alert.alert_id) or b""))
    except Unreadable:  # any more, by this version
        return None
