"""The relay's app in this process, on a database of its own, with a clock that the test moves."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

import support
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


@pytest.fixture
def keys(relay_settings: RelaySettings) -> Callable[..., str]:
    """`ovro-alert keys …` on the database of the relay, which runs meanwhile; gives what it prints."""
    return partial(support.keys, relay_settings.database_url)


@pytest.fixture
def with_key(anyone: TestClient, keys: Callable[..., str]) -> Callable[..., TestClient]:
    """A client that shows a key of the scopes that are named."""

    def client(*scopes: str) -> TestClient:
        token = keys("make", "a key of these tests", *(f"--scope={scope}" for scope in scopes))
        return TestClient(anyone.app, headers={"X-API-Key": token})

    return client
