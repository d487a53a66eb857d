"""Commands as the relay hands them out."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from ovro_alert.command import Entry, Kind, State


@pytest.fixture
def command() -> Callable[..., Entry]:
    """Makes a command of the slot `/lwa`: command("powerbeam", {"ra": …}, id=…)."""

    def make(
        command: str,
        args: dict[str, Any] | None = None,
        *,
        id: int = 777,
        event_id: str | None = "event",
        deadline: datetime | None = None,
    ) -> Entry:
        return Entry(
            id=id,
            seq=1,
            slot="lwa",
            kind=Kind.COMMAND,
            command=command,
            args=args or {},
            command_mjd=61041.0,
            state=State.QUEUED,
            event_id=event_id,
            deadline=deadline,
        )

    return make
