"""A whole observatory on this machine: brokers, relay, receivers, clients, telescopes; and the ways in."""

import json
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
from confluent_kafka import Producer

from ovro_alert.demo.chime_broker import ChimeBroker
from ovro_alert.demo.processes import Failed, Processes, free_port, wait_for
from ovro_alert.demo.samples import Sample
from ovro_alert.demo.telescopes import THERE
from ovro_alert.link.etcd import Etcd, EtcdAway

PORT = 8001  # the relay's, where it is free
KEY = "demo"  # on loopback, for as long as the demonstration runs
LOCAL_IVO = "ivo://ovro.caltech.edu/demo"
TRIGGER = "/mon/corr/1/trigger"  # where DSA-110's search says what it found
MEGABYTES = 8_000_000  # of one Kafka message, either way; GCN's largest are 4 MiB


@dataclass(frozen=True)
class Observatory:
    """What runs, and how to hand it an alert as its sender would."""

    processes: Processes
    environment: dict[str, str]  # of each
    out: Path
    etcd: Etcd
    producer: Producer
    chime: ChimeBroker

    @property
    def relay_url(self) -> str:
        return self.environment["RELAY_URL"]

    def send(self, sample: Sample) -> None:
        """Sends a sample by its own transport. Raises Failed where the transport does not take it."""
        match sample.transport:
            case "kafka":
                self._produce(sample)
            case "voevent":
                self.chime.send(sample.raw)
            case "flarescope":
                self._drop(sample)
            case "etcd":
                self._put(sample)

    def _produce(self, sample: Sample) -> None:
        self.producer.produce(sample.topic, sample.raw)
        if self.producer.flush(10):
            raise Failed(f"Kafka did not take {sample.name}")

    def _put(self, sample: Sample) -> None:
        try:
            self.etcd.put(TRIGGER, sample.raw)
        except EtcdAway as away:
            raise Failed(f"etcd did not take {sample.name}: {away}") from away

    def _drop(self, sample: Sample) -> None:
        # Under another name first: a request that is half written is nobody's to read.
        part = self.out / "requests" / f".{sample.filename}.part"
        part.write_bytes(sample.raw)
        part.rename(part.with_name(sample.filename))


@contextmanager
def observatory(out: Path, topics: Iterable[str]) -> Iterator[Observatory]:
    """Runs an observatory whose files are below `out`; ends all of it on leaving."""
    out = out.resolve()
    port, etcd_port = free_port(PORT), free_port()
    url, etcd_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{etcd_port}"
    environment = {
        "RELAY_URL": url,
        "RELAY_KEY": KEY,
        "OVRO_ALERT_DATABASE_URL": f"sqlite:///{out / 'relay.sqlite'}",
        "OVRO_ALERT_ETCD_ENDPOINTS": json.dumps([etcd_url]),
        "OVRO_ALERT_FLARESCOPE_FOLDER": str(out / "requests"),
        "OVRO_ALERT_DSA110_DIRECTORY": str(out / "dsa110-receiver"),
        **_client("lwa", out),
        **_client("dsa", out),
        # What they see is to be told at once: nobody waits for an operator's seconds here.
        "OVRO_ALERT_LWA_FOLLOW_S": "0.2",
        "OVRO_ALERT_LWA_DUMP_LOOK_S": "0.1",
        "OVRO_ALERT_LWA_DUMP_SAY_S": "0.5",
        "OVRO_ALERT_DSA_LOOK_S": "0.2",
    }
    (out / "requests").mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        chime = stack.enter_context(closing(ChimeBroker()))
        etcd = stack.enter_context(Etcd([etcd_url]))
        processes = stack.enter_context(Processes(out / "logs", environment))
        etcd_log = _etcd(out, etcd_url, processes)
        relay_log = processes.start(
            "relay", "-m", "uvicorn", "relay_api:app", "--host=127.0.0.1", f"--port={port}"
        )
        broker_port, broker_log = _comet_broker(out, chime.port, processes)
        producer, bootstrap = _kafka(topics)
        _wait_for_answer(f"{etcd_url}/health", f"etcd (log: {etcd_log})", processes)
        there = processes.start("telescopes", "-m", "ovro_alert.demo.telescopes", etcd_url)
        _wait_for_answer(f"{url}/healthz", f"the relay (log: {relay_log})", processes)
        logs = [(there, THERE, "the telescopes' twins")]
        for slot in ("lwa", "dsa"):
            log = processes.start(f"{slot}-alert", "-m", f"ovro_alert.clients.{slot}_alert")
            logs.append((log, f"following /{slot}", f"{slot}-alert at the relay"))
        kafka_log = _gcn_receiver(topics, bootstrap, processes)
        logs.append((kafka_log, "Kafka gave us", "the GCN receiver at Kafka"))
        processes.start("flarescope-receiver", "-m", "ovro_alert.receivers.flarescope")
        processes.start("dsa110-receiver", "-m", "ovro_alert.receivers.dsa110")
        _wait_for_words(" starting on ", broker_log, "Comet's broker", processes)
        processes.start(
            "chime-voevent",
            *_comet(out, "receiver"),
            f"--remote=127.0.0.1:{broker_port}",
            "--ovro-relay",
            f"--ovro-relay-spool={out / 'spool'}",
        )
        logs.append((broker_log, "New subscriber", "the CHIME receiver at the broker"))
        wait_for(lambda: chime.has_subscriber(), "Comet's broker at CHIME's")
        for log, words, what in logs:
            _wait_for_words(words, log, what, processes)
        yield Observatory(processes, environment, out, etcd, producer, chime)


def _client(slot: str, out: Path) -> dict[str, str]:
    """The settings of a telescope's client."""
    table = {"DIRECTORY": str(out / slot), "CLIENT": f"{slot}-alert", "LEASE_S": "3", "WAIT_S": "0.5"}
    return {f"OVRO_ALERT_{slot.upper()}_ALERT_{name}": value for name, value in table.items()}


def _etcd(out: Path, url: str, processes: Processes) -> Path:
    """The telescopes' etcd: the real one, or where that is not installed the one in memory; its log."""
    program = shutil.which("etcd")
    if program is None:
        port = url.rpartition(":")[2]
        return processes.start("etcd", "-m", "ovro_alert.demo.etcd_gateway", "--port", port)
    peer = f"http://127.0.0.1:{free_port()}"
    return processes.start(
        "etcd",
        f"--data-dir={out / 'etcd'}",
        "--logger=zap",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        program=program,
    )


def _comet_broker(out: Path, chime_port: int, processes: Processes) -> tuple[int, Path]:
    """The observatory's own VOEvent broker, which subscribes to CHIME's; its port and its log."""
    port = free_port()
    log = processes.start(
        "comet-broker",
        *_comet(out, "broker"),
        f"--remote=127.0.0.1:{chime_port}",
        "--broadcast",
        f"--broadcast-port={port}",
        "--broadcast-test-interval=0",
        "--subscriber-whitelist=127.0.0.0/8",
    )
    return port, log


def _gcn_receiver(topics: Iterable[str], bootstrap: str, processes: Processes) -> Path:
    config = {"bootstrap.servers": bootstrap, "security.protocol": "plaintext", "fetch.wait.max.ms": 20}
    return processes.start(
        "gcn-receiver",
        "-m",
        "ovro_alert.receivers.gcn_kafka",
        OVRO_ALERT_GCN_KAFKA_TOPICS=json.dumps(sorted(topics)),
        OVRO_ALERT_GCN_KAFKA_CONFIG=json.dumps(config),
        OVRO_ALERT_GCN_KAFKA_HEARTBEAT="false",  # nobody sends one here
    )


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


def _wait_for_words(words: str, log: Path, what: str, processes: Processes) -> None:
    def has_come() -> bool:
        processes.check()
        return words in log.read_text(errors="replace")

    wait_for(has_come, f"{what} (log: {log})")


def _wait_for_answer(url: str, what: str, processes: Processes) -> None:
    def answers() -> bool:
        processes.check()
        try:
            return httpx2.get(url, trust_env=False).is_success
        except httpx2.TransportError:
            return False

    wait_for(answers, what)
