"""world-alert: tells the world what DSA-110 has seen, as the relay's slot `/world` asks.

Each command is one sender's, `voevent`, `gcn`, `swift` or `tns`, and is tried until the other side has
acknowledged it or its deadline has come; that one cannot be reached stops none of the others.
"""

import socket
import sys
import threading
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import typer

from ovro_alert.acting import NotTaken, Unreachable
from ovro_alert.announce.gcn import GcnSender
from ovro_alert.announce.hands import WorldHands
from ovro_alert.announce.sender import Sender
from ovro_alert.announce.settings import (
    GcnSettings,
    SwiftSettings,
    TnsSettings,
    VoeventSettings,
    WorldSettings,
)
from ovro_alert.announce.swift import SwiftSender
from ovro_alert.announce.tns import TnsSender
from ovro_alert.announce.voevent import VoeventSender
from ovro_alert.command import Entry, Kind, State, to_mjd
from ovro_alert.link import vtp
from ovro_alert.link.alone import alone
from ovro_alert.link.daemon import run
from ovro_alert.link.durable import replace
from ovro_alert.link.settings import LinkSettings, WorkerSettings
from ovro_alert.link.worker import Worker


class WorldAlertSettings(WorkerSettings, table="world_alert"):
    """Table `[world_alert]`; the environment names them OVRO_ALERT_WORLD_ALERT_DIRECTORY and so on."""

    slot: str = "world"
    directory: Path = Path("world")  # what was sent, TNS's reports, locks, cursors


def send(settings: VoeventSettings, raw: bytes) -> str:
    """Gives a VOEvent to the broker, and says how it took it. Raises Unreachable and NotTaken."""
    try:
        vtp.send(raw, settings.host, settings.port, settings.timeout_s)
    except vtp.Nak as nak:
        if nak.is_known:
            return "acknowledged before"
        raise NotTaken(f"the broker {settings.host}:{settings.port} refuses it: {nak}") from nak
    except OSError as error:
        raise Unreachable(f"the VOEvent broker {settings.host}:{settings.port}: {error}") from error
    return "acknowledged"


def reach(settings: VoeventSettings) -> None:
    """Connects with the broker, and sends nothing. Raises OSError."""
    socket.create_connection((settings.host, settings.port), settings.timeout_s).close()


def hands(directory: Path) -> WorldHands:
    """All senders, by the settings; what they keep goes into `directory`."""
    deployed = WorldSettings().deployed
    broker = VoeventSettings()
    senders: dict[str, Sender] = {
        "voevent": VoeventSender(broker, deployed, partial(send, broker), partial(reach, broker)),
        "gcn": GcnSender(GcnSettings(), deployed),
        "swift": SwiftSender(SwiftSettings(), deployed),
        "tns": TnsSender(TnsSettings(), deployed, directory, replace),
    }
    return WorldHands(senders, directory, replace, alone)


def example(now: datetime) -> Entry:
    """A command about a burst that there never was, a minute ago."""
    seen = now - timedelta(minutes=1)
    args = {
        "name": f"{seen:%y%m%d}aaaa_inj0",
        "toa": seen.isoformat(),
        "ra": 83.633083,
        "dec": 22.0145,
        "error_deg": 0.016,
        "dm": 560.5,
        "snr": 12.5,
        "width_ms": 1.05,
        "importance": 0.99,
    }
    return Entry(
        id=0,
        seq=0,
        slot="world",
        kind=Kind.COMMAND,
        command="test",
        args=args,
        command_mjd=to_mjd(now),
        state=State.QUEUED,
        event_id=f"dsa-{args['name']}",
        deadline=None,
    )


def check(now: datetime) -> bool:
    """Prints what is seen of each other side, and what it would be sent; whether all are seen."""
    all_seen = True
    for word, (is_seen, side, would) in hands(WorldAlertSettings().directory).seen(example(now)).items():
        print(f"{word}: {side}\n{would}\n")
        all_seen = all_seen and is_seen
    return all_seen


def main() -> None:
    """Console script `world-alert`."""
    typer.run(_main)


def _main(
    look: bool = typer.Option(
        False, "--check", help="Say what is seen of each other side, and send nothing."
    ),
) -> None:
    """Tell the world what DSA-110 has seen, as the relay's slot /world asks.

    Settings: the tables world_alert (directory, client, lease_s …), world (deployed) and, of each sender,
    world_voevent, world_gcn, world_swift and world_tns; RELAY_URL and RELAY_KEY say where the relay is.
    """
    if look:
        sys.exit(0 if check(datetime.now(UTC)) else 1)

    def work(stop: threading.Event) -> None:
        settings = WorldAlertSettings()
        with LinkSettings().relay() as relay:
            Worker(relay, hands(settings.directory), settings, stop, in_turn=None).follow()

    sys.exit(run(work))


if __name__ == "__main__":
    main()
