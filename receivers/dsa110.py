"""DSA-110's own triggers: a key of its etcd, and a folder into which its search writes them.

    OVRO_ALERT_ETCD_ENDPOINTS='["http://etcdv3service:2379"]' RELAY_KEY=… dsa110-receiver

Either may be left out. What was there before the first start is handed over, too: the relay keeps it, and the
policy finds that it is too late. The same trigger by both ways is one alert.

A trigger of etcd is behind us when the relay has acknowledged it, so that a kill repeats one and loses none;
while the relay is away etcd keeps them. Files are left as they are.
"""

import logging
import threading
import time
from collections.abc import Mapping
from concurrent.futures import wait
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import typer
from pydantic import ByteSize, DirectoryPath, PositiveFloat

from ovro_alert.link.arrival import arrival
from ovro_alert.link.cursor import Cursor
from ovro_alert.link.daemon import in_background, run
from ovro_alert.link.durable import replace
from ovro_alert.link.etcd import Etcd, Put
from ovro_alert.link.etcd_follow import Follower
from ovro_alert.link.folder import Dropped, Folder, Unusable, moments
from ovro_alert.link.ledger import Ledger
from ovro_alert.link.pulse import Pulse, beating
from ovro_alert.link.relay import Refused, Relay
from ovro_alert.link.retry import Stopped, persist
from ovro_alert.link.settings import EtcdSettings, LinkSettings
from ovro_alert.link.spool import MESSAGE, reason_of, write_reason
from ovro_alert.settings import Settings

log = logging.getLogger(__name__)

STOP_S = 1.0  # what may end by itself after a signal; the rest is left behind, where it does no harm


class Dsa110Settings(Settings, table="dsa110"):
    """Table `[dsa110]`; where etcd is says `[etcd]`."""

    key: str = "/mon/corr/1/trigger"
    folder: DirectoryPath | None = None
    directory: Path = Path("dsa110-receiver")  # what it remembers, and what the relay neither takes nor keeps
    check_s: PositiveFloat = 15.0  # without a word of etcd for so long, it is asked whether all is well
    settle_s: PositiveFloat = 5.0  # after that long without a change, what is no JSON will not become any
    look_s: PositiveFloat = 2.0  # between two looks, for what the kernel does not tell (network folders)
    max_size: ByteSize = ByteSize(1_000_000)


class Desk:
    """Hands messages to the relay, each until it is acknowledged."""

    def __init__(self, relay: Relay, refused: Path, stop: threading.Event) -> None:
        self._relay = relay
        self._refused = refused
        self._stop = stop

    def hand_over(self, raw: bytes, about: Mapping[str, Any], name: str, pulse: Pulse) -> None:
        """Give one message, however long that takes; keep, under `name`, one that the relay will not have.

        Raises
            Stopped: `stop` was set before the relay acknowledged it.
            OSError: it could not be kept.
        """
        pulse.waiting(1)
        try:
            receipt = persist(lambda: self._relay.post_alert(raw, about), self._stop)
            log.info("%s: %s%s", name, receipt.alert_id, " again" if receipt.duplicate else "")
        except Refused as refusal:
            log.error("%s was refused: %s", name, refusal)
            if not refusal.set_aside:
                self._refused.mkdir(parents=True, exist_ok=True)
                kept = self._refused / f"{quote(name, safe='')[:200]}{MESSAGE}"
                write_reason(kept, reason_of(refusal) | {"about": dict(about)})
                replace(kept, raw)
        pulse.waiting(0)


def _follower(etcd: Etcd, settings: Dsa110Settings, desk: Desk, pulse: Pulse) -> Follower:
    def take(put: Put) -> None:
        facts = {"key": settings.key, "mod_revision": put.revision, "version": put.version}
        desk.hand_over(put.value, arrival("etcd", datetime.now(UTC), **facts), f"etcd-{put.revision}", pulse)

    cursor = Cursor(settings.directory / "etcd.revision")
    return Follower(etcd, settings.key, take, cursor, pulse, settings.check_s)


def is_trigger(name: str) -> bool:
    """Whether a file of this name may be a trigger."""
    return name.endswith(".json") and not name.startswith(".")


class Reader:
    """The files of T2's folder, handed over one after the other."""

    def __init__(self, folder: Path, settings: Dsa110Settings, desk: Desk, pulse: Pulse) -> None:
        self._folder = folder
        self._settings = settings
        self._desk = desk
        self._pulse = pulse
        self._files = Folder(folder, is_trigger, settings.settle_s, settings.max_size)
        self._ledger = Ledger(settings.directory / "files.handed-over")

    def run(self, stop: threading.Event) -> None:
        """Go on until `stop`."""
        trouble = ""
        for _ in moments(self._folder, is_trigger, self._settings.look_s, stop):
            try:
                for dropped in self._files.new(time.monotonic()):
                    self._pulse.connected()
                    self._take(dropped)
                self._pulse.connected()
                trouble = ""
            except Stopped:
                return
            except OSError as error:
                self._pulse.lost(str(error))
                if str(error) != trouble:
                    trouble = str(error)
                    log.error("trying again: %s", trouble)

    def _take(self, dropped: Dropped) -> None:
        if isinstance(dropped.raw, Unusable):
            log.error("%s is left alone: %s", dropped.name, dropped.raw)
        elif dropped.raw not in self._ledger:
            self._pulse.heard()
            about = arrival("file", datetime.now(UTC), file=dropped.name)
            self._desk.hand_over(dropped.raw, about, dropped.name, self._pulse)
            try:
                self._ledger.add(dropped.raw)
            except OSError as error:  # it is handed over again after a restart, no more
                log.error("that %s is handed over cannot be kept: %s", dropped.name, error)


def receive(settings: Dsa110Settings, etcd: Etcd | None, relay: Relay, stop: threading.Event) -> None:
    """Watch etcd, unless it is None, and the folder, if there is one, until `stop`.

    Raises
        ValueError: there is neither, or what was kept of an earlier run cannot be read.
        OSError: nothing can be kept.
    """
    desk = Desk(relay, settings.directory / "refused", stop)
    pulses = []
    works: list[Follower | Reader] = []
    if etcd is not None:
        pulses.append(Pulse("dsa110.etcd", "etcd"))
        works.append(_follower(etcd, settings, desk, pulses[-1]))
    if settings.folder is not None:
        pulses.append(Pulse("dsa110.folder", "folder"))
        works.append(Reader(settings.folder, settings, desk, pulses[-1]))
    if not works:
        raise ValueError("there is nothing to receive from: set [etcd] endpoints or [dsa110] folder")
    with beating(relay, pulses, stop):
        # In threads that may be left behind: one that waits for etcd's next word cannot be woken.
        running = [in_background(partial(work.run, stop), type(work).__name__) for work in works]
        while not stop.is_set() and not any(each.done() for each in running):
            stop.wait(0.2)
        wait(running, STOP_S if stop.is_set() else 0)
        for each in running:
            if each.done():
                each.result()


def serve() -> None:
    """Hand DSA-110's triggers to the relay, from etcd and from the folder of its search.

    Settings: RELAY_URL, RELAY_KEY, OVRO_ALERT_ETCD_ENDPOINTS or the table [etcd], and the table [dsa110].
    """

    def work(stop: threading.Event) -> None:
        cluster = EtcdSettings()
        with LinkSettings().relay() as relay, ExitStack() as stack:
            etcd = stack.enter_context(cluster.client()) if cluster.endpoints else None
            receive(Dsa110Settings(), etcd, relay, stop)

    raise typer.Exit(run(work))


def main() -> None:
    """The console script dsa110-receiver."""
    typer.run(serve)


if __name__ == "__main__":
    main()
