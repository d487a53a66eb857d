"""GCN's notices from Kafka, IGWN's gravitational waves and CHIME's and DSA-110's bursts among them.

    GCN_KAFKA_CLIENT_ID=… GCN_KAFKA_CLIENT_SECRET=… RELAY_KEY=… gcn-receiver

A message's offset is committed after the relay has acknowledged it, never before: a kill at any time repeats
some messages, which the relay knows, and loses none.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import wait
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Literal, NamedTuple
from urllib.parse import quote

import gcn_kafka
import typer
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from pydantic import AliasChoices, Field, SecretStr, field_validator

from ovro_alert.link.arrival import arrival
from ovro_alert.link.daemon import in_background, run
from ovro_alert.link.durable import replace
from ovro_alert.link.relay import Refused, Relay
from ovro_alert.link.retry import Stopped, backoff, persist
from ovro_alert.link.settings import LinkSettings
from ovro_alert.link.spool import MESSAGE, reason_of, write_reason
from ovro_alert.settings import Settings

log = logging.getLogger(__name__)

BATCH = 500  # messages between two commits; librdkafka prefetches no more than 64 MB
POLL_S = 0.2  # how late a stop may be seen
PATIENCE_S = 1.0  # how long a batch may take before Kafka hears from us again

KafkaConfig = dict[str, str | int | float | bool]


class GcnSettings(Settings, table="gcn_kafka"):
    """Table `[gcn_kafka]`; `config` holds any settings of librdkafka, which win over ours."""

    topics: tuple[str, ...] = Field(
        ("igwn.gwalert", "gcn.notices.chime.frb", "gcn.notices.dsa110.frb"), min_length=1
    )
    group_id: str = Field("ovro-alert", min_length=1)  # fixed, so that a restart goes on where it was
    domain: Literal["gcn.nasa.gov", "test.gcn.nasa.gov", "dev.gcn.nasa.gov"] = "gcn.nasa.gov"
    client_id: str | None = Field(None, validation_alias=AliasChoices("GCN_KAFKA_CLIENT_ID", "client_id"))
    client_secret: SecretStr | None = Field(
        None, validation_alias=AliasChoices("GCN_KAFKA_CLIENT_SECRET", "client_secret")
    )
    config: KafkaConfig = Field({})
    refused: Path = Path("gcn-kafka.refused")  # what the relay neither takes nor keeps

    @field_validator("config")
    @classmethod
    def _leaves_commits_to_us(cls, config: KafkaConfig) -> KafkaConfig:
        if "enable.auto.commit" in config:
            raise ValueError("enable.auto.commit: offsets are committed after the relay's acknowledgement")
        return config

    def consumer(self) -> Consumer:
        """A new consumer of the topics; ValueError where librdkafka does not take the settings."""
        ours = {
            "group.id": self.group_id,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "logger": log,
            "on_commit": _log_commit,
            "error_cb": Troubles().log,
        }
        secret = None if self.client_secret is None else self.client_secret.get_secret_value()
        try:
            consumer = gcn_kafka.Consumer(
                ours | self.config, client_id=self.client_id, client_secret=secret, domain=self.domain
            )
        except KafkaException as error:
            raise ValueError(f"[gcn_kafka] {error.args[0].str()}") from error
        consumer.subscribe(list(self.topics), on_assign=_log_assignment)
        return consumer


def _log_commit(error: KafkaError | None, _offsets: Sequence[TopicPartition]) -> None:
    if error is not None:
        log.warning("a commit failed, some messages may come again: %s", error)


def _log_assignment(_consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
    names = [f"{each.topic}[{each.partition}]" for each in partitions]
    log.info("Kafka gave us %s", ", ".join(names) or "nothing")


class Troubles:
    """Kafka's errors in the log, once each until something else happens: they come again and again."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def log(self, error: KafkaError, about: str = "the connection") -> None:
        """Log an error unless it is the same as before."""
        if self._last.get(about) != error.code():
            self._last[about] = error.code()
            log.warning("Kafka says of %s: %s", about, error.str())

    def over(self, about: str) -> None:
        """What it is about works again, so that its next error is news."""
        self._last.pop(about, None)


class Notice(NamedTuple):
    """One message of Kafka, without Kafka."""

    topic: str
    partition: int
    offset: int
    arrived: datetime
    raw: bytes


class Receiver:
    """One consumer's messages, handed over in order and committed behind that."""

    def __init__(self, consumer: Consumer, hand_over: Callable[[Notice], None]) -> None:
        self.delivered = 0
        self._consumer = consumer
        self._hand_over = hand_over
        self._troubles = Troubles()
        self._early: list[Notice] = []  # came while the batch before was under way
        self._acknowledged: dict[tuple[str, int], int] = {}
        self._lock = threading.Lock()

    def run(self, stop: threading.Event) -> None:
        """Go on until `stop`.

        Raises
            KafkaException: this consumer is of no more use.
            OSError: what was refused could not be kept; its offset is not committed.
        """
        try:
            while not stop.is_set():
                batch = self._poll()
                if batch:
                    self._deliver(batch, stop)
        except Stopped:
            pass
        finally:
            self._commit()

    def _poll(self) -> list[Notice]:
        if self._early:
            batch, self._early = self._early, []
            return batch
        first = self._consumer.poll(POLL_S)
        if first is None:
            return []
        # consume() waits for all that it is asked for, so it is asked for what is there already.
        return self._notices([first, *self._consumer.consume(BATCH - 1, 0)])

    def _notices(self, polled: Iterable[Message]) -> list[Notice]:
        """The notices among what was polled; an error event is none."""
        arrived = datetime.now(UTC)
        notices = []
        for each in polled:
            error, topic, partition, offset = each.error(), each.topic(), each.partition(), each.offset()
            if error is not None:
                if error.fatal():
                    raise KafkaException(error)
                self._troubles.log(error, topic or "the connection")
            elif topic is not None and partition is not None and offset is not None:  # so without an error
                self._troubles.over(topic)
                notices.append(Notice(topic, partition, offset, arrived, each.value() or b""))
        return notices

    def _deliver(self, batch: list[Notice], stop: threading.Event) -> None:
        future = in_background(lambda: self._hand_over_all(batch), "hand over")
        if not wait([future], PATIENCE_S).done:
            # A consumer that does not poll loses its partitions (max.poll.interval.ms), so it polls, but for
            # nothing: the partitions are paused, those too that a rebalance gives it meanwhile.
            while not (future.done() or stop.is_set()):
                self._consumer.pause(self._consumer.assignment())
                message = self._consumer.poll(POLL_S)
                if message is not None:
                    self._early += self._notices([message])
                self._commit()
            self._consumer.resume(self._consumer.assignment())
        if not future.done():
            raise Stopped  # the request that hangs is left behind, its message is not committed
        future.result()
        self._commit()

    def _hand_over_all(self, batch: list[Notice]) -> None:
        for notice in batch:
            self._hand_over(notice)
            with self._lock:
                self._acknowledged[notice.topic, notice.partition] = notice.offset + 1
            self.delivered += 1

    def _commit(self) -> None:
        with self._lock:
            acknowledged, self._acknowledged = self._acknowledged, {}
        if acknowledged:
            offsets = [TopicPartition(topic, partition, n) for (topic, partition), n in acknowledged.items()]
            self._consumer.commit(offsets=offsets, asynchronous=True)


def hand_over(notice: Notice, relay: Relay, refused: Path, stop: threading.Event) -> None:
    """Give one notice to the relay, however long that takes; keep one that it neither takes nor keeps.

    Raises
        Stopped: `stop` was set before the relay acknowledged it.
        OSError: the relay will not have it, and the directory `refused` has no room for it.
    """
    topic, partition, offset, arrived, raw = notice
    about = arrival("kafka", arrived, topic=topic, partition=partition, offset=offset)
    try:
        persist(lambda: relay.post_alert(raw, about), stop)
    except Refused as refusal:
        log.warning("%s[%d]@%d was refused: %s", topic, partition, offset, refusal)
        if not refusal.set_aside:
            refused.mkdir(parents=True, exist_ok=True)
            kept = refused / f"{quote(topic, safe='')}-{partition}-{offset}{MESSAGE}"
            write_reason(kept, reason_of(refusal) | {"about": about})
            replace(kept, raw)


def receive(settings: GcnSettings, relay: Relay, stop: threading.Event) -> None:
    """Consume until `stop`; a consumer that fails is replaced, sooner if it had delivered something."""
    delays = backoff(Random())
    while not stop.is_set():
        consumer = settings.consumer()
        receiver = Receiver(consumer, lambda notice: hand_over(notice, relay, settings.refused, stop))
        try:
            receiver.run(stop)
        except (KafkaException, OSError) as error:
            log.error("starting again: %s", error)
            if receiver.delivered:
                delays = backoff(Random())
            stop.wait(next(delays))
        finally:
            consumer.close()


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
