"""What the routes share."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from fastapi import Request

from ovro_alert.relay.bell import Bell
from ovro_alert.relay.intake import Intake
from ovro_alert.relay.keyring import KeyRing
from ovro_alert.relay.settings import RelaySettings
from ovro_alert.store.log import Log


@dataclass(frozen=True)
class RelayState:
    settings: RelaySettings
    intake: Intake
    log: Log
    bell: Bell
    clock: Callable[[], datetime]
    keys: KeyRing
    started: datetime


def state_of(request: Request) -> RelayState:
    """What the routes share, for a request.

    Called by the routes: as a dependency it would take FastAPI longer to find than the log to read.
    """
    state: RelayState = request.app.state.relay
    return state
