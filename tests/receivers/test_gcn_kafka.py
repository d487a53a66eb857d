"""GCN's notices through the real Kafka protocol: none lost, and no offset ahead of the relay's word."""

import json
import threading
from typing import Any

import pytest

from ovro_alert.link.relay import Relay
from ovro_alert.receivers.gcn_kafka import GcnSettings, receive, source_of
from receiving import receiving, settings_for
from support import until


def test_every_byte_arrives_with_what_kafka_knows(kafka, stand_in, settings):
    messages = [b"\x00\xff not utf-8 \n", b"{}", b""]
    kafka.send(kafka.topic, *messages)
    with receiving(settings, stand_in.url, stand_in.key):
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
    with receiving(settings, stand_in.url, stand_in.key):
        until(lambda: kafka.committed() == 2)
    kafka.send(kafka.topic, b"three")
    with receiving(settings, stand_in.url, stand_in.key):
        until(lambda: len(stand_in.posted) == 3)
    assert sorted(stand_in.raws) == [b"one", b"three", b"two"]


def test_while_the_relay_does_not_acknowledge_nothing_is_committed_and_nothing_lost(
    kafka, stand_in, settings
):
    messages = [b"one", b"two", b"three"]
    well = stand_in.answer
    stand_in.answer = lambda raw: (503, {}) if raw == b"two" else well(raw)
    kafka.send(kafka.topic, *messages)
    with receiving(settings, stand_in.url, stand_in.key):
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
    with receiving(settings, stand_in.url, stand_in.key):
        until(lambda: len(stand_in.acknowledged) == 2)
        assert kafka.committed() < 0
    with receiving(settings, stand_in.url, stand_in.key):
        stand_in.answer = well
        until(lambda: kafka.committed() == 3)
    assert set(stand_in.acknowledged) == set(large)


def test_what_the_relay_set_aside_is_passed_and_what_it_did_not_keep_is_kept(kafka, stand_in, settings):
    well = stand_in.answer
    answers: dict[bytes, Any] = {
        b"unreadable": (422, {"detail": [{"loc": ["far"], "msg": "not a number"}], "setaside": 7}),
        b"too large": (413, {"detail": "too large"}),
    }
    stand_in.answer = lambda raw: answers[raw] if raw in answers else well(raw)
    kafka.send(kafka.topic, b"unreadable", b"too large", b"good")
    with receiving(settings, stand_in.url, stand_in.key):
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
    with receiving(settings, stand_in.url, stand_in.key):
        until(lambda: "starting again" in caplog.text)
        assert kafka.committed() < 0
        settings.refused.unlink()
        until(lambda: kafka.committed() == 1)
    assert (settings.refused / f"{kafka.topic}-0-0.message").read_bytes() == b"too large"


def test_an_unknown_topic_is_no_alert_and_its_error_is_logged_once(kafka, stand_in, tmp_path, caplog):
    settings = settings_for(kafka, tmp_path, topics=(kafka.topic, "gcn.notices.nobody.sent"))
    kafka.send(kafka.topic, b"one")
    with receiving(settings, stand_in.url, stand_in.key):
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
    with receiving(settings, stand_in.url, stand_in.key):
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
    with receiving(settings, stand_in.url, stand_in.key):
        until(lambda: pulses.get("gcn.heartbeat", {}).get("expected_s") is not None)
        until(lambda: pulses["igwn.gwalert"]["heard_s"] is not None)
        assert pulses["igwn.gwalert"]["expected_s"] is None
        kafka.send(kafka.topic, mock)
        until(lambda: pulses["igwn.gwalert"]["expected_s"] is not None)
        until(lambda: pulses["igwn.gwalert"]["connected"])
    assert stand_in.raws == [real, mock]


def test_it_tells_how_far_it_is_behind_and_what_the_relay_lacks(kafka, stand_in, settings):
    kafka.send(kafka.topic, b"one")
    with receiving(settings, stand_in.url, stand_in.key):
        until(lambda: kafka.committed() == 1)
        stand_in.hanging.set()
        kafka.send(kafka.topic, b"two", b"three")
        pulse = until(lambda: (found := stand_in.pulses["igwn.gwalert"])["behind"] == 2 and found)
        assert (pulse["connected"], pulse["waiting"]) == (True, 2)
        stand_in.hanging.clear()
        stand_in.release.set()
        until(lambda: stand_in.pulses["igwn.gwalert"]["behind"] == 0)
    assert stand_in.pulses["igwn.gwalert"]["waiting"] == 0


def test_settings_that_librdkafka_does_not_know_are_named(kafka, stand_in, tmp_path):
    wrong = settings_for(kafka, tmp_path, config={"no.such.setting": 1})
    with pytest.raises(ValueError, match=r"no\.such\.setting"), Relay(stand_in.url, "k") as relay:
        receive(wrong, relay, threading.Event())
    with pytest.raises(ValueError, match="acknowledgement"):
        GcnSettings(config={"enable.auto.commit": True})
