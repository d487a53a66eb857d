"""A Kafka consumer that commits behind the relay's word."""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from ovro_alert.link.arrival import arrival
from ovro_alert.link.durable import replace
from ovro_alert.link.handover import Handover
from ovro_alert.link.kafka_hearing import Hearing
from ovro_alert.link.offsets import Offsets
from ovro_alert.link.relay import Receipt, Refused, Relay
from ovro_alert.link.spool import MESSAGE, reason_of, write_reason

log = logging.getLogger(__name__)

BATCH = 500  # messages taken from librdkafka at a time
POLL_S = 0.2  # how late a stop may be seen
CONNECTION = "the connection"
PATIENCE_S = 1.0  # how long there may be no room before Kafka hears from us again
OURS: dict[str, Any] = {
    "enable.auto.commit": False,
    "auto.offset.reset": "earliest",
    "queued.max.messages.kbytes": 16 * 1024,  # in all; more than that stays with the broker
    "session.timeout.ms": 10_000,  # so long nobody has the partitions of a member that was killed
    "statistics.interval.ms": 5000,
}


class Notice(NamedTuple):
    """One message of Kafka, without Kafka."""

    topic: str
    partition: int
    offset: int
    raw: bytes
    about: dict[str, Any]


class Troubles:
    """Kafka's errors in the log, once each until it works again: they come again and again."""

    def __init__(self) -> None:
        self._logged: dict[str, set[int]] = {}

    def log(self, error: KafkaError, about: str = CONNECTION) -> None:
        """Log an error unless it was."""
        logged = self._logged.setdefault(about, set())
        if error.code() not in logged:
            logged.add(error.code())
            log.warning("Kafka says of %s: %s", about, error.str())

    def over(self, *about: str) -> None:
        """These work again, so that their next error is news."""
        for each in about:
            self._logged.pop(each, None)


class Receiver:
    """One consumer's messages, handed over and committed behind that.

    `new_consumer` is given settings, callbacks among them. Messages of the topic `heartbeat` only prove that
    something comes; `expected` tells others that come at a cadence by their bytes. What the relay neither
    takes nor keeps goes to the directory `refused`.
    """

    def __init__(
        self,
        new_consumer: Callable[[dict[str, Any]], Consumer],
        topics: Sequence[str],
        hearing: Hearing,
        heartbeat: str,
        expected: Callable[[bytes], bool],
        refused: Path,
    ) -> None:
        self.delivered = False
        self._hearing = hearing
        self._heartbeat = heartbeat
        self._expected = expected
        self._refused = refused
        self._offsets = Offsets()
        self._troubles = Troubles()
        self._paused = False
        callbacks = {
            "logger": log,
            "on_commit": _log_commit,
            "error_cb": self._on_error,
            "stats_cb": lambda said: hearing.note(said, self._offsets.waiting()),
        }
        self._consumer = new_consumer(OURS | callbacks)
        self._consumer.subscribe(list(topics), on_assign=_log_assignment, on_revoke=self._on_revoke)

    def run(self, relay: Relay, stop: threading.Event) -> None:
        """Go on until `stop`, and leave the group.

        Raises
            KafkaException: this consumer is of no more use.
            OSError: what was refused could not be kept; its offset is not committed.
        """
        try:
            with Handover(relay, self._settle) as handover:
                while not stop.is_set():
                    self._pause(not handover.has_room(PATIENCE_S))
                    handover.put(self._for_the_relay(self._poll()))
                    self._commit()
        finally:
            self._consumer.close()

    def _pause(self, full: bool) -> None:
        """Take no more while all is full, in partitions that a rebalance gives us meanwhile too.

        A consumer that does not poll loses its partitions (max.poll.interval.ms), so it polls, but in vain.
        """
        if full:
            assigned = self._consumer.assignment()
            self._consumer.pause([each for each in assigned if each.topic != self._heartbeat])
        elif self._paused:
            self._consumer.resume(self._consumer.assignment())
        self._paused = full

    def _poll(self) -> list[Message]:
        first = self._consumer.poll(POLL_S)
        # consume() waits for all that it is asked for, so it is asked for what is there already.
        return [] if first is None else [first, *self._consumer.consume(BATCH - 1, 0)]

    def _for_the_relay(self, polled: Iterable[Message]) -> list[Notice]:
        """The notices among what was polled; an error event is none, and a heartbeat has been taken."""
        now = datetime.now(UTC)
        notices = []
        for each in polled:
            error, topic, partition, offset = each.error(), each.topic(), each.partition(), each.offset()
            if error is not None:
                if error.fatal():
                    raise KafkaException(error)
                self._troubles.log(error, topic or CONNECTION)
            elif topic is not None and partition is not None and offset is not None:  # so without an error
                raw = each.value() or b""
                beats = topic == self._heartbeat
                self._troubles.over(topic, CONNECTION)
                self._hearing.of(topic).heard(expected=beats or self._expected(raw))
                self._offsets.taken((topic, partition), offset)
                if beats:
                    self._offsets.acknowledged((topic, partition), offset)
                    continue
                about = arrival("kafka", now, topic=topic, partition=partition, offset=offset)
                notices.append(Notice(topic, partition, offset, raw, about))
        return notices

    def _settle(self, notice: Notice, answer: Receipt | Refused) -> None:
        """What came of a notice; runs in the threads that hand over."""
        if isinstance(answer, Refused):
            log.warning("%s[%d]@%d was refused: %s", *notice[:3], answer)
            if not answer.set_aside:
                self._keep(notice, answer)
        self._offsets.acknowledged(notice[:2], notice.offset)
        self.delivered = True

    def _keep(self, notice: Notice, refused: Refused) -> None:
        self._refused.mkdir(parents=True, exist_ok=True)
        name = f"{quote(notice.topic, safe='')}-{notice.partition}-{notice.offset}{MESSAGE}"
        write_reason(self._refused / name, reason_of(refused) | {"about": notice.about})
        replace(self._refused / name, notice.raw)

    def _commit(self) -> None:
        if reached := self._offsets.reached():
            offsets = [TopicPartition(topic, partition, n) for (topic, partition), n in reached.items()]
            self._consumer.commit(offsets=offsets, asynchronous=True)

    def _on_revoke(self, _consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        self._commit()  # on its way before we are known to have left: who comes after us begins behind it
        self._offsets.forget((each.topic, each.partition) for each in partitions)

    def _on_error(self, error: KafkaError) -> None:
        self._troubles.log(error)
        self._hearing.trouble(error)


def _log_commit(error: KafkaError | None, _offsets: Sequence[TopicPartition]) -> None:
    if error is not None:
        log.warning("a commit failed, some messages may come again: %s", error)


def _log_assignment(_consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
    names = [f"{each.topic}[{each.partition}]" for each in partitions]
    log.info("Kafka gave us %s", ", ".join(names) or "nothing")
