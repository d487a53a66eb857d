"""`ovro-alert send`: what it says of each alert, what it refuses to send, and when it fails."""

import json
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import confluent_kafka
import pytest
from click.testing import Result
from typer.testing import CliRunner

from comets import CometBroker, ending
from kafkas import Apache, Kafka, Mock
from ovro_alert import send_cli
from ovro_alert.alert import Role
from ovro_alert.cli import app
from ovro_alert.demo.processes import free_port
from ovro_alert.demo.sample_bursts import Burst, chime_notice, chime_voevent
from ovro_alert.demo.sample_waves import BNS, gw_notice
from ovro_alert.formats import read
from support import RunningRelay


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRelay]:
    """A relay for all of these tests, each of which has a burst of its own."""
    running = RunningRelay(tmp_path_factory.mktemp("relay"))
    running.start()
    yield running
    running.stop()


@pytest.fixture
def burst() -> Burst:
    seen = datetime.now(UTC) - timedelta(seconds=1)
    return Burst(str(uuid4().int % 10**12), seen, 29.5, 65.7, 500.0, 0.99)


@pytest.fixture
def real(tmp_path, burst) -> Path:
    path = tmp_path / "real.xml"
    path.write_bytes(chime_voevent(burst))
    return path


@pytest.fixture
def test(tmp_path, burst) -> Path:
    path = tmp_path / "test.xml"
    path.write_bytes(chime_voevent(replace(burst, seen=burst.seen + timedelta(seconds=1), role="test")))
    return path


def send(*arguments: object, stdin: bytes = b"", **environment: str) -> Result:
    return CliRunner().invoke(app, ["send", *map(str, arguments)], input=stdin, env=environment)


def at(relay) -> dict[str, str]:
    return {"RELAY_URL": relay.url, "RELAY_KEY": relay.key}


def test_of_each_alert_it_says_what_the_relay_made_of_it(relay, burst, real, test):
    result = send(real, test, real, **at(relay))
    assert result.exit_code == 0, result.output
    first, second, again = result.stdout.split(f"{real.parent}/")[1:]
    with relay.client() as client:
        queued = [one["id"] for one in client.get(f"/events/chime-{burst.number}").json()["commands"]]
    assert len(queued) == 2
    assert first.startswith("real.xml: alert ivo://ca.chimenet.frb/FRB-DETECTION-#")
    assert f" of event chime-{burst.number}\n" in first
    assert "\n  yes   CHIME burst: " in first
    assert "\n  no    LIGO neutron-star merger: not met: source " in first
    assert first.endswith(f"\n  commands: {queued[0]}, {queued[1]}\n")
    assert second.startswith("test.xml: ")
    assert second.endswith("\n  commands: none\n")
    assert f" of event chime-{burst.number}, which the relay had already\n" in again
    assert again.split("\n")[1:] == first.split("\n")[1:]


def test_from_standard_input_of_a_format_that_is_named(relay):
    request = {"ra": 154.9, "dec": 19.87, "start": "2026-03-01T12:00:00Z", "duration": 60}
    raw = json.dumps(request).encode()
    result = send("-", "--format", "flarescope", stdin=raw, **at(relay))
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("-: alert flarescope-request-2026-03-01T12:00:00Z-")
    assert send("-", "--format", "igwn-gwalert", stdin=raw, **at(relay)).exit_code == 1


def test_what_is_refused_is_said_with_the_reason_and_the_rest_is_sent(relay, real, tmp_path):
    bad = tmp_path / "bad.json"
    bad.write_text('{"ra": 1.0, "dec": 2.0, "duration": 3}')
    result = send(tmp_path / "absent", bad, real, **at(relay))
    assert result.exit_code == 1
    absent, refused = result.stderr.strip().splitlines()
    assert absent == f"{tmp_path / 'absent'}: not sent: No such file or directory"
    assert "bad.json: not sent: the relay refuses it, and keeps it set aside as number " in refused
    assert "start: is required" in refused
    assert "real.xml: alert " in result.stdout
    wrong = send(real, **at(relay) | {"RELAY_KEY": "wrong"})
    assert wrong.exit_code == 1
    assert "not sent: the relay refuses it: 401" in wrong.stderr


def test_a_relay_that_is_away_is_said_to_be(real):
    result = send(real, RELAY_URL=f"http://127.0.0.1:{free_port()}", RELAY_KEY="any")
    assert result.exit_code == 1
    assert "real.xml: not sent: the relay is away: " in result.stderr


def test_what_is_posted_as_a_test_is_of_an_event_of_its_own_each_time(relay, burst, real):
    results = [send(real, "--as-test", **at(relay)) for _ in range(2)]
    assert [one.exit_code for one in results] == [0, 0]
    with relay.client() as client:
        for result in results:
            event_id = result.stdout.split(" of event ")[1].split("\n")[0]
            assert event_id.startswith(f"chime-{burst.number}")
            assert event_id != f"chime-{burst.number}"
            assert client.get(f"/events/{event_id}").json()["alerts"][0]["role"] == "test"
    assert "a test moves nothing" in results[0].stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--kafka", "a", "--vtp", "b"], "one of --kafka and --vtp"),
        (["--bootstrap", "a:1"], "--bootstrap is for --kafka"),
        (["--vtp", "a", "--real", "--as-test"], "one of --real and --as-test"),
        (["--vtp", "broker:vtp"], "must be HOST or HOST:PORT"),
        (["--vtp", ":8098"], "must be HOST or HOST:PORT"),
        (["--vtp", "broker:65536"], "must be HOST or HOST:PORT"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(real, options, said):
    result = send(real, *options)
    assert result.exit_code == 2
    assert said in result.stderr


def test_without_a_key_nothing_is_tried(real):
    result = send(real, RELAY_KEY="")
    assert result.exit_code == 2
    assert "RELAY_KEY" in result.stderr


@pytest.mark.parametrize("option", ["--kafka", "--vtp"])
def test_a_drill_sends_no_observation_by_accident(real, tmp_path, option):
    """Nobody listens where it would go: what is tried is known by that."""
    nowhere = f"127.0.0.1:{free_port()}"
    to = ["--kafka", "topic", "--bootstrap", nowhere] if option == "--kafka" else ["--vtp", nowhere]
    result = send(real, *to)
    assert result.exit_code == 1
    assert "it is no test but of role observation: --as-test makes it one" in result.stderr
    bad = tmp_path / "bad"
    bad.write_bytes(b"neither")
    result = send(bad, *to)
    assert result.exit_code == 1
    assert "nobody can say that it is a test" in result.stderr


@pytest.mark.end_to_end
def test_by_vtp_to_a_broker_that_acknowledges_or_says_why_not(real, test, tmp_path):
    bad = tmp_path / "bad.xml"
    bad.write_bytes(test.read_bytes().replace(b"<Who>", b"<Whom>").replace(b"</Who>", b"</Whom>"))
    with ending(CometBroker(tmp_path / "broker")) as broker:
        to = ["--vtp", f"127.0.0.1:{broker.author_port}"]
        result = send(test, bad, test, *to, "--real")
        assert result.exit_code == 1
        assert result.stdout == f"{test}: acknowledged by 127.0.0.1:{broker.author_port}\n"
        invalid, again = result.stderr.strip().splitlines()
        assert "bad.xml: not sent: " in invalid
        assert "Whom" in invalid
        assert "test.xml: not sent: " in again
        assert "Previously seen by this broker" in again
        drilled = send(real, *to, "--as-test")
        assert drilled.exit_code == 0, drilled.output
    nobody = send(test, *to)
    assert nobody.exit_code == 1
    assert "Connection refused" in nobody.stderr


@pytest.fixture(params=["mock", "apache"])
def kafka(request) -> Iterator[Kafka]:
    """librdkafka's mock cluster, and Apache Kafka where there is one."""
    started = os.environ.get("OVRO_ALERT_TEST_KAFKA", "")
    if request.param == "apache" and not started:
        pytest.skip("no Apache Kafka: set OVRO_ALERT_TEST_KAFKA to what `deploy/dev/kafka start` prints")
    with closing(Mock() if request.param == "mock" else Apache(started.split()[0])) as kafka:
        yield kafka


def test_into_kafka_byte_for_byte(kafka, burst, tmp_path):
    wave = tmp_path / "wave.json"
    filling = b" " * 1_000_000  # with it the notice is more than librdkafka sends unless it is told
    wave.write_bytes(gw_notice("MS260301ab", "PRELIMINARY", datetime.now(UTC), BNS) + filling)
    notice = tmp_path / "notice.json"
    notice.write_bytes(chime_notice(burst))
    to = ["--kafka", kafka.topic, "--bootstrap", kafka.address]
    result = send(wave, *to)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"{wave}: in {kafka.topic}, partition ")
    assert send(notice, "--real", *to).exit_code == 0
    assert send(notice, "--as-test", *to).exit_code == 0
    same, real, test = received(kafka, 3)
    assert (same, real) == (wave.read_bytes(), notice.read_bytes())
    assert read(test).role is Role.TEST


def received(kafka: Kafka, many: int) -> list[bytes]:
    """The first messages of the topic, in the order of their coming."""
    consumer = confluent_kafka.Consumer(
        kafka.config | {"group.id": kafka.group, "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([kafka.topic])
    try:
        messages = [message for _ in range(many) for message in consumer.consume(1, 20)]
    finally:
        consumer.close()
    assert len(messages) == many
    return [one.value() for one in sorted(messages, key=lambda one: one.timestamp()[1])]


def test_what_kafka_does_not_take_is_said_with_what_it_last_said(test, tmp_path, monkeypatch):
    monkeypatch.setattr(send_cli, "DELIVERY_S", 0.5)
    nowhere = f"127.0.0.1:{free_port()}"
    result = send(test, "--kafka", "topic", "--bootstrap", nowhere)
    assert result.exit_code == 1
    assert "timed out" in result.stderr
    assert "Connection refused" in result.stderr
    huge = tmp_path / "huge"
    huge.write_bytes(bytes(send_cli.LARGEST + 1))
    result = send(huge, "--kafka", "topic", "--bootstrap", nowhere, "--real")
    assert result.exit_code == 1
    assert "Message size too large" in result.stderr


def test_the_broker_and_its_credentials_are_the_receivers(test, monkeypatch):
    monkeypatch.setattr(send_cli, "DELIVERY_S", 0.5)
    nowhere = f"127.0.0.1:{free_port()}"
    config = {"bootstrap.servers": nowhere, "security.protocol": "plaintext"}
    table = {"OVRO_ALERT_GCN_KAFKA_CONFIG": json.dumps(config), "OVRO_ALERT_GCN_KAFKA_GROUP_ID": "receiver"}
    result = send(test, "--kafka", "topic", **table)
    assert result.exit_code == 1
    assert f"{nowhere} failed: Connection refused" in result.stderr
    wrong = send(test, "--kafka", "topic", OVRO_ALERT_GCN_KAFKA_CONFIG='{"no.such.setting": 1}')
    assert wrong.exit_code == 2
    assert "no.such.setting" in wrong.stderr
