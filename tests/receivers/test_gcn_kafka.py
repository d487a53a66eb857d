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
from functools import partial
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest

from ovro_alert.link.pulse import beating
from ovro_alert.link.relay import Relay
from ovro_alert.receivers import gcn_kafka
from ovro_alert.receivers.gcn_kafka import GcnSettings, receive, source_of
from support import until


def settings_for(kafka, tmp_path: Path, **changes: Any) -> GcnSettings:
    ours = {
        "topics": (kafka.topic,),
        "heartbeat": False,
        "group_id": kafka.group,
        "config": kafka.config,
        "refused": tmp_path / "refused",
    }
    return GcnSettings(**(ours | changes))


@pytest.fixture
def settings(kafka, tmp_path) -> GcnSettings:
    return settings_for(kafka, tmp_path)


@pytest.fixture(autouse=True)
def _quick_pulse(monkeypatch):
    monkeypatch.setattr(gcn_kafka, "beating", partial(beating, every_s=0.1))


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


def test_every_byte_arrives_with_what_kafka_knows(kafka, stand_in, settings):
    messages = [b"\x00\xff not utf-8 \n", b"{}", b""]
    kafka.send(kafka.topic, *messages)
    with receiving(settings, stand_in):
        until(lambda: len(stand_in.posted) == 3)
        until(lambda: kafka.committed() == 3)
    assert sorted(stand_in.raws) == sorted(messages)
    _, about, key = stand_in.posted[stand_in.raws.index(b"{}")]
    assert key == stand_in.key
    arrived = about.pop("arrived")
    assert arrived.endswith("Z")
    assert about == {"via": "kafka", "topic": kafka.topic, "partition": 0, "offset": 1}


def test_a_restart_goes_on_after_what_was_acknowledged(kafka, stand_in, settings):
    kafka.send(kafka.topic, b"one", b"two")
    with receiving(settings, stand_in):
        until(lambda: kafka.committed() == 2)
    kafka.send(kafka.topic, b"three")
    with receiving(settings, stand_in):
        until(lambda: len(stand_in.posted) == 3)
    assert sorted(stand_in.raws) == [b"one", b"three", b"two"]


def test_while_the_relay_does_not_acknowledge_nothing_is_committed_and_nothing_lost(
    kafka, stand_in, settings
):
    messages = [b"one", b"two", b"three"]
    well = stand_in.answer
    stand_in.answer = lambda raw: (503, {}) if raw == b"two" else well(raw)
    kafka.send(kafka.topic, *messages)
    with receiving(settings, stand_in):
        for status in (500, 429, 401, 404):  # in trouble, busy, the key is wrong, no relay at all
            stand_in.answer = lambda raw, status=status: (status, {}) if raw == b"two" else well(raw)
            tried = len(stand_in.raws)
            until(lambda tried=tried: stand_in.raws[tried:].count(b"two") >= 2)
            assert kafka.committed() <= 1
        stand_in.answer = well
        until(lambda: kafka.committed() == 3)
    assert sorted(stand_in.acknowledged) == sorted(messages)


def test_what_is_acknowledged_behind_one_that_is_not_is_not_committed(kafka, stand_in, settings):
    well = stand_in.answer
    large = [bytes([n]) * 300_000 for n in range(3)]  # they go side by side
    stand_in.answer = lambda raw: (503, {}) if raw == large[0] else well(raw)
    kafka.send(kafka.topic, *large)
    with receiving(settings, stand_in):
        until(lambda: len(stand_in.acknowledged) == 2)
        assert kafka.committed() < 0
    with receiving(settings, stand_in):
        stand_in.answer = well
        until(lambda: kafka.committed() == 3)
    assert set(stand_in.acknowledged) == set(large)


def test_it_stays_in_its_group_while_the_relay_hangs_longer_than_kafka_waits(
    kafka, stand_in, tmp_path, caplog
):
    settings = settings_for(kafka, tmp_path, config=kafka.config | {"max.poll.interval.ms": 2000})
    messages = [b"%d" % n for n in range(20_000)]  # more than it holds
    stand_in.hanging.set()
    kafka.send(kafka.topic, *messages)
    with receiving(settings, stand_in):
        until(lambda: stand_in.posted)
        hung = time.monotonic()
        until(lambda: time.monotonic() > hung + 3)  # what is waited for is the passing of Kafka's limit
        stand_in.hanging.clear()
        stand_in.release.set()
        until(lambda: kafka.committed() == len(messages))
    assert sorted(stand_in.raws) == sorted(messages)  # each once
    assert "poll interval" not in caplog.text


def test_it_stops_at_once_though_a_request_hangs(kafka, stand_in, settings):
    stand_in.hanging.set()
    kafka.send(kafka.topic, b"one")
    with receiving(settings, stand_in) as stop:
        until(lambda: stand_in.posted)
        stop.set()
    assert kafka.committed() < 0


def test_what_the_relay_set_aside_is_passed_and_what_it_did_not_keep_is_kept(kafka, stand_in, settings):
    well = stand_in.answer
    answers: dict[bytes, Any] = {
        b"unreadable": (422, {"detail": [{"loc": ["far"], "msg": "not a number"}], "setaside": 7}),
        b"too large": (413, {"detail": "too large"}),
    }
    stand_in.answer = lambda raw: answers[raw] if raw in answers else well(raw)
    kafka.send(kafka.topic, b"unreadable", b"too large", b"good")
    with receiving(settings, stand_in):
        until(lambda: kafka.committed() == 3)
    assert b"good" in stand_in.acknowledged
    kept = settings.refused / f"{kafka.topic}-0-1.message"
    assert kept.read_bytes() == b"too large"
    reason = json.loads(kept.with_suffix(".reason.json").read_text())
    assert reason["status"] == 413
    assert reason["about"]["offset"] == 1
    assert len(list(settings.refused.iterdir())) == 2


def test_what_could_not_be_kept_comes_again(kafka, stand_in, settings, caplog):
    settings.refused.write_text("a file where the directory should be")
    stand_in.answer = lambda raw: (413, {"detail": "too large"})
    kafka.send(kafka.topic, b"too large")
    with receiving(settings, stand_in):
        until(lambda: "starting again" in caplog.text)
        assert kafka.committed() < 0
        settings.refused.unlink()
        until(lambda: kafka.committed() == 1)
    assert (settings.refused / f"{kafka.topic}-0-0.message").read_bytes() == b"too large"


def test_an_unknown_topic_is_no_alert_and_its_error_is_logged_once(kafka, stand_in, tmp_path, caplog):
    settings = settings_for(kafka, tmp_path, topics=(kafka.topic, "gcn.notices.nobody.sent"))
    kafka.send(kafka.topic, b"one")
    with receiving(settings, stand_in):
        until(lambda: "gcn.notices.nobody.sent" in caplog.text)
        until(lambda: stand_in.posted)
        kafka.send(kafka.topic, b"two")
        until(lambda: kafka.committed() == 2)
    assert stand_in.raws == [b"one", b"two"]
    said = [each.getMessage() for each in caplog.records if "Kafka says of gcn.notices" in each.getMessage()]
    assert len(said) == 1
    assert "Unknown topic" in said[0]


def test_topics_may_be_a_pattern(kafka, stand_in, tmp_path):
    beginning = kafka.topic.replace(".", r"\.")
    kafka.send(f"{kafka.topic}.two", b"two")
    settings = settings_for(kafka, tmp_path, topics=(f"^{beginning}.*",))
    kafka.send(kafka.topic, b"one")
    with receiving(settings, stand_in):
        until(lambda: sorted(stand_in.acknowledged) == [b"one", b"two"])
        until(lambda: stand_in.pulses["igwn.gwalert"]["connected"])
    assert list(stand_in.pulses) == ["igwn.gwalert"]


@pytest.mark.parametrize(
    ("topic", "source"),
    [
        ("gcn.heartbeat", "gcn.heartbeat"),
        ("igwn.gwalert", "igwn.gwalert"),
        ("gcn.notices.chime.frb", "chime.gcn"),
        ("gcn.notices.dsa110.frb", "dsa110.gcn"),
        (r"^gcn\.notices\..*", "gcn.notices"),
        ("gcn.notices.swift.bat.guano", "gcn.notices"),
        ("gcn.classic.voevent.MAXI_KNOWN", "gcn.classic"),
        ("a.topic.of.another.broker", "gcn.notices"),
    ],
)
def test_every_topic_is_a_sources(topic, source):
    assert source_of(topic) == source


def test_heartbeats_and_mock_events_are_counted_and_only_the_latter_handed_over(kafka, stand_in, tmp_path):
    settings = settings_for(kafka, tmp_path, heartbeat=True)
    mock = b'{"alert_type": "INITIAL",\n "superevent_id": "MS260101a"}'
    real = b'{"alert_type": "INITIAL", "superevent_id": "S260101a", "event": "not MS"}'
    kafka.send("gcn.heartbeat", b'{"alert_datetime": "2026-01-01T00:00:00Z"}')
    kafka.send(kafka.topic, real)
    pulses = stand_in.pulses
    with receiving(settings, stand_in):
        until(lambda: pulses.get("gcn.heartbeat", {}).get("expected_s") is not None)
        until(lambda: pulses["igwn.gwalert"]["heard_s"] is not None)
        assert pulses["igwn.gwalert"]["expected_s"] is None
        kafka.send(kafka.topic, mock)
        until(lambda: pulses["igwn.gwalert"]["expected_s"] is not None)
        until(lambda: pulses["igwn.gwalert"]["connected"])
    assert stand_in.raws == [real, mock]


def test_it_tells_how_far_it_is_behind_and_what_the_relay_lacks(kafka, stand_in, settings):
    kafka.send(kafka.topic, b"one")
    with receiving(settings, stand_in):
        until(lambda: kafka.committed() == 1)
        stand_in.hanging.set()
        kafka.send(kafka.topic, b"two", b"three")
        pulse = until(lambda: (found := stand_in.pulses["igwn.gwalert"])["behind"] == 2 and found)
        assert (pulse["connected"], pulse["waiting"]) == (True, 2)
        stand_in.hanging.clear()
        stand_in.release.set()
        until(lambda: stand_in.pulses["igwn.gwalert"]["behind"] == 0)
    assert stand_in.pulses["igwn.gwalert"]["waiting"] == 0


def test_two_receivers_of_a_group_share_the_partitions_and_take_over_from_each_other(
    kafka, stand_in, settings, caplog
):
    sent: list[bytes] = []

    def send(number: int) -> None:
        for partition in range(4):
            sent.append(b"%d of %d" % (number, partition))
            kafka.send(kafka.topic, sent[-1], partition=partition)

    def committed(number: int) -> None:
        for partition in range(4):
            until(lambda partition=partition: kafka.committed(partition) == number)

    def gave(partitions: int) -> int:
        return sum(message.count("[") == partitions for message in caplog.messages if "Kafka gave" in message)

    caplog.set_level("INFO")
    send(1)
    with receiving(settings, stand_in):
        committed(1)
        with receiving(settings, stand_in):
            until(lambda: gave(2) == 2)
            send(2)
            committed(2)
        until(lambda: gave(4) == 2)
        send(3)
        committed(3)
    assert sorted(stand_in.raws) == sorted(sent)  # each once, though the partitions changed hands twice


def test_settings_that_librdkafka_does_not_know_are_named(kafka, stand_in, tmp_path):
    wrong = settings_for(kafka, tmp_path, config={"no.such.setting": 1})
    with pytest.raises(ValueError, match=r"no\.such\.setting"), Relay(stand_in.url, "k") as relay:
        receive(wrong, relay, threading.Event())
    with pytest.raises(ValueError, match="acknowledgement"):
        GcnSettings(config={"enable.auto.commit": True})


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
    with receiving(settings_for(kafka, tmp_path), stand_in):
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
    with receiving(guarded_settings(guarded_kafka, tmp_path), stand_in):
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
    with receiving(guarded_settings(guarded_kafka, tmp_path), stand_in):
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
