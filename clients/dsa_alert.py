"""dsa-alert: carries out the commands of the relay's slot `/dsa` at DSA-110, each at most once.

`dump` writes the voltage buffers, `repoint` moves the antennas when a person has approved it, and `CHIME FRB`
looks for a burst of CHIME's among the array's own: all over its etcd, and each followed to its end.
"""

import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from ovro_alert.command import Entry
from ovro_alert.link.daemon import in_background, run
from ovro_alert.link.settings import EtcdSettings, LinkSettings, WorkerSettings
from ovro_alert.link.worker import Worker
from ovro_alert.telescopes.dsa.check import check as look
from ovro_alert.telescopes.dsa.hands import DsaHands, utc_now
from ovro_alert.telescopes.dsa.settings import DsaSettings
from ovro_alert.telescopes.findings import Level, told
from ovro_alert.telescopes.watch import watch


class DsaAlertSettings(WorkerSettings, table="dsa_alert"):
    """Table `[dsa_alert]`; the environment names them OVRO_ALERT_DSA_ALERT_DIRECTORY and so on."""

    slot: str = "dsa"
    directory: Path = Path("dsa")  # locks, cursors


def turn(entry: Entry) -> str:
    """One move at a time, and one dump; none waits for the other, or for a search."""
    return entry.word


def main() -> None:
    """Console script `dsa-alert`."""
    typer.run(_main)


def _main(
    check: Annotated[bool, typer.Option("--check", help="Print what is seen of it; do nothing.")] = False,
) -> None:
    """Carry out the commands of the relay's slot /dsa at DSA-110, each at most once.

    Settings: the tables dsa_alert (directory, client, lease_s …), dsa and etcd of the settings file, or the
    environment; RELAY_URL and RELAY_KEY say where the relay is.
    """
    if check:
        try:
            raise typer.Exit(_check())
        except (ValueError, OSError) as error:
            typer.echo(f"dsa-alert: {error}", err=True)
            raise typer.Exit(1) from error

    def work(stop: threading.Event) -> None:
        settings = DsaAlertSettings()
        with LinkSettings().relay() as relay, EtcdSettings().client() as etcd:
            in_background(lambda: watch(lambda: look(etcd, DsaSettings(), utc_now()), stop), "watch")
            Worker(relay, DsaHands(etcd, DsaSettings()), settings, stop, in_turn=turn).follow()

    sys.exit(run(work))


def _check() -> int:
    with EtcdSettings().client() as etcd:
        findings = look(etcd, DsaSettings(), utc_now())
    for line in told(findings):
        typer.echo(line)
    return int(any(one.level is Level.WRONG for one in findings))


if __name__ == "__main__":
    main()
