"""A topic of GCN's Kafka that we write: one notice, acknowledged, and what was written lately."""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import gcn_kafka
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from pydantic import SecretStr

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
    """The topic of what was seen, or that of tests: at GCN's brokers, or those that `config` names.

    Each call makes a connection of its own: there are weeks between two notices, and nothing to keep awake.
    """

    def __init__(self, settings: GcnSettings, test: bool) -> None:
        self._settings = settings
        self._test = test
        self._elsewhere = str(settings.config.get("bootstrap.servers", ""))
        self._topic = settings.test_topic if test and self._elsewhere else settings.topic
        self._domain = "test.gcn.nasa.gov" if test else "gcn.nasa.gov"
        self._writer = (
            (settings.test_client_id, settings.test_client_secret)
            if test
            else (settings.client_id, settings.client_secret)
        )
        # What was sent as a test is not looked for: there is no harm in sending it twice.
        self._reader = (None, None) if test else (settings.reader_id, settings.reader_secret)

    @property
    def lacks(self) -> str:
        """What is not set without which nothing is written; empty where nothing lacks."""
        if not self._elsewhere:
            names = "test_client_id and test_client_secret" if self._test else "client_id and client_secret"
            return (
                "" if self._writer[0] else f"no credentials for {self._domain} are set: [world_gcn] {names}"
            )
        if self._test and self._topic in ("", self._settings.topic):
            return "no topic of its own is set for tests at the brokers of config: [world_gcn] test_topic"
        return ""

    @property
    def name(self) -> str:
        """Which topic, and where."""
        return f"{self._topic} at {self._elsewhere or self._domain}"

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
            self._writer,
            # Once, whatever librdkafka has to repeat; and its own word of a failure before we give it up.
            {"enable.idempotence": True, "acks": "all", "message.timeout.ms": max(1, round(timeout * 1000))},
            troubles := _Troubles(),
        )
        try:
            producer.produce(self._topic, raw, on_delivery=lambda *what: told.append(what))
            producer.flush(timeout + 1)
        except KafkaException as error:
            raise Unreachable(f"{self.name}: {_words(error)}{troubles.first}") from error
        finally:
            producer.purge()
        if not told:
            raise Unreachable(f"{self.name}: no acknowledgement within {timeout:g} s{troubles.first}")
        trouble, message = told[0]
        if trouble is not None:
            kind = NotTaken if trouble.code() in FINAL else Unreachable
            raise kind(f"{self.name}: {trouble.str()}{troubles.first}")
        return f"acknowledged as {message.topic()}[{message.partition()}]@{message.offset()}"

    def last(self, matches: Callable[[bytes], bool]) -> datetime | None:
        """When the newest message that matches came to the topic; None where there is none among the last.

        Also where we may not read: then what we have kept is all that tells. Raises Unreachable.
        """
        if self._writer[0] and not self._reader[0]:
            return None
        consumer = self._connected(
            gcn_kafka.Consumer,
            self._reader,
            {
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 50,  # at the end of a partition we do not wait for more
            },
            troubles := _Troubles(),
        )
        try:
            return self._last(consumer, matches)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                log.warning(
                    "%s may not be read, so that nothing is found there: %s", self.name, _words(error)
                )
                return None
            consumer.poll(0)  # has it tell its troubles
            raise Unreachable(f"{self.name}: {_words(error)}{troubles.first}") from error
        finally:
            consumer.close()

    def reach(self) -> str:
        """What is seen of the brokers. Raises Unreachable."""
        if self.lacks:
            raise Unreachable(self.lacks)
        producer = self._connected(gcn_kafka.Producer, self._writer, {}, troubles := _Troubles())
        try:
            topic = producer.list_topics(self._topic, self._settings.timeout_s)
        except KafkaException as error:
            producer.poll(0)  # has it tell its troubles
            raise Unreachable(f"{self.name}: {_words(error)}{troubles.first}") from error
        state = topic.topics[self._topic].error
        return f"{self.name}: {len(topic.brokers)} brokers, {state.str() if state else 'the topic is there'}"

    def _connected(
        self,
        kind: Any,
        who: tuple[str | None, SecretStr | None],
        ours: dict[str, Any],
        troubles: "_Troubles",
    ) -> Any:
        """A new producer or consumer; NotTaken where librdkafka does not take the settings."""
        # By itself it would log each of its tries to connect, ten in a second.
        config = {"logger": log, "log_level": 2, "error_cb": troubles} | ours | self._settings.config
        try:
            return kind(config, client_id=who[0], client_secret=secret_of(who[1]), domain=self._domain)
        except KafkaException as error:
            raise NotTaken(f"[world_gcn] {_words(error)}") from error

    def _last(self, consumer: Consumer, matches: Callable[[bytes], bool]) -> datetime | None:
        end = time.monotonic() + self._settings.timeout_s
        topic = consumer.list_topics(self._topic, self._settings.timeout_s).topics[self._topic]
        if topic.error is not None:
            if topic.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return None  # nothing was sent lately [GCN]
            raise KafkaException(topic.error)
        begins = []
        for number in topic.partitions:
            partition = TopicPartition(self._topic, number)
            low, high = consumer.get_watermark_offsets(partition, self._settings.timeout_s)
            begins.append(TopicPartition(self._topic, number, max(low, high - LOOKED_AT)))
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


class _Troubles:
    """The first trouble that a connection tells of: why it came to nothing."""

    first = ""

    def __call__(self, error: KafkaError) -> None:
        # Without "(after 3ms in state CONNECT)", which is another each time.
        self.first = self.first or f": {error.str().partition(' (after')[0]}"


def _words(error: KafkaException) -> str:
    return str(error.args[0].str())
