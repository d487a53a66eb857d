"""The relay's app in this process, on a database of its own, with a clock that the test moves."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from ovro_alert.relay.app import create_app
from ovro_alert.relay.settings import RelaySettings

KEY = "s3cret"


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def relay_settings(tmp_path: Path) -> RelaySettings:
    return RelaySettings(key=KEY, database_url=f"sqlite:///{tmp_path / 'relay.sqlite'}")


@pytest.fixture
def anyone(relay_settings: RelaySettings, clock: Clock) -> Iterator[TestClient]:
    """A client that shows no key."""
    with TestClient(create_app(relay_settings, clock)) as client:
        yield client


@pytest.fixture
def client(anyone: TestClient) -> TestClient:
    """A client that shows the key."""
    anyone.headers["X-API-Key"] = KEY
    return anyone
