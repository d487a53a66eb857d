"""GCN's notices from Kafka, IGWN's gravitational waves and CHIME's and DSA-110's bursts among them.

    GCN_KAFKA_CLIENT_ID=… GCN_KAFKA_CLIENT_SECRET=… RELAY_KEY=… gcn-receiver

A message's offset is committed after the relay has acknowledged it, never before: a kill at any time repeats
some messages, which the relay knows, and loses none.
"""

import logging
import re
import threading
from pathlib import Path
from random import Random
from typing import Any, Literal

import gcn_kafka
import typer
from confluent_kafka import Consumer, KafkaException
from pydantic import AliasChoices, Field, SecretStr, field_validator

from ovro_alert.link.daemon import run
from ovro_alert.link.kafka import Receiver
from ovro_alert.link.kafka_hearing import Hearing
from ovro_alert.link.pulse import beating
from ovro_alert.link.relay import Relay
from ovro_alert.link.retry import backoff
from ovro_alert.link.settings import LinkSettings
from ovro_alert.settings import Settings

log = logging.getLogger(__name__)

HEARTBEAT = "gcn.heartbeat"  # about a message a second, which proves that we are connected
TOPICS = (
    "igwn.gwalert",
    "gcn.notices.chime.frb",
    "gcn.notices.dsa110.frb",
    "gcn.notices.einstein_probe.wxt.alert",
    "gcn.notices.swift.bat.guano",
    "gcn.notices.icecube.gold_bronze_track_alerts",
    "gcn.notices.icecube.lvk_nu_track_search",
    *(f"gcn.notices.svom.voevent.{instrument}" for instrument in ("eclairs", "grm", "mxt")),
    *(
        f"gcn.classic.voevent.{type}"
        for type in (
            "SWIFT_BAT_GRB_POS_ACK",
            "SWIFT_XRT_POSITION",
            "SWIFT_UVOT_POS",
            "FERMI_GBM_ALERT",
            "FERMI_GBM_FLT_POS",
            "FERMI_GBM_GND_POS",
            "FERMI_GBM_FIN_POS",
            "FERMI_LAT_OFFLINE",
            "MAXI_UNKNOWN",
            "MAXI_KNOWN",
            "ICECUBE_ASTROTRACK_GOLD",
            "ICECUBE_ASTROTRACK_BRONZE",
            "ICECUBE_CASCADE",
        )
    ),
)
# Whose a topic is, by how it begins; the first that fits.
SOURCES = {
    HEARTBEAT: "gcn.heartbeat",
    "igwn.gwalert": "igwn.gwalert",
    "gcn.notices.chime": "chime.gcn",
    "gcn.notices.dsa110": "dsa110.gcn",
    "gcn.classic": "gcn.classic",
    "": "gcn.notices",
}
MOCK = re.compile(rb'"superevent_id"\s*:\s*"MS')  # LVK's mock events come about every hour


class GcnSettings(Settings, table="gcn_kafka"):
    """Table `[gcn_kafka]`; `config` holds any settings of librdkafka, which win over ours."""

    topics: tuple[str, ...] = Field(TOPICS, min_length=1)  # a pattern where it begins with ^
    heartbeat: bool = True
    group_id: str = Field("ovro-alert", min_length=1)  # fixed, so that a restart goes on where it was
    domain: Literal["gcn.nasa.gov", "test.gcn.nasa.gov", "dev.gcn.nasa.gov"] = "gcn.nasa.gov"
    client_id: str | None = Field(None, validation_alias=AliasChoices("GCN_KAFKA_CLIENT_ID", "client_id"))
    client_secret: SecretStr | None = Field(
        None, validation_alias=AliasChoices("GCN_KAFKA_CLIENT_SECRET", "client_secret")
    )
    config: dict[str, str | int | float | bool] = Field({})
    refused: Path = Path("gcn-kafka.refused")  # what the relay neither takes nor keeps

    @field_validator("config")
    @classmethod
    def _leaves_commits_to_us(
        cls, config: dict[str, str | int | float | bool]
    ) -> dict[str, str | int | float | bool]:
        if "enable.auto.commit" in config:
            raise ValueError("enable.auto.commit: offsets are committed after the relay's acknowledgement")
        return config

    @property
    def listened_to(self) -> tuple[str, ...]:
        """The topics, the heartbeat among them."""
        return (*self.topics, HEARTBEAT) if self.heartbeat else self.topics

    def consumer(self, ours: dict[str, Any]) -> Consumer:
        """A new consumer; ValueError where librdkafka does not take the settings."""
        secret = None if self.client_secret is None else self.client_secret.get_secret_value()
        try:
            return gcn_kafka.Consumer(
                ours | {"group.id": self.group_id} | self.config,
                client_id=self.client_id,
                client_secret=secret,
                domain=self.domain,
            )
        except KafkaException as error:
            raise ValueError(f"[gcn_kafka] {error.args[0].str()}") from error


def source_of(topic: str) -> str:
    """Which source is heard by a topic, or by a pattern of topics."""
    name = topic.removeprefix("^").replace("\\", "")
    return next(source for beginning, source in SOURCES.items() if name.startswith(beginning))


def is_mock(raw: bytes) -> bool:
    """Whether it is one of LVK's mock events, without reading all of it."""
    return MOCK.search(raw) is not None


def receive(settings: GcnSettings, relay: Relay, stop: threading.Event) -> None:
    """Consume until `stop`; a consumer that fails is replaced, sooner if it had delivered something."""
    delays = backoff(Random())
    topics = settings.listened_to
    hearing = Hearing(topics, source_of)
    with beating(relay, hearing.pulses, stop):
        while not stop.is_set():
            receiver = Receiver(settings.consumer, topics, hearing, HEARTBEAT, is_mock, settings.refused)
            try:
                receiver.run(relay, stop)
            except (KafkaException, OSError) as error:
                log.error("starting again: %s", error)
                hearing.lost(str(error))
                if receiver.delivered:
                    delays = backoff(Random())
                stop.wait(next(delays))


def serve() -> None:
    """Hand GCN's Kafka notices to the relay.

    Settings: RELAY_URL, RELAY_KEY, GCN_KAFKA_CLIENT_ID, GCN_KAFKA_CLIENT_SECRET, and the table [gcn_kafka].
    """

    def work(stop: threading.Event) -> None:
        with LinkSettings().relay() as relay:
            receive(GcnSettings(), relay, stop)

    raise typer.Exit(run(work))


def main() -> None:
    """The console script gcn-receiver."""
    typer.run(serve)


if __name__ == "__main__":
    main()
