"""CHIME/FRB's VOEvents: a plugin for Comet, the VOEvent broker that subscribes to CHIME's.

    twistd -n comet --remote=<broker> --local-ivo=ivo://<us> --ovro-relay

Comet answers the broker's iamalive messages in the thread that calls its plugins, and an event that it has
acknowledged is not sent again. So the plugin only writes the event to a spool on disk, before the
acknowledgement has left, and a thread of its own hands the spool to the relay, for as long as that takes.

A plugin is given new events and nothing else. To know whether anything can come at all, and to lose nothing
on the way to the plugin, two of the parts that Comet's service is made of are replaced where the plugin is
on: the factory of its connections to brokers, and its memory of the events that it has had.
"""

import faulthandler
import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from hashlib import sha1
from importlib import import_module
from pathlib import Path
from typing import Any

from comet.icomet import IHandler, IHasOptions
from comet.protocol.base import VOEVENT_ROLES
from comet.protocol.subscriber import VOEventSubscriber, VOEventSubscriberFactory
from comet.utility import ParseError, xml_document
from pydantic import ByteSize
from twisted.internet import reactor
from twisted.internet.task import LoopingCall
from twisted.logger import Logger, LogLevel
from twisted.plugin import IPlugin
from twisted.python.failure import Failure
from twisted.python.usage import UsageError
from zope.interface import implementer  # type: ignore[import-untyped]

from ovro_alert.link.arrival import arrival
from ovro_alert.link.daemon import in_background, set_up_logging
from ovro_alert.link.pulse import Pulse, beating
from ovro_alert.link.relay import Relay
from ovro_alert.link.settings import LinkSettings
from ovro_alert.link.spool import Spool
from ovro_alert.link.watchdog import Stop, Watchdog
from ovro_alert.settings import Settings
from ovro_alert.systemd import STOPPING, notify

log = logging.getLogger(__name__)

CHIME = "ivo://ca.chimenet.frb/"  # who sends the hourly tests; brokers on the way send tests of their own
LOOK_S = 0.2


class ChimeSettings(Settings, table="chime_voevent"):
    """Table `[chime_voevent]`."""

    spool: Path = Path("chime-voevent.spool")
    spool_limit: ByteSize = ByteSize(1_000_000_000)  # some hundred thousand VOEvents


class TwistedHandler(logging.Handler):
    """Our log lines in twistd's log, wherever that goes."""

    def emit(self, record: logging.LogRecord) -> None:
        level = LogLevel.lookupByName({"WARNING": "warn"}.get(record.levelname, record.levelname.lower()))
        Logger(record.name).emit(level, "{text}", text=self.format(record))


class Seen:
    """Which events have come, in place of Comet's database of them (comet.utility.Event_DB).

    That one marks an event before any handler has it, and what it has marked is acknowledged and dropped: a
    kill between the two would lose an event that its sender sends again. And a kill or a full disk while it
    writes leaves a file (dbm.dumb) that lets no event pass any more. What is in memory is forgotten with the
    process; what then comes again goes to the relay again, which knows it.
    """

    MOST = 100_000

    def __init__(self, root: str) -> None:
        self._digests: OrderedDict[bytes, None] = OrderedDict()
        self._lock = threading.Lock()  # Comet asks in threads of its own

    def check_event(self, event: Any) -> bool:
        """Whether an event is new; from now on it is not."""
        digest = sha1(event.raw_bytes).digest()  # as Comet tells events apart
        with self._lock:
            new = digest not in self._digests
            self._digests[digest] = None
            if len(self._digests) > self.MOST:
                self._digests.popitem(last=False)
        return new

    def prune(self, expiry_time: float) -> None:
        """Comet asks for it every some hours; there are never too many."""


class Subscriber(VOEventSubscriber):  # type: ignore[misc]
    """A connection to a broker of which the plugin is told, and on which nothing is dropped."""

    def stringReceived(self, data: bytes) -> None:
        """Comet's, for one whole message."""
        try:
            element = xml_document(data).element
        except ParseError:
            role, ivorn = None, ""
        else:
            role, ivorn = element.get("role"), element.get("ivorn", "")
        self.factory.plugin.hear(self, expected=role == "test" and ivorn.startswith(CHIME))
        if role in ("iamalive", "authenticate") or (role in VOEVENT_ROLES and ivorn):
            super().stringReceived(data)
        else:  # Comet drops it; what it is, the relay may say
            self.factory.plugin.take(data)

    def connectionLost(self, reason: Failure) -> None:
        """Twisted's."""
        super().connectionLost(reason)
        self.factory.plugin.lose(self, reason)


class Remote(VOEventSubscriberFactory):  # type: ignore[misc]
    """What connects Comet to one broker, again and again."""

    protocol = Subscriber
    maxDelay = 60.0  # s between two tries, where Twisted goes up to an hour

    def __init__(self, plugin: "OvroRelay", **known: Any) -> None:
        super().__init__(**known)
        self.plugin = plugin
        plugin.subscribes = True

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        """Twisted's."""
        super().clientConnectionFailed(connector, reason)
        self.plugin.lose(None, reason)


@implementer(IPlugin, IHandler, IHasOptions)
class OvroRelay:
    """Comet's handler `--ovro-relay`: every event goes to the relay by way of a spool."""

    name = "ovro-relay"
    subscribes = False  # to a broker; Comet may also only listen to authors

    def __init__(self) -> None:
        self._stop = Stop()
        self._pulse = Pulse("chime.voevent", "voevent")
        self._speaking: set[Subscriber] = set()  # connections that the broker has said something on

    def get_options(self) -> Iterable[tuple[str, str | None, str]]:
        """Comet's IHasOptions: the option is `--ovro-relay-spool`."""
        return [("spool", None, "Directory of what the relay does not have yet.")]

    def set_option(self, name: str, value: str | None) -> None:
        """Comet's IHasOptions: called once, for the one option, when the plugin is switched on."""
        set_up_logging(TwistedHandler())
        faulthandler.enable()  # of SIGABRT too, which is how systemd's watchdog ends a service
        try:
            settings = ChimeSettings() if value is None else ChimeSettings(spool=Path(value))
            self._relay: Relay = LinkSettings().relay()
            self._spool = Spool(settings.spool, settings.spool_limit, self._pulse.waiting)
        except (ValueError, OSError) as error:
            raise UsageError(f"--{self.name}: {error}") from error
        # Not imported above: this module is imported in the midst of that one. It makes its service of these
        # two by their names, after all options are set.
        broker = import_module("comet.service.broker")
        vars(broker).update(Event_DB=Seen, VOEventSubscriberFactory=partial(Remote, self))
        # No thread before the reactor runs: twistd may fork first, which takes none along.
        reactor.callWhenRunning(in_background, self._drain, self.name)
        # systemd hears that we go on as long as Twisted's thread comes by here, and the spool's asks to stop.
        reactor.callWhenRunning(LoopingCall(Watchdog(self._stop).look).start, LOOK_S)
        reactor.addSystemEventTrigger("before", "shutdown", self._end)  # type: ignore[arg-type]

    def __call__(self, event: Any) -> None:
        """Comet's IHandler: on disk when this returns, a few milliseconds.

        Comet has only queued its acknowledgement when it calls this; the reactor sends it afterwards. In a
        thread the writing could be late, and a kill between would lose the event.
        """
        self.take(event.raw_bytes)

    def take(self, raw: bytes) -> None:
        """Keep what has come."""
        try:
            self._spool.put(raw, arrival("voevent", datetime.now(UTC)))
        except OSError as error:
            log.error("an event for which there is no room is lost: %s: %r", error, raw)

    def hear(self, connection: Subscriber, *, expected: bool) -> None:
        """A broker has said something. That it accepted the connection says nothing: it may not know us."""
        self._speaking.add(connection)
        self._pulse.connected()
        self._pulse.heard(expected=expected)

    def lose(self, connection: Subscriber | None, reason: Failure) -> None:
        """A connection is over, or was not to be had. Comet ends one that is silent for 120 s."""
        self._speaking.discard(connection)
        if not self._speaking:
            self._pulse.lost(reason.getErrorMessage())

    def _end(self) -> None:
        notify(STOPPING)
        self._stop.set()

    def _drain(self) -> None:
        self._stop.watch()
        if len(self._spool):
            log.info("%d events of an earlier run wait for the relay", len(self._spool))
        try:
            with beating(self._relay, [self._pulse] if self.subscribes else [], self._stop):
                self._spool.drain(self._relay, self._stop)
        except Exception:
            log.exception("the spool is not drained any more")
            raise


ovro_relay = OvroRelay()
