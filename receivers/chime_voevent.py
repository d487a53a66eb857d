"""CHIME/FRB's VOEvents: a plugin for Comet, the VOEvent broker that subscribes to CHIME's.

    twistd -n comet --remote=<broker> --local-ivo=ivo://<us> --ovro-relay

Comet answers the broker's iamalive messages in the thread that calls its plugins, and an event that it has
acknowledged is not sent again. So the plugin only writes the event to a spool on disk, before the
acknowledgement has left, and a thread of its own hands the spool to the relay, for as long as that takes.
"""

import logging
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from comet.icomet import IHandler, IHasOptions
from pydantic import ByteSize
from twisted.internet import reactor
from twisted.logger import Logger, LogLevel
from twisted.plugin import IPlugin
from twisted.python.usage import UsageError
from zope.interface import implementer  # type: ignore[import-untyped]

from ovro_alert.link.arrival import arrival
from ovro_alert.link.daemon import in_background, set_up_logging
from ovro_alert.link.relay import Refused, Relay
from ovro_alert.link.retry import Stopped, persist
from ovro_alert.link.settings import LinkSettings
from ovro_alert.link.spool import Spool
from ovro_alert.settings import Settings

log = logging.getLogger(__name__)


class ChimeSettings(Settings, table="chime_voevent"):
    """Table `[chime_voevent]`."""

    spool: Path = Path("chime-voevent.spool")
    spool_limit: ByteSize = ByteSize(1_000_000_000)  # some hundred thousand VOEvents


class TwistedHandler(logging.Handler):
    """Our log lines in twistd's log, wherever that goes."""

    def emit(self, record: logging.LogRecord) -> None:
        level = LogLevel.lookupByName({"WARNING": "warn"}.get(record.levelname, record.levelname.lower()))
        Logger(record.name).emit(level, "{text}", text=self.format(record))


@implementer(IPlugin, IHandler, IHasOptions)
class OvroRelay:
    """Comet's handler `--ovro-relay`: every event goes to the relay by way of a spool."""

    name = "ovro-relay"

    def __init__(self) -> None:
        self._stop = threading.Event()

    def get_options(self) -> Iterable[tuple[str, str | None, str]]:
        """Comet's IHasOptions: the option is `--ovro-relay-spool`."""
        return [("spool", None, "Directory of what the relay does not have yet.")]

    def set_option(self, name: str, value: str | None) -> None:
        """Comet's IHasOptions: called once, for the one option, when the plugin is switched on."""
        set_up_logging(TwistedHandler())
        try:
            settings = ChimeSettings() if value is None else ChimeSettings(spool=Path(value))
            self._relay: Relay = LinkSettings().relay()
            self._spool = Spool(settings.spool, settings.spool_limit)
        except (ValueError, OSError) as error:
            raise UsageError(f"--{self.name}: {error}") from error
        # No thread before the reactor runs: twistd may fork first, which takes none along.
        reactor.callWhenRunning(in_background, self._drain, self.name)
        reactor.addSystemEventTrigger("before", "shutdown", self._stop.set)  # type: ignore[arg-type]

    def __call__(self, event: Any) -> None:
        """Comet's IHandler: on disk when this returns, a few milliseconds.

        Comet has only queued its acknowledgement when it calls this; the reactor sends it afterwards. In a
        thread the writing could be late, and a kill between would lose the event.
        """
        raw, about = event.raw_bytes, arrival("voevent", datetime.now(UTC))
        try:
            self._spool.put(raw, about)
        except OSError as error:
            log.error("%s: %s goes to the relay from memory", error, event.element.get("ivorn"))
            in_background(lambda: self._send_unspooled(raw, about), f"{self.name} from memory")

    def _drain(self) -> None:
        if len(self._spool):
            log.info("%d events of an earlier run wait for the relay", len(self._spool))
        try:
            self._spool.drain(self._relay.post_alert, self._stop)
        except Exception:
            log.exception("the spool is not drained any more")
            raise

    def _send_unspooled(self, raw: bytes, about: dict[str, Any]) -> None:
        try:
            persist(lambda: self._relay.post_alert(raw, about), self._stop)
        except (Refused, Stopped) as error:
            log.error("an event that the spool had no room for is lost: %r: %r", error, raw)


ovro_relay = OvroRelay()
