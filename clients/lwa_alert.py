"""lwa-alert: carries out the commands of the relay's slot `/lwa` at OVRO-LWA, each at most once.

Power and voltage beams go to its scheduler, dumps of the voltage buffer to its correlator's pipelines, both
over the telescope's etcd; each is followed until it has ended.
"""

import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ovro_alert.acting import Hands, Unreachable
from ovro_alert.command import Entry
from ovro_alert.link.daemon import in_background, run
from ovro_alert.link.durable import replace
from ovro_alert.link.settings import EtcdSettings, LinkSettings, WorkerSettings
from ovro_alert.link.worker import Worker
from ovro_alert.telescopes.etcd import Keys
from ovro_alert.telescopes.findings import Finding, Level, told
from ovro_alert.telescopes.hands import ByWord
from ovro_alert.telescopes.lwa.check import check as look
from ovro_alert.telescopes.lwa.dump.hands import Dumping
from ovro_alert.telescopes.lwa.dump.settings import DumpSettings
from ovro_alert.telescopes.lwa.observing import Observing
from ovro_alert.telescopes.lwa.settings import LwaSettings
from ovro_alert.telescopes.watch import watch


class LwaAlertSettings(WorkerSettings, table="lwa_alert"):
    """Table `[lwa_alert]`; the environment names them OVRO_ALERT_LWA_ALERT_DIRECTORY and so on."""

    slot: str = "lwa"
    directory: Path = Path("lwa")  # session definition files, for the scheduler's host; locks, cursors


def _utc_now() -> datetime:
    return datetime.now(UTC)


def hands(keys: Keys, directory: Path, clock: Callable[[], datetime] = _utc_now) -> Hands:
    """What carries out each word, by the settings."""
    settings = LwaSettings()
    observing = Observing(keys, settings, directory, replace, clock)
    dumping = Dumping(keys, DumpSettings(), marks=settings.marks_prefix, clock=clock)
    return ByWord({"powerbeam": observing, "voltagebeam": observing, "trigger": dumping})


def turn(entry: Entry) -> str:
    """Beams are chosen one after the other; a dump waits for none of them."""
    return "dumps" if entry.word == "trigger" else "beams"


def main() -> None:
    """Console script `lwa-alert`."""
    typer.run(_main)


def _main(
    check: Annotated[bool, typer.Option("--check", help="Print what is seen of it; do nothing.")] = False,
) -> None:
    """Carry out the commands of the relay's slot /lwa at OVRO-LWA, each at most once.

    Settings: the tables lwa_alert (directory, client, lease_s …), lwa (beams, pi_name …), lwa_dump and etcd
    of the settings file, or the environment; RELAY_URL and RELAY_KEY say where the relay is.
    """
    if check:
        try:
            raise typer.Exit(_check())
        except (ValueError, OSError) as error:
            typer.echo(f"lwa-alert: {error}", err=True)
            raise typer.Exit(1) from error

    def work(stop: threading.Event) -> None:
        settings = LwaAlertSettings()
        with LinkSettings().relay() as relay, EtcdSettings().client() as etcd:
            worker = Worker(relay, hands(etcd, settings.directory), settings, stop, in_turn=turn)
            in_background(lambda: watch(lambda: _seen(etcd, settings), stop), "watch")
            worker.follow()

    sys.exit(run(work))


def _check() -> int:
    with EtcdSettings().client() as etcd:
        findings = _seen(etcd, LwaAlertSettings())
    for line in told(findings):
        typer.echo(line)
    return int(any(one.level is Level.WRONG for one in findings))


def _seen(etcd: Keys, settings: LwaAlertSettings) -> list[Finding]:
    findings = look(etcd, settings.slot, LwaSettings(), settings.directory, _utc_now)
    with suppress(Unreachable):  # which was found already
        findings += Dumping(etcd, DumpSettings()).check(_utc_now())
    return findings


if __name__ == "__main__":
    main()
