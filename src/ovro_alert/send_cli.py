"""`ovro-alert send`: alerts by hand to the relay, or into what its receivers listen to, for drills."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer
from pydantic import AliasChoices, Field, SecretStr

from ovro_alert.alert import Role
from ovro_alert.formats import read
from ovro_alert.formats.drill import as_test
from ovro_alert.formats.unreadable import Unreadable
from ovro_alert.link import vtp
from ovro_alert.link.arrival import arrival
from ovro_alert.link.relay import Away, Receipt, Refused
from ovro_alert.link.settings import LinkSettings
from ovro_alert.settings import Settings

LARGEST = 8_000_000  # bytes of one message of Kafka's; GCN's have up to 4 MiB
DELIVERY_S = 30.0
Send = Callable[[str, bytes], str]  # a file's name and its content → what came of it

log = logging.getLogger(__name__)
app = typer.Typer(add_completion=False)


class GcnSettings(Settings, table="gcn_kafka", extra="ignore"):
    """What the receiver's table `[gcn_kafka]` says of the broker."""

    domain: Literal["gcn.nasa.gov", "test.gcn.nasa.gov", "dev.gcn.nasa.gov"] = "gcn.nasa.gov"
    client_id: str | None = Field(None, validation_alias=AliasChoices("GCN_KAFKA_CLIENT_ID", "client_id"))
    client_secret: SecretStr | None = Field(
        None, validation_alias=AliasChoices("GCN_KAFKA_CLIENT_SECRET", "client_secret")
    )
    config: dict[str, str | int | float | bool] = Field({})


class NotSent(Exception):
    """A message that is not to be sent, or did not arrive; the message says why."""


def _fail(reason: object) -> NoReturn:
    typer.echo(f"ovro-alert send: {reason}", err=True)
    raise typer.Exit(2)


@app.command()
def send(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="One alert each; - is standard input.")],
    format: Annotated[str | None, typer.Option(help="Its name, where the content does not tell it.")] = None,
    topic: Annotated[
        str, typer.Option("--kafka", metavar="TOPIC", help="To a topic of Kafka instead of the relay.")
    ] = "",
    bootstrap: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT",
            help="A Kafka of one's own, spoken to in plain and without credentials; "
            "otherwise it is the receiver's, of the settings.",
        ),
    ] = "",
    broker: Annotated[
        str,
        typer.Option(
            "--vtp", metavar="HOST[:PORT]", help="To a VOEvent broker's author port instead of the relay."
        ),
    ] = "",
    test: Annotated[
        bool,
        typer.Option("--as-test", help="As tests, of events that get new names whenever this is called."),
    ] = False,
    real: Annotated[
        bool,
        typer.Option("--real", help="By --kafka and --vtp also what is no test: telescopes may move."),
    ] = False,
) -> None:
    """Sends alerts to the relay by hand; with --kafka or --vtp to where its receivers hear them, for drills.

    Says of each what came of it, and exits with 1 where one was refused or did not arrive.
    """
    if topic and broker:
        _fail("one of --kafka and --vtp")
    if bootstrap and not topic:
        _fail("--bootstrap is for --kafka")
    if real and test:
        _fail("one of --real and --as-test")
    number = int(time.time())
    failed = False
    with (
        _to_kafka(topic, bootstrap) if topic else _to_broker(broker) if broker else _to_relay(format) as give
    ):
        for name in files:
            try:
                raw = _content(name)
                if test:
                    raw = as_test(raw, number, format)
                elif (topic or broker) and not real:
                    _require_test(raw, format)
                typer.echo(f"{name}: {give(name, raw)}")
            except (NotSent, Unreadable) as error:
                typer.echo(f"{name}: not sent: {error}", err=True)
                failed = True
    raise typer.Exit(int(failed))


def _content(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise NotSent(error.strerror or error) from error


def _require_test(raw: bytes, format: str | None) -> None:
    """A drill must not move telescopes by accident."""
    try:
        role = read(raw, format).role
    except Unreadable as error:
        raise NotSent(f"nobody can say that it is a test (--real sends it all the same): {error}") from error
    if role is not Role.TEST:
        raise NotSent(f"it is no test but of role {role}: --as-test makes it one, --real sends it as it is")


@contextmanager
def _to_relay(format: str | None) -> Iterator[Send]:
    try:
        relay = LinkSettings().relay()
    except ValueError as error:
        _fail(error)

    def give(name: str, raw: bytes) -> str:
        about = arrival("hand", datetime.now(UTC), file=name)
        try:
            return said_of(relay.post_alert(raw, about, format))
        except Away as away:
            raise NotSent(f"the relay is away: {away}") from away
        except Refused as refused:
            kept = (
                f", kept as number {refused.body['setaside']} of what is set aside"
                if refused.set_aside
                else ""
            )
            raise NotSent(f"the relay refuses it{kept}: {refused}") from refused

    with relay:
        yield give


def said_of(receipt: Receipt) -> str:
    """What the relay made of an alert, in lines: its event, each decision with its reasons, the commands."""
    known = ", which the relay had already" if receipt.duplicate else ""
    commands = ", ".join(map(str, receipt.commands)) or "none"
    return "\n".join(
        [
            f"alert {receipt.alert_id} of event {receipt.event_id}{known}",
            *(f"  {each.verdict:<5} {each.rule}: {'; '.join(each.reasons)}" for each in receipt.decisions),
            f"  commands: {commands}",
        ]
    )


@contextmanager
def _to_broker(address: str) -> Iterator[Send]:
    host, _, port = address.rpartition(":") if ":" in address else (address, "", str(vtp.PORT))
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        _fail(f"--vtp must be HOST or HOST:PORT, not {address!r}")

    def give(name: str, raw: bytes) -> str:
        try:
            vtp.send(raw, host, int(port))
        except vtp.Nak as nak:
            raise NotSent(f"{address} refuses it: {nak}") from nak
        except OSError as error:
            raise NotSent(f"{address}: {error}") from error
        return f"acknowledged by {address}"

    yield give


@contextmanager
def _to_kafka(topic: str, bootstrap: str) -> Iterator[Send]:
    troubles = ["nobody has answered"]
    producer = _producer(bootstrap, lambda error: troubles.append(error.str()))

    def give(name: str, raw: bytes) -> str:
        reports: list[tuple[Any, Any]] = []
        try:
            producer.produce(topic, raw, on_delivery=lambda *report: reports.append(report))
            producer.flush(2 * DELIVERY_S)  # beyond message.timeout.ms, so that there is a report
        except Exception as error:  # KafkaException, such as for a message that is too large
            raise NotSent(f"Kafka does not take it: {error}") from error
        failure, message = reports[0] if reports else (None, None)
        if message is None or failure is not None:
            said = "nothing" if failure is None else failure.str()
            raise NotSent(f"Kafka did not take it, it says {said}; of late: {troubles[-1]}")
        return f"in {topic}, partition {message.partition()}, offset {message.offset()}"

    yield give


def _producer(bootstrap: str, on_error: Callable[[Any], None]) -> Any:
    """A producer at a broker without credentials, or at the receiver's."""
    try:
        gcn_kafka = import_module("gcn_kafka")
    except ModuleNotFoundError as missing:
        _fail(f"this needs {missing.name}: pip install 'ovro-alert[gcn]'")
    ours = {
        "message.max.bytes": LARGEST,
        "message.timeout.ms": int(DELIVERY_S * 1000),
        "linger.ms": 0,
        "error_cb": on_error,
        "logger": log,
    }
    try:
        if bootstrap:
            return gcn_kafka.Producer(
                {**ours, "bootstrap.servers": bootstrap, "security.protocol": "plaintext"}
            )
        settings = GcnSettings()
        secret = None if settings.client_secret is None else settings.client_secret.get_secret_value()
        return gcn_kafka.Producer(
            {**ours, **settings.config},
            client_id=settings.client_id,
            client_secret=secret,
            domain=settings.domain,
        )
    except Exception as error:  # of our settings, or KafkaException of librdkafka's
        _fail(error)
