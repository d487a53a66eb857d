"""GCN notices: the fields of DSA-110's schema and no others, acknowledged by Kafka, and found there again."""

import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from hypothesis import given

import kafkas
from announcing import DETECTIONS, entry
from ovro_alert.acting import NotTaken, Unreachable
from ovro_alert.announce import detection
from ovro_alert.announce.detection import Unfit
from ovro_alert.announce.gcn import GcnSender, Schema, document
from ovro_alert.announce.sender import Message
from ovro_alert.announce.settings import GcnSettings
from ovro_alert.command import Entry
from ovro_alert.demo.processes import free_port
from ovro_alert.formats import read

FIELDS = {
    *(
        "$schema",
        "alert_type",
        "trigger_time",
        "id",
        "snr",
        "dm",
        "event_duration",
        "ra",
        "dec",
        "ra_dec_error",
    ),
    *("importance", "known_source", "description"),
}
NUMBER = {"type": "number"}


@pytest.fixture(scope="session")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """GCN's schema of DSA-110's notices; where no copy of that is named, one put together as it is."""
    if named := os.environ.get("OVRO_ALERT_TEST_GCN_SCHEMA"):
        return Path(named)
    folder = tmp_path_factory.mktemp("schema")
    notices = folder / "gcn" / "notices"
    base = "https://gcn.nasa.gov/schema/v0.0.0/gcn/notices"
    parts = {
        "core/Alert": {"alert_type": {"enum": ["initial", "subsequent", "update", "retraction"]}},
        "core/Event": {"id": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}},
        "core/DateTime": {"trigger_time": {"type": "string"}},
        "core/Localization": {
            "ra": NUMBER,
            "dec": NUMBER,
            "ra_dec_error": {"anyOf": [NUMBER, {"type": "array", "items": NUMBER, "maxItems": 3}]},
        },
        "core/DispersionMeasure": {"dm": NUMBER},
        "dsa110/frb": {
            **{key: {"type": "string"} for key in ("$schema", "known_source", "description")},
            **dict.fromkeys(("importance", "event_duration", "snr"), NUMBER),
        },
    }
    for name, properties in parts.items():
        document: dict[str, Any] = {
            "$id": f"{base}/{name}.schema.json",
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": properties,
        }
        if name == "dsa110/frb":
            document["allOf"] = [{"$ref": f"../{one}.schema.json"} for one in parts if one != name]
            document["unevaluatedProperties"] = False
        path = notices / f"{name}.schema.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document))
    return folder


@pytest.fixture(scope="module")
def kafka() -> Iterator[kafkas.Kafka]:
    """Apache Kafka where it was started; else librdkafka's mock cluster."""
    started = os.environ.get("OVRO_ALERT_TEST_KAFKA", "").split()  # the plain address first
    with closing(kafkas.Apache(started[0]) if started else kafkas.Mock()) as broker:
        yield broker


def sender(
    config: dict[str, Any], topic: str = "a.topic", deployed: bool = True, **settings: Any
) -> GcnSender:
    return GcnSender(GcnSettings(config=config, topic=topic, timeout_s=10, **settings), deployed)


def message(its: GcnSender, asked: Entry) -> Message:
    return its.message(asked, detection.read(asked.args))


def test_a_notice_has_dsa_110s_fields_and_is_read_back_as_the_same_event(schema: Path) -> None:
    raw = document(detection.read(entry("gcn", known_source="FRB 20231013B", description="x").args), False)
    Schema(schema).check(raw)
    assert set(json.loads(raw)) == FIELDS
    alert = read(raw)
    assert (alert.event_id, alert.role, alert.alert_type) == ("dsa-260304aaaa", "observation", "initial")
    assert alert.event_time == detection.read(entry("gcn").args).toa
    assert alert.localization is not None
    assert (alert.localization.ra, alert.localization.dec, alert.localization.error_deg) == (
        291.61,
        71.52,
        0.02,
    )
    assert alert.frb is not None
    assert (alert.frb.dm, alert.frb.snr, alert.frb.width_ms, alert.frb.importance) == (
        531.7,
        14.2,
        1.05,
        0.98,
    )
    assert alert.frb.known_source == "FRB 20231013B"


@given(args=DETECTIONS)
def test_whatever_was_detected_the_notice_is_valid(schema: Path, args: dict[str, Any]) -> None:
    its = detection.read(args)
    for test in (False, True):
        raw = document(its, test, Schema(schema).url)
        Schema(schema).check(raw)
        assert set(json.loads(raw)) <= FIELDS
        assert read(raw).event_id == f"dsa-{its.name}"


def test_what_the_schema_does_not_allow_is_refused_by_its_field(schema: Path) -> None:
    raw = document(detection.read(entry("gcn").args), False)
    for wrong, said in (({"ra": "291.61"}, r"ra: "), ({"mjd": 61103}, "mjd")):
        with pytest.raises(Unfit, match=said):
            Schema(schema).check(json.dumps(json.loads(raw) | wrong).encode())


def test_the_notice_names_the_version_of_the_copy_that_it_was_checked_against(schema: Path) -> None:
    said = message(sender({"bootstrap.servers": "x"}, schema_folder=schema), entry("gcn"))
    assert json.loads(said.raw)["$schema"] == Schema(schema).url


def test_a_folder_that_is_no_copy_of_the_schema_stops_notices_only(tmp_path: Path, schema: Path) -> None:
    folder = tmp_path / "schema"
    its = sender({"bootstrap.servers": "x"}, schema_folder=folder)
    for _ in range(2):
        with pytest.raises(Unfit, match=r"schema_folder: .* has no copy of GCN's schema: FileNotFoundError"):
            message(its, entry("gcn"))
        with pytest.raises(Unreachable, match=r"schema_folder: .* has no copy of GCN's schema"):
            its.reach()
    shutil.copytree(schema, folder)
    if parts := list(folder.glob("gcn/notices/core/DispersionMeasure*")):
        (whole,) = parts
        raw = whole.read_bytes()
        whole.unlink()
        with pytest.raises(Unfit, match=r"schema_folder: the copy in .* is not whole"):
            message(its, entry("gcn"))
        whole.write_bytes(raw)
    assert message(its, entry("gcn")).to == "a.topic at x"  # once it is there, without a restart


def test_what_is_seen_says_by_which_schema_notices_are_checked(kafka: kafkas.Kafka, schema: Path) -> None:
    assert sender(kafka.config, kafka.topic).reach().endswith("; checked by no copy of GCN's schema")
    its = sender(kafka.config, kafka.topic, schema_folder=schema)
    assert its.reach().endswith(f"; checked by {Schema(schema).url}")


@pytest.mark.parametrize(
    ("deployed", "changes", "where"),
    [
        (True, {}, "gcn.nasa.gov"),
        (False, {}, "test.gcn.nasa.gov"),
        (True, {"role": "test"}, "test.gcn.nasa.gov"),
        (True, {"name": "260304aaaa_inj1"}, "test.gcn.nasa.gov"),
    ],
)
def test_a_test_goes_to_the_test_brokers_and_says_so(
    deployed: bool, changes: dict[str, str], where: str
) -> None:
    its = GcnSender(GcnSettings(client_id="an id", test_client_id="a test's"), deployed)
    said = message(its, entry("gcn", **changes))
    assert said.to == f"gcn.notices.dsa110.frb at {where}"
    is_test = where.startswith("test.")
    assert said.test is is_test
    assert ("This is a test" in json.loads(said.raw).get("description", "")) is is_test


def test_without_credentials_nothing_is_sent() -> None:
    with pytest.raises(Unfit, match=r"\[world_gcn\] client_id"):
        message(GcnSender(GcnSettings(), True), entry("gcn"))


@pytest.mark.parametrize(
    ("settings", "lacks"),
    [
        ({"client_id": "an id"}, r"test\.gcn\.nasa\.gov are set: \[world_gcn\] test_client_id"),
        ({"config": {"bootstrap.servers": "x"}}, r"\[world_gcn\] test_topic"),
        ({"config": {"bootstrap.servers": "x"}, "test_topic": "a.topic"}, r"\[world_gcn\] test_topic"),
    ],
)
def test_a_test_is_not_sent_with_the_credentials_or_to_the_topic_of_what_was_seen(
    settings: dict[str, Any], lacks: str
) -> None:
    its = GcnSender(GcnSettings(topic="a.topic", **settings), True)
    assert message(its, entry("gcn")).test is False
    with pytest.raises(Unfit, match=lacks):
        message(its, entry("gcn", role="test"))
    with pytest.raises(Unreachable, match=lacks):
        GcnSender(GcnSettings(topic="a.topic", **settings), False).reach()


def test_the_credentials_of_a_test_are_those_of_its_domain(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def connect(config: dict[str, Any], **who: Any) -> None:
        asked.append(who)
        raise KafkaException(KafkaError(KafkaError._INVALID_ARG))

    monkeypatch.setattr("gcn_kafka.Producer", connect)
    of_tests = {"test_client_id": "test id", "test_client_secret": "test secret"}
    its = GcnSender(GcnSettings(client_id="an id", client_secret="a secret", **of_tests), True)
    for one in (entry("gcn"), entry("gcn", role="test")):
        with pytest.raises(NotTaken):
            its.send(message(its, one))
    assert asked == [
        {"client_id": "an id", "client_secret": "a secret", "domain": "gcn.nasa.gov"},
        {"client_id": "test id", "client_secret": "test secret", "domain": "test.gcn.nasa.gov"},
    ]


def test_tests_have_a_topic_of_their_own_at_other_brokers(kafka: kafkas.Kafka) -> None:
    its = sender(kafka.config, "a.topic.that.nobody.writes", test_topic=kafka.topic, deployed=False)
    said = message(its, entry("gcn", name="260304bbbb"))
    assert said.test
    assert its.send(said)["said"].startswith(f"acknowledged as {kafka.topic}[")


def test_kafka_acknowledges_a_notice_and_has_it_once(kafka: kafkas.Kafka) -> None:
    its = sender(kafka.config, kafka.topic)
    said = message(its, entry("gcn"))
    kafka.send(
        kafka.topic, b"not JSON", b"[]", b'{"id": "260304aaaa", "alert_type": "retraction"}', b'{"id": 1}'
    )
    assert its.find(said) is None
    assert its.send(said)["said"].startswith(f"acknowledged as {kafka.topic}[")
    found = its.find(message(its, entry("gcn", id=8)))
    assert found is not None
    assert found.name == "GCN notice of 260304aaaa, initial"
    assert its.find(message(its, entry("gcn", alert_type="subsequent"))) is None
    assert its.find(message(its, entry("gcn", name="260304aaab"))) is None
    assert kafka.topic in its.reach()


def test_who_may_write_only_does_not_look(kafka: kafkas.Kafka) -> None:
    its = sender(kafka.config, kafka.topic, client_id="an id of a producer")
    assert its.find(message(its, entry("gcn"))) is None


def test_brokers_that_are_away_are_unreachable_for_one_reason_and_no_flood_of_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    config = {"bootstrap.servers": f"127.0.0.1:{free_port()}", "security.protocol": "plaintext"}
    its = GcnSender(GcnSettings(config=config, timeout_s=0.3), True)
    said = message(its, entry("gcn"))
    for ask in (lambda: its.find(said), lambda: its.send(said), its.reach):
        with pytest.raises(Unreachable, match=r"frb at 127\.0\.0\.1.*Connection refused$"):
            ask()
    assert caplog.records == []


def test_settings_that_librdkafka_does_not_know_are_told_as_such() -> None:
    its = sender({"bootstrap.servers": "x", "no.such.setting": 1})
    with pytest.raises(NotTaken, match=r"\[world_gcn\].*no\.such\.setting"):
        its.send(message(its, entry("gcn")))


def test_the_secret_is_in_no_message_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    config = {"bootstrap.servers": f"127.0.0.1:{free_port()}", "security.protocol": "sasl_plaintext"}
    settings = GcnSettings(config=config, client_id="an id", client_secret="hush-hush", timeout_s=0.3)
    its = GcnSender(settings, True)
    said = message(its, entry("gcn"))
    with pytest.raises(Unreachable) as caught:
        its.send(said)
    assert "hush-hush" not in f"{caught.value}{settings!r}{said!r}{caplog.text}"
