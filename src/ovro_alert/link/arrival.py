"""What a transport knows of a message beside its bytes, as the relay's X-Alert-Transport header has it."""

from datetime import UTC, datetime
from typing import Any


def arrival(via: str, now: datetime, **known: Any) -> dict[str, Any]:
    """The facts of one arrival: by which transport, when (aware), and what else it knows (JSON values)."""
    return {"via": via, "arrived": f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z", **known}
