"""How the sources of a Kafka consumer are heard, as librdkafka knows it."""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from confluent_kafka import KafkaError

from ovro_alert.link.pulse import Pulse


class Hearing:
    """The pulses of all sources that come by one consumer; `source_of` says whose a topic is.

    Errors come and go while librdkafka tries again: how things stand is said by its statistics, and why by
    the last error.
    """

    def __init__(self, topics: Iterable[str], source_of: Callable[[str], str]) -> None:
        self.pulses: list[Pulse] = []
        self._source_of = source_of
        self._why = ""
        for topic in topics:
            self.of(topic)

    def of(self, topic: str) -> Pulse:
        """The pulse of a topic's source, made when it is first asked for."""
        source = self._source_of(topic)
        for pulse in self.pulses:
            if pulse.source == source:
                return pulse
        self.pulses.append(Pulse(source, "kafka"))
        return self.pulses[-1]

    def trouble(self, error: KafkaError) -> None:
        """Keep why the next statistics may say that nothing is connected."""
        if (
            not self._why or error.code() != KafkaError._ALL_BROKERS_DOWN
        ):  # which follows another, and says less
            self._why = error.str()

    def lost(self, why: str) -> None:
        """There is no consumer."""
        for pulse in self.pulses:
            pulse.lost(why)

    def note(self, statistics: str, waiting: Counter[str]) -> None:
        """Note how things stand by librdkafka's STATISTICS.md, and how many of each topic the relay lacks."""
        said = json.loads(statistics)
        up = {
            broker["nodeid"]
            for broker in said["brokers"].values()
            if broker["state"] == "UP" and broker["source"] != "logical"
        }
        in_group = bool(up) and said["cgrp"]["state"] == "up"
        if in_group:
            self._why = ""
        deaf: set[str] = set()
        behind: Counter[str] = Counter()
        for topic, partition in _active(said):
            source = self.of(topic).source
            if partition["leader"] not in up:
                deaf.add(source)
            if partition["consumer_lag"] >= 0:  # -1 until something is committed
                behind[source] += partition["consumer_lag"]
        lacking: Counter[str] = Counter()
        for topic, number in waiting.items():
            lacking[self.of(topic).source] += number
        for pulse in self.pulses:
            if in_group and pulse.source not in deaf:
                pulse.connected()
            else:
                pulse.lost(self._why or "no broker is connected")
            pulse.behind(behind.get(pulse.source))
            pulse.waiting(lacking[pulse.source])


def _active(statistics: dict[str, Any]) -> Iterable[tuple[str, dict[str, Any]]]:
    """The partitions that are consumed, with their topics."""
    for topic, of_topic in statistics["topics"].items():
        for partition in of_topic["partitions"].values():
            if partition["fetch_state"] == "active":
                yield topic, partition
