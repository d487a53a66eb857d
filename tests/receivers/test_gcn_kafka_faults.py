"""GCN's receiver is killed, hangs, shares its partitions; its broker stops, and wants a good token."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import confluent_kafka

from ovro_alert.receivers.gcn_kafka import GcnSettings
from receiving import receiving, settings_for
from support import until


def test_while_the_relay_hangs_it_holds_so_much_and_stays_in_its_group(kafka, stand_in, tmp_path, caplog):
    settings = settings_for(
        kafka, tmp_path, heartbeat=True, config=kafka.config | {"max.poll.interval.ms": 2000}
    )
    messages = [b"%d" % n for n in range(20_000)]  # more than it may hold
    pulses = stand_in.pulses
    stand_in.hanging.set()
    kafka.send("gcn.heartbeat", b"{}")
    kafka.send(kafka.topic, *messages)
    with receiving(settings, stand_in.url, stand_in.key):
        until(lambda: pulses.get("igwn.gwalert", {}).get("waiting") and pulses["gcn.heartbeat"]["heard_s"])
        hung = time.monotonic()
        until(lambda: time.monotonic() > hung + 3)  # what is waited for is the passing of Kafka's limit
        assert pulses["igwn.gwalert"]["waiting"] < 17_000
        kafka.send("gcn.heartbeat", b"{}")
        until(lambda: pulses["gcn.heartbeat"]["heard_s"] < 1, 10)
        stand_in.hanging.clear()
        stand_in.release.set()
        until(lambda: kafka.committed() == len(messages))
    assert sorted(stand_in.raws) == sorted(messages)  # each once
    assert "poll interval" not in caplog.text


def test_it_stops_at_once_though_a_request_hangs(kafka, stand_in, settings):
    stand_in.hanging.set()
    kafka.send(kafka.topic, b"one")
    with receiving(settings, stand_in.url, stand_in.key) as stop:
        until(lambda: stand_in.posted)
        stop.set()
    assert kafka.committed() < 0


def test_two_receivers_of_a_group_share_the_partitions_and_take_over_from_each_other(
    kafka, stand_in, settings, caplog
):
    def send(number: int) -> list[bytes]:
        """A message to each partition, waiting until all are committed."""
        messages = [b"%d of %d" % (number, partition) for partition in range(4)]
        for partition, message in enumerate(messages):
            kafka.send(kafka.topic, message, partition=partition)
        until(lambda: [kafka.committed(partition) for partition in range(4)] == [number] * 4)
        return messages

    def shared() -> bool:
        given = [message.count("[") for message in caplog.messages if "Kafka gave us" in message]
        return given[-2:] == [2, 2]

    caplog.set_level("INFO")
    with receiving(settings, stand_in.url, stand_in.key):
        first = send(1)
        with receiving(settings, stand_in.url, stand_in.key):
            until(shared)
            second = send(2)
        third = send(3)
    assert set(stand_in.raws) == {*first, *second, *third}
    assert [stand_in.raws.count(each) for each in first] == [1] * 4  # committed when the second one came


def daemon(kafka, stand_in, directory: Path) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "RELAY_URL": stand_in.url,
        "RELAY_KEY": stand_in.key,
        "OVRO_ALERT_GCN_KAFKA_TOPICS": json.dumps([kafka.topic]),
        "OVRO_ALERT_GCN_KAFKA_GROUP_ID": kafka.group,
        "OVRO_ALERT_GCN_KAFKA_CONFIG": json.dumps(kafka.config),
    }
    command = [sys.executable, "-m", "ovro_alert.receivers.gcn_kafka"]
    with (directory / "log").open("ab") as log:
        return subprocess.Popen(command, env=environment, cwd=directory, stderr=log)


def test_kill_9_in_mid_stream_repeats_some_and_loses_none(kafka, stand_in, tmp_path):
    messages = [b"message %d" % n for n in range(4000)]
    well = stand_in.answer

    def slowly(raw: bytes) -> tuple[int, dict[str, Any]]:
        time.sleep(0.0005)  # or all would be over before the first kill
        return well(raw)

    stand_in.answer = slowly
    kafka.send(kafka.topic, *messages)
    for enough in (500, 2000):
        process = daemon(kafka, stand_in, tmp_path)
        try:
            until(lambda enough=enough: len(stand_in.acknowledged) >= enough)
        finally:
            process.kill()
            process.wait(10)
        committed = max(kafka.committed(), 0)
        assert set(messages[:committed]) <= set(stand_in.acknowledged)
    process = daemon(kafka, stand_in, tmp_path)
    try:
        until(lambda: kafka.committed() == len(messages))
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0, (tmp_path / "log").read_text()
    log = (tmp_path / "log").read_text()
    assert "Traceback" not in log
    assert stand_in.key not in log
    assert set(stand_in.acknowledged) == set(messages)


def test_it_goes_on_by_itself_when_the_broker_was_away(own_kafka, stand_in, tmp_path):
    server, kafka = own_kafka
    pulses = stand_in.pulses
    kafka.send(kafka.topic, b"before")
    with receiving(settings_for(kafka, tmp_path), stand_in.url, stand_in.key):
        until(lambda: kafka.committed() == 1)
        until(lambda: pulses["igwn.gwalert"]["connected"])
        server.stop()
        lost = until(lambda: not (found := pulses["igwn.gwalert"])["connected"] and found)
        assert lost["why"]
        server.start()
        kafka.send(kafka.topic, b"after")
        until(lambda: kafka.committed() == 2)
        until(lambda: pulses["igwn.gwalert"]["connected"])
    assert stand_in.raws == [b"before", b"after"]


def guarded_settings(guarded_kafka, tmp_path: Path) -> GcnSettings:
    kafka, endpoint = guarded_kafka
    config = kafka.config | {
        "security.protocol": "sasl_plaintext",
        "sasl.oauthbearer.token.endpoint.url": endpoint.url,
    }
    secret = {"client_id": "observatory", "client_secret": "not to be logged"}
    return settings_for(kafka, tmp_path, config=config, **secret)


def test_it_shows_who_it_is_and_goes_on_when_its_token_has_expired(guarded_kafka, stand_in, tmp_path, caplog):
    kafka, endpoint = guarded_kafka
    endpoint.life_s = 3
    sent: list[bytes] = []
    with receiving(guarded_settings(guarded_kafka, tmp_path), stand_in.url, stand_in.key):
        for n in range(8):  # over the lives of several tokens
            sent.append(b"%d" % n)
            kafka.send(kafka.topic, sent[-1])
            until(lambda: len(set(stand_in.acknowledged)) == len(sent))
            until(lambda n=n: len(endpoint.asked) > n // 3)
    assert set(stand_in.acknowledged) == set(sent)
    # RFC 6749, 4.4: by its client id and secret, observatory:not to be logged
    assert set(endpoint.asked) == {
        ("Basic b2JzZXJ2YXRvcnk6bm90IHRvIGJlIGxvZ2dlZA==", b"grant_type=client_credentials")
    }
    assert "not to be logged" not in caplog.text


def test_who_is_not_let_in_says_so_and_gets_in_when_it_may(guarded_kafka, stand_in, tmp_path):
    kafka, endpoint = guarded_kafka
    endpoint.fault = "forged"
    endpoint.life_s = 2
    pulses = stand_in.pulses
    kafka.send(kafka.topic, b"one")
    with receiving(guarded_settings(guarded_kafka, tmp_path), stand_in.url, stand_in.key):
        pulse = until(
            lambda: "invalid_token" in (found := pulses.get("igwn.gwalert", {"why": ""}))["why"] and found
        )
        assert not pulse["connected"]
        assert not stand_in.posted
        endpoint.fault = ""
        until(lambda: stand_in.raws == [b"one"])
        until(lambda: pulses["igwn.gwalert"]["connected"])


def test_the_broker_itself_refuses_a_token_that_has_expired(guarded_kafka):
    kafka, endpoint = guarded_kafka
    errors: list[str] = []
    config = kafka.config | {
        "security.protocol": "sasl_plaintext",
        "sasl.mechanisms": "OAUTHBEARER",
        "oauth_cb": lambda _: (endpoint.token(-1), time.time() + 600),  # librdkafka is told that it is good
        "error_cb": lambda error: errors.append(error.str()),
        "group.id": kafka.group,
    }
    consumer = confluent_kafka.Consumer(config)
    consumer.subscribe([kafka.topic])
    until(lambda: consumer.poll(0.1) or errors)
    assert "invalid_token" in errors[0]
    consumer.close()
