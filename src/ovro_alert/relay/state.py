"""What the routes share."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request

from ovro_alert.policy.rules import Policy
from ovro_alert.relay.bell import Bell
from ovro_alert.relay.settings import RelaySettings
from ovro_alert.store.log import Log


@dataclass(frozen=True)
class RelayState:
    settings: RelaySettings
    policy: Policy
    log: Log
    bell: Bell
    clock: Callable[[], datetime]


# Not `def`: FastAPI would wake a thread for it, which takes longer than a whole request.
async def _state(request: Request) -> RelayState:
    state: RelayState = request.app.state.relay
    return state


State = Annotated[RelayState, Depends(_state)]
