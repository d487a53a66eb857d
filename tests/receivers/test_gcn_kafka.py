"""GCN's notices through the real Kafka protocol: none lost, and no offset ahead of the relay's word."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ovro_alert.link.relay import Relay
from ovro_alert.receivers.gcn_kafka import GcnSettings, receive
from support import until

TOPIC = "igwn.gwalert"


@pytest.fixture
def settings(kafka, tmp_path) -> GcnSettings:
    return GcnSettings(topics=(TOPIC,), config=kafka.config, refused=tmp_path / "refused")


@contextmanager
def receiving(settings: GcnSettings, stand_in) -> Iterator[threading.Event]:
    stop = threading.Event()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with Relay(stand_in.url, stand_in.key) as relay:
                receive(settings, relay, stop)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(20)
        stand_in.release.set()
    assert not thread.is_alive(), "the receiver did not stop"
    assert not failures


def test_every_byte_arrives_in_order_with_what_kafka_knows(kafka, stand_in, settings):
    messages = [b"\x00\xff not utf-8 \n", b"{}", b""]
    kafka.send(TOPIC, *messages)
    with receiving(settings, stand_in):
        until(lambda: len(stand_in.posted) == 3)
        until(lambda: kafka.committed(TOPIC) == 3)
    assert stand_in.raws == messages
    _, about, key = stand_in.posted[1]
    assert key == stand_in.key
    arrived = about.pop("arrived")
    assert arrived.endswith("Z")
    assert about == {"via": "kafka", "topic": TOPIC, "partition": 0, "offset": 1}


def test_a_restart_goes_on_after_what_was_acknowledged(kafka, stand_in, settings):
    kafka.send(TOPIC, b"one", b"two")
    with receiving(settings, stand_in):
        until(lambda: kafka.committed(TOPIC) == 2)
    kafka.send(TOPIC, b"three")
    with receiving(settings, stand_in):
        until(lambda: len(stand_in.posted) == 3)
    assert stand_in.raws == [b"one", b"two", b"three"]


def test_while_the_relay_does_not_acknowledge_nothing_is_committed_and_nothing_lost(
    kafka, stand_in, settings
):
    messages = [b"one", b"two", b"three"]
    well = stand_in.answer
    stand_in.answer = lambda raw: (503, {}) if raw == b"two" else well(raw)
    kafka.send(TOPIC, *messages)
    with receiving(settings, stand_in):
        for status in (500, 429, 401, 404):  # in trouble, busy, the key is wrong, no relay at all
            stand_in.answer = lambda raw, status=status: (status, {}) if raw == b"two" else well(raw)
            tried = len(stand_in.raws)
            until(lambda tried=tried: len(stand_in.raws) >= tried + 2)
            assert kafka.committed(TOPIC) <= 1
        stand_in.answer = well
        until(lambda: kafka.committed(TOPIC) == 3)
    assert stand_in.acknowledged == messages


def test_it_stays_in_its_group_while_the_relay_hangs_longer_than_kafka_waits(
    kafka, stand_in, settings, caplog
):
    settings = settings.model_copy(
        update={"config": {**settings.config, "session.timeout.ms": 4000, "max.poll.interval.ms": 4000}}
    )
    stand_in.hanging.set()
    kafka.send(TOPIC, b"one", b"two")
    with receiving(settings, stand_in):
        until(lambda: stand_in.posted)
        hung = time.monotonic()
        until(lambda: time.monotonic() > hung + 6)  # what is waited for is the passing of Kafka's limit
        assert stand_in.raws == [b"one"]
        stand_in.hanging.clear()
        stand_in.release.set()
        until(lambda: kafka.committed(TOPIC) == 2)
    assert stand_in.raws == [b"one", b"two"]
    assert "poll interval" not in caplog.text


def test_it_stops_at_once_though_a_request_hangs(kafka, stand_in, settings):
    stand_in.hanging.set()
    kafka.send(TOPIC, b"one")
    with receiving(settings, stand_in) as stop:
        until(lambda: stand_in.posted)
        stop.set()
    assert kafka.committed(TOPIC) < 0


def test_what_the_relay_set_aside_is_passed_and_what_it_did_not_keep_is_kept(kafka, stand_in, settings):
    well = stand_in.answer
    answers: dict[bytes, Any] = {
        b"unreadable": (422, {"detail": [{"loc": ["far"], "msg": "not a number"}], "setaside": 7}),
        b"too large": (413, {"detail": "too large"}),
    }
    stand_in.answer = lambda raw: answers[raw] if raw in answers else well(raw)
    kafka.send(TOPIC, b"unreadable", b"too large", b"good")
    with receiving(settings, stand_in):
        until(lambda: kafka.committed(TOPIC) == 3)
    assert stand_in.raws == [b"unreadable", b"too large", b"good"]
    kept = settings.refused / f"{TOPIC}-0-1.message"
    assert kept.read_bytes() == b"too large"
    reason = json.loads(kept.with_suffix(".reason.json").read_text())
    assert reason["status"] == 413
    assert reason["about"]["offset"] == 1
    assert len(list(settings.refused.iterdir())) == 2


def test_an_unknown_topic_is_no_alert_and_its_error_is_logged_once(kafka, stand_in, settings, caplog):
    settings = settings.model_copy(update={"topics": (TOPIC, "gcn.notices.nobody.sent")})
    kafka.send(TOPIC, b"one")
    with receiving(settings, stand_in):
        until(lambda: "gcn.notices.nobody.sent" in caplog.text)
        until(lambda: stand_in.posted)
        kafka.send(TOPIC, b"two")
        until(lambda: kafka.committed(TOPIC) == 2)
    assert stand_in.raws == [b"one", b"two"]
    said = [each.getMessage() for each in caplog.records if "Kafka says of gcn.notices" in each.getMessage()]
    assert len(said) == 1
    assert "Unknown topic" in said[0]


def test_settings_that_librdkafka_does_not_know_are_named(kafka, stand_in, settings):
    wrong = settings.model_copy(update={"config": {"no.such.setting": 1}})
    with pytest.raises(ValueError, match=r"no\.such\.setting"), Relay(stand_in.url, "k") as relay:
        receive(wrong, relay, threading.Event())
    with pytest.raises(ValueError, match="acknowledgement"):
        GcnSettings(config={"enable.auto.commit": True})


def daemon(kafka, stand_in, directory: Path, group: str) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "RELAY_URL": stand_in.url,
        "RELAY_KEY": stand_in.key,
        "OVRO_ALERT_GCN_KAFKA_TOPICS": json.dumps([TOPIC]),
        "OVRO_ALERT_GCN_KAFKA_GROUP_ID": group,
        "OVRO_ALERT_GCN_KAFKA_CONFIG": json.dumps(kafka.config),
    }
    command = [sys.executable, "-m", "ovro_alert.receivers.gcn_kafka"]
    with (directory / "log").open("ab") as log:
        return subprocess.Popen(command, env=environment, cwd=directory, stderr=log)


def test_kill_9_in_mid_stream_repeats_some_and_loses_none(kafka, stand_in, tmp_path):
    messages = [b"message %d" % n for n in range(1500)]
    kafka.send(TOPIC, *messages)
    for run, enough in enumerate((200, 800)):
        process = daemon(kafka, stand_in, tmp_path, f"run-{run}")
        try:
            until(lambda enough=enough: len(stand_in.acknowledged) >= enough)
        finally:
            process.kill()
            process.wait(10)
        committed = max(kafka.committed(TOPIC, f"run-{run}"), 0)
        assert set(messages[:committed]) <= set(stand_in.acknowledged)
        # The mock's groups wait long for a dead member, so the next run has a group of its own, as far along.
        kafka.commit(TOPIC, committed, f"run-{run + 1}")
    process = daemon(kafka, stand_in, tmp_path, "run-2")
    try:
        until(lambda: stand_in.acknowledged[-1] == messages[-1])
        until(lambda: kafka.committed(TOPIC, "run-2") == len(messages))
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0, (tmp_path / "log").read_text()
    log = (tmp_path / "log").read_text()
    assert "Traceback" not in log
    assert stand_in.key not in log
    # All of them, and after each kill in order from a place that had been reached before.
    assert list(dict.fromkeys(stand_in.raws)) == messages
