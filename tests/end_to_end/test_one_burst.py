"""A burst that CHIME/FRB tells of by its VOEvent broker and by GCN: one event, acted on once."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from comets import CometBroker, ending, subscriber
from kafkas import Mock
from ovro_alert.cli import app
from ovro_alert.demo.sample_bursts import Burst, chime_notice, chime_voevent
from support import RunningRelay, until

TOPIC = "gcn.notices.chime.frb"
pytestmark = pytest.mark.end_to_end


@contextmanager
def gcn_receiver(relay: RunningRelay, kafka: Mock) -> Iterator[None]:
    settings = {
        "OVRO_ALERT_GCN_KAFKA_TOPICS": json.dumps([TOPIC]),
        "OVRO_ALERT_GCN_KAFKA_CONFIG": json.dumps(kafka.config),
    }
    with (relay.directory / "gcn.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ovro_alert.receivers.gcn_kafka"],
            cwd=relay.directory,
            env=relay.environment | settings,
            stdout=log,
            stderr=log,
        )
    try:
        yield
    finally:
        process.kill()
        process.wait(20)


def test_it_is_one_event_with_one_set_of_commands_whichever_way_is_the_faster(relay, tmp_path):
    with (
        closing(Mock()) as kafka,
        relay.client() as client,
        ending(CometBroker(tmp_path / "broker")) as broker,
        ending(subscriber(tmp_path / "ours", broker.port, relay)),
        gcn_receiver(relay, kafka),
    ):
        until(lambda: "New subscriber" in broker.log)
        voevent = (".xml", chime_voevent, ["--vtp", f"127.0.0.1:{broker.author_port}"])
        notice = (".json", chime_notice, ["--kafka", TOPIC, "--bootstrap", kafka.address])
        for number, ways in (("4321", (voevent, notice)), ("4322", (notice, voevent))):
            burst = Burst(number, datetime.now(UTC) - timedelta(seconds=1), 29.5, 65.7, 500.0, 0.99)

            def alerts(number: str = number) -> list[dict[str, str]]:
                answer = client.get(f"/events/chime-{number}")
                return answer.json()["alerts"] if answer.is_success else []

            for told, (suffix, write, to) in enumerate(ways, 1):
                file = tmp_path / f"{number}{suffix}"
                file.write_bytes(write(burst))
                result = CliRunner().invoke(app, ["send", "--real", str(file), *to])
                assert result.exit_code == 0, result.output
                until(lambda told=told: len(alerts()) == told)
            assert {one["transport"]["via"] for one in alerts()} == {"voevent", "kafka"}
            event = client.get(f"/events/chime-{number}").json()
            assert sorted(one["slot"] for one in event["commands"]) == ["dsa", "lwa"]
            assert {one["alert_id"] for one in event["commands"]} == {event["alerts"][0]["alert_id"]}
        assert len(client.get("/events").json()["events"]) == 2
