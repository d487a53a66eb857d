"""A whole observatory on this machine: broker, Comet, relay, receivers, LWA client; and the ways in."""

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
from confluent_kafka import Producer

from ovro_alert.demo.chime_broker import ChimeBroker
from ovro_alert.demo.processes import Failed, Processes, free_port, wait_for
from ovro_alert.demo.samples import Sample

PORT = 8001  # the relay's, where it is free
KEY = "demo"  # on loopback, for as long as the demonstration runs
LOCAL_IVO = "ivo://ovro.caltech.edu/demo"
MEGABYTES = 8_000_000  # of one Kafka message, either way; GCN's largest are 4 MiB


@dataclass(frozen=True)
class Observatory:
    """What runs, and how to hand it an alert as its sender would."""

    processes: Processes
    relay_url: str
    out: Path
    producer: Producer
    chime: ChimeBroker

    def send(self, sample: Sample) -> None:
        """Sends a sample by its own transport. Raises Failed where the transport does not take it."""
        match sample.transport:
            case "kafka":
                self._produce(sample)
            case "voevent":
                self.chime.send(sample.raw)
            case "flarescope":
                self._drop(sample)

    def _produce(self, sample: Sample) -> None:
        self.producer.produce(sample.topic, sample.raw)
        if self.producer.flush(10):
            raise Failed(f"Kafka did not take {sample.name}")

    def _drop(self, sample: Sample) -> None:
        # Under another name first: a request that is half written is nobody's to read.
        part = self.out / "requests" / f".{sample.filename}.part"
        part.write_bytes(sample.raw)
        part.rename(part.with_name(sample.filename))


@contextmanager
def observatory(out: Path, topics: Iterable[str]) -> Iterator[Observatory]:
    """Runs an observatory whose files are below `out`; ends all of it on leaving."""
    out = out.resolve()
    port, broker_port = free_port(PORT), free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        "RELAY_URL": url,
        "RELAY_KEY": KEY,
        "OVRO_ALERT_DATABASE_URL": f"sqlite:///{out / 'relay.sqlite'}",
        "OVRO_ALERT_LWA_ALERT_DIRECTORY": str(out),
        "OVRO_ALERT_LWA_ALERT_CLIENT": "lwa-alert",
        "OVRO_ALERT_FLARESCOPE_FOLDER": str(out / "requests"),
    }
    (out / "requests").mkdir(parents=True, exist_ok=True)
    with closing(ChimeBroker()) as chime, Processes(out / "logs", environment) as processes:
        processes.start("relay", "-m", "uvicorn", "relay_api:app", "--host", "127.0.0.1", "--port", str(port))
        producer, bootstrap = _kafka(topics)
        broker_log = processes.start(
            "comet-broker",
            *_comet(out, "broker"),
            f"--remote=127.0.0.1:{chime.port}",
            "--broadcast",
            f"--broadcast-port={broker_port}",
            "--broadcast-test-interval=0",
            "--subscriber-whitelist=127.0.0.0/8",
        )
        wait_for(lambda: _answers(url, processes), f"the relay (log: {out / 'logs' / 'relay.log'})")
        wait_for(lambda: " starting on " in _text(broker_log, processes), "Comet's broker")
        processes.start(
            "chime-voevent",
            *_comet(out, "receiver"),
            f"--remote=127.0.0.1:{broker_port}",
            "--ovro-relay",
            f"--ovro-relay-spool={out / 'spool'}",
        )
        config = {"bootstrap.servers": bootstrap, "security.protocol": "plaintext", "fetch.wait.max.ms": 20}
        kafka_log = processes.start(
            "gcn-receiver",
            "-m",
            "ovro_alert.receivers.gcn_kafka",
            OVRO_ALERT_GCN_KAFKA_TOPICS=json.dumps(sorted(topics)),
            OVRO_ALERT_GCN_KAFKA_CONFIG=json.dumps(config),
            OVRO_ALERT_GCN_KAFKA_HEARTBEAT="false",  # nobody sends one here
        )
        processes.start("flarescope-receiver", "-m", "ovro_alert.receivers.flarescope")
        processes.start("lwa-alert", "-m", "ovro_alert.clients.lwa_alert")
        wait_for(lambda: chime.has_subscriber(), "Comet's broker at CHIME's")
        wait_for(lambda: "New subscriber" in _text(broker_log, processes), "the CHIME receiver at the broker")
        wait_for(lambda: "Kafka gave us" in _text(kafka_log, processes), "the GCN receiver at Kafka")
        yield Observatory(processes, url, out, producer, chime)


def _kafka(topics: Iterable[str]) -> tuple[Producer, str]:
    """librdkafka's own mock cluster, which speaks the real protocol, and a producer on it."""
    producer = Producer(
        {
            "bootstrap.servers": "the mock cluster's",
            "test.mock.num.brokers": 1,
            "message.max.bytes": MEGABYTES,
            "linger.ms": 0,
            "log_level": 3,
        }
    )
    for topic in topics:  # asking for it makes it
        producer.list_topics(topic, timeout=10)
    brokers = producer.list_topics(timeout=10).brokers.values()
    return producer, ",".join(f"{broker.host}:{broker.port}" for broker in brokers)


def _comet(out: Path, name: str) -> list[str]:
    """The command line of a Comet that keeps what it keeps below `out`."""
    events = out / "comet" / name
    events.mkdir(parents=True, exist_ok=True)
    twistd = str(Path(sys.executable).with_name("twistd"))
    return [twistd, "--nodaemon", "--pidfile=", "comet", f"--local-ivo={LOCAL_IVO}", f"--eventdb={events}"]


def _text(log: Path, processes: Processes) -> str:
    processes.check()
    return log.read_text(errors="replace")


def _answers(url: str, processes: Processes) -> bool:
    processes.check()
    try:
        return httpx2.get(f"{url}/healthz", trust_env=False).is_success
    except httpx2.TransportError:
        return False
