"""GCN's receiver in a thread of the test that wants one."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from kafkas import Kafka
from ovro_alert.link.pulse import beating
from ovro_alert.link.relay import Relay
from ovro_alert.receivers import gcn_kafka
from ovro_alert.receivers.gcn_kafka import GcnSettings


def settings_for(kafka: Kafka, directory: Path, **changes: Any) -> GcnSettings:
    """What a receiver of a broker is set to, with its files in a directory."""
    ours: dict[str, Any] = {
        "topics": (kafka.topic,),
        "heartbeat": False,
        "group_id": kafka.group,
        "config": kafka.config,
        "refused": directory / "refused",
    }
    return GcnSettings(**(ours | changes))


@contextmanager
def receiving(settings: GcnSettings, url: str, key: str) -> Iterator[threading.Event]:
    """A receiver in a thread, which tells the relay at `url` ten times a second how it hears."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with Relay(url, key) as relay, patch.object(gcn_kafka, "beating", partial(beating, every_s=0.1)):
                gcn_kafka.receive(settings, relay, stop)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(20)
    assert not thread.is_alive(), "the receiver did not stop"
    assert not failures
