"""What a person wants to see of DSA-110 before trusting a client with it; it only reads."""

from collections.abc import Iterator
from datetime import datetime

from ovro_alert.acting import Unreachable
from ovro_alert.telescopes.dsa.correlator import Correlator
from ovro_alert.telescopes.dsa.monitor import SETTLED, Monitor
from ovro_alert.telescopes.dsa.pointing import to_declination
from ovro_alert.telescopes.dsa.search import EARLIER
from ovro_alert.telescopes.dsa.settings import DsaSettings
from ovro_alert.telescopes.dsa.trigger import ANNOUNCEMENT, Announced, Trigger
from ovro_alert.telescopes.etcd import Keys
from ovro_alert.telescopes.findings import Finding, Level


def check(keys: Keys, settings: DsaSettings, now: datetime) -> list[Finding]:
    """All that is seen of the array; where etcd does not answer, no more than that."""
    monitor = Monitor(keys, settings)
    findings: list[Finding] = [_folder(settings)]
    try:
        findings += [
            *_antennas(monitor, settings, now),
            _recording(monitor),
            *_correlator(Correlator(keys, settings), now),
            *_triggers(keys, now),
        ]
    except Unreachable as away:
        findings.append(Finding(Level.WRONG, f"etcd does not answer: {away}"))
    else:
        findings.append(Finding(Level.FINE, "etcd answers"))
    return findings


def _antennas(monitor: Monitor, settings: DsaSettings, now: datetime) -> Iterator[Finding]:
    array = monitor.array(now)
    settled = sum(antenna.state == SETTLED for antenna in array.antennas.values())
    level = Level.FINE if array.antennas else Level.WRONG
    yield Finding(level, f"antennas: {len(array.antennas)} report, {settled} are settled")
    if array.silent:
        yield Finding(Level.NOTE, f"antennas: nothing new of {', '.join(map(str, array.silent))}")
    if array.elevation is not None:
        dec = to_declination(array.elevation, settings.latitude_deg)
        yield Finding(Level.FINE, f"pointing: elevation {array.elevation:.2f}°, declination {dec:+.2f}°")
    if (off := monitor.clock(array)) is not None:
        yield Finding(Level.WRONG, f"clock: {off}")
    elif array.ahead_s is not None:
        yield Finding(Level.FINE, f"clock: the newest stamp of an antenna is {-array.ahead_s:.1f} s old")


def _recording(monitor: Monitor) -> Finding:
    try:
        return Finding(Level.FINE, f"recording: {monitor.recording() or 'no'}")
    except LookupError as error:
        return Finding(Level.WRONG, f"recording: {error}")


def _correlator(correlator: Correlator, now: datetime) -> Iterator[Finding]:
    (origin, last), nodes = correlator.look(), correlator.nodes()
    count = f"{len(nodes.dumps)} nodes count their dumps"
    if origin is None:
        said = f"correlator: does not say from when it counts spectra; {count}"
        yield Finding(Level.WRONG, said)
    else:
        yield Finding(Level.FINE, f"correlator: counts spectra from {origin:%Y-%m-%dT%H:%M:%SZ}; {count}")
    if nodes.silent:
        yield Finding(Level.NOTE, f"correlator: nothing new of node {', '.join(map(str, nodes.silent))}")
    if correlator.waits(last, origin, nodes, now):
        yield Finding(Level.NOTE, f"correlator: waits for dump {last.name}, and takes no other")
    if off := correlator.clock(nodes, now):
        yield Finding(Level.WRONG, f"clock: {off}")


def _triggers(keys: Keys, now: datetime) -> Iterator[Finding]:
    """Those that a search sees in etcd, of one that is asked for now."""
    said = list(Announced(keys).since(now - EARLIER))
    held = f"triggers: etcd remembers {len(said)} of {ANNOUNCEMENT}, as far back as a search looks"
    yield Finding(Level.FINE, held)
    if not said:
        yield Finding(Level.NOTE, "newest trigger: none")
    elif isinstance(newest := said[0], Trigger):
        of = f"{newest.name} of {newest.time:%Y-%m-%dT%H:%M:%SZ}, DM {newest.dm:.1f}, S/N {newest.snr:.1f}"
        yield Finding(Level.FINE, f"newest trigger: {of}")
    else:
        yield Finding(Level.WRONG, f"newest trigger: cannot be read: {newest}")


def _folder(settings: DsaSettings) -> Finding:
    if settings.triggers is None:
        return Finding(Level.NOTE, "triggers: no folder is set, and a search sees what etcd remembers only")
    if not settings.triggers.is_dir():
        return Finding(Level.WRONG, f"triggers: {settings.triggers} is not there")
    return Finding(Level.FINE, f"triggers: {settings.triggers}")
