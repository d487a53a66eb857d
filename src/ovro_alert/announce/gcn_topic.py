"""A topic of GCN's Kafka that we write: one notice, acknowledged, and what was written lately."""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import gcn_kafka
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from ovro_alert.acting import NotTaken, Unreachable
from ovro_alert.announce.settings import GcnSettings, secret_of

LOOKED_AT = 200  # messages of a partition: more than GCN keeps, of some 50 bursts a year
# Refused for good; whatever else goes wrong may be over at the next try.
FINAL = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.INVALID_RECORD,
        KafkaError.POLICY_VIOLATION,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)

log = logging.getLogger(__name__)


class Topic:
    """One topic at one domain's brokers.

    Each call makes a connection of its own: there are weeks between two notices, and nothing to keep awake.
    """

    def __init__(self, settings: GcnSettings, domain: str) -> None:
        self._settings = settings
        self._domain = domain
        self._elsewhere = str(settings.config.get("bootstrap.servers", ""))

    @property
    def is_set(self) -> bool:
        """Whether there is anything to write with."""
        return bool(self._settings.client_id or self._elsewhere)

    @property
    def name(self) -> str:
        """Which topic, and where."""
        return f"{self._settings.topic} at {self._elsewhere or self._domain}"

    def produce(self, raw: bytes) -> str:
        """Write a message; every replica that is in sync has it when this returns.

        Raises
            Unreachable: there is no acknowledgement; it may be there or not.
            NotTaken: the brokers refuse it.
        """
        told: list[tuple[KafkaError | None, Message]] = []
        timeout = self._settings.timeout_s
        producer = self._connected(
            gcn_kafka.Producer,
            self._settings.client_id,
            self._secret,
            # Once, whatever librdkafka has to repeat; and its own word of a failure before we give it up.
            {"enable.idempotence": True, "acks": "all", "message.timeout.ms": max(1, round(timeout * 1000))},
        )
        try:
            producer.produce(self._settings.topic, raw, on_delivery=lambda *what: told.append(what))
            producer.flush(timeout + 1)
        except KafkaException as error:
            raise Unreachable(f"{self.name}: {_words(error)}") from error
        finally:
            producer.purge()
        if not told:
            raise Unreachable(f"{self.name}: no acknowledgement within {timeout:g} s")
        trouble, message = told[0]
        if trouble is not None:
            raise (NotTaken if trouble.code() in FINAL else Unreachable)(f"{self.name}: {trouble.str()}")
        return f"acknowledged as {message.topic()}[{message.partition()}]@{message.offset()}"

    def last(self, matches: Callable[[bytes], bool]) -> datetime | None:
        """When the newest message that matches came to the topic; None where there is none among the last.

        Also where we may not read: then what we have kept is all that tells. Raises Unreachable.
        """
        if self._settings.client_id and not self._settings.reader_id:
            return None
        consumer = self._reader()
        try:
            return self._last(consumer, matches)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                log.warning(
                    "%s may not be read, so that nothing is found there: %s", self.name, _words(error)
                )
                return None
            raise Unreachable(f"{self.name}: {_words(error)}") from error
        finally:
            consumer.close()

    def reach(self) -> str:
        """What is seen of the brokers. Raises Unreachable."""
        if not self.is_set:
            raise Unreachable("no credentials for GCN are set: [world_gcn] client_id and client_secret")
        producer = self._connected(gcn_kafka.Producer, self._settings.client_id, self._secret, {})
        try:
            topic = producer.list_topics(self._settings.topic, self._settings.timeout_s)
        except KafkaException as error:
            raise Unreachable(f"{self.name}: {_words(error)}") from error
        state = topic.topics[self._settings.topic].error
        return f"{self.name}: {len(topic.brokers)} brokers, {state.str() if state else 'the topic is there'}"

    @property
    def _secret(self) -> str | None:
        return secret_of(self._settings.client_secret)

    def _reader(self) -> Consumer:
        ours = {
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 50,  # at the end of a partition we do not wait for more
        }
        secret = secret_of(self._settings.reader_secret)
        consumer: Consumer = self._connected(gcn_kafka.Consumer, self._settings.reader_id, secret, ours)
        return consumer

    def _connected(self, kind: Any, client_id: str | None, secret: str | None, ours: dict[str, Any]) -> Any:
        """A new producer or consumer; NotTaken where librdkafka does not take the settings."""
        config = {"logger": log} | ours | self._settings.config
        try:
            return kind(config, client_id=client_id, client_secret=secret, domain=self._domain)
        except KafkaException as error:
            raise NotTaken(f"[world_gcn] {_words(error)}") from error

    def _last(self, consumer: Consumer, matches: Callable[[bytes], bool]) -> datetime | None:
        end = time.monotonic() + self._settings.timeout_s
        topic = consumer.list_topics(self._settings.topic, self._settings.timeout_s).topics[
            self._settings.topic
        ]
        if topic.error is not None:
            if topic.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return None  # nothing was sent lately [GCN]
            raise KafkaException(topic.error)
        begins = []
        for number in topic.partitions:
            partition = TopicPartition(self._settings.topic, number)
            low, high = consumer.get_watermark_offsets(partition, self._settings.timeout_s)
            begins.append(TopicPartition(self._settings.topic, number, max(low, high - LOOKED_AT)))
        consumer.assign(begins)
        unread = set(topic.partitions)
        found: datetime | None = None
        while unread:
            left = end - time.monotonic()
            message = consumer.poll(max(left, 0.0))
            if message is None:
                raise Unreachable(f"{self.name}: not read within {self._settings.timeout_s:g} s")
            if (error := message.error()) is not None:
                if error.code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(error)
                unread.discard(message.partition())
            elif matches(message.value() or b""):
                found = datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC)
        return found


def _words(error: KafkaException) -> str:
    return str(error.args[0].str())
