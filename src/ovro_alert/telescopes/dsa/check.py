"""What `dsa-alert --check` sees of the array; it moves nothing."""

from dataclasses import dataclass
from datetime import datetime

from ovro_alert.acting import Unreachable
from ovro_alert.telescopes.dsa.dump import ANNOUNCEMENT
from ovro_alert.telescopes.dsa.monitor import SETTLED, Monitor
from ovro_alert.telescopes.dsa.pointing import to_declination
from ovro_alert.telescopes.dsa.settings import DsaSettings
from ovro_alert.telescopes.dsa.trigger import read
from ovro_alert.telescopes.etcd import Keys


@dataclass(frozen=True)
class Seen:
    """One thing that was looked at: what it says, and whether the client can work with it."""

    what: str
    says: str
    is_well: bool = True


def check(keys: Keys, settings: DsaSettings, now: datetime) -> list[Seen]:
    """What there is to see, in order; where etcd does not answer, only that."""
    monitor = Monitor(keys, settings)
    try:
        return [
            Seen("etcd", f"answers, at revision {keys.get(settings.recording_key).revision}"),
            *_antennas(monitor, settings, now),
            _recording(monitor),
            _correlator(monitor),
            _trigger(keys),
            _folder(settings),
        ]
    except Unreachable as error:
        return [Seen("etcd", str(error), is_well=False)]


def _antennas(monitor: Monitor, settings: DsaSettings, now: datetime) -> list[Seen]:
    array = monitor.array(now)
    settled = sum(antenna.state == SETTLED for antenna in array.antennas.values())
    silent = f"; silent: {', '.join(map(str, array.silent))}" if array.silent else ""
    found = [
        Seen(
            "antennas",
            f"{len(array.antennas)} report, {settled} are settled{silent}",
            is_well=bool(array.antennas),
        )
    ]
    if array.elevation is not None:
        dec = to_declination(array.elevation, settings.latitude_deg)
        found.append(Seen("pointing", f"elevation {array.elevation:.2f}°, declination {dec:+.2f}°"))
    if array.ahead_s is not None:
        off = monitor.clock(array)
        within = f"the newest stamp of an antenna is {-array.ahead_s:.1f} s old"
        found.append(Seen("clock", off or within, is_well=off is None))
    return found


def _recording(monitor: Monitor) -> Seen:
    try:
        return Seen("recording", monitor.recording() or "no")
    except LookupError as error:
        return Seen("recording", str(error), is_well=False)


def _correlator(monitor: Monitor) -> Seen:
    origin, dumps = monitor.origin(), monitor.dumps()
    nodes = f"{len(dumps)} nodes count their dumps"
    if origin is None:
        return Seen("correlator", f"does not say from when it counts spectra; {nodes}", is_well=False)
    return Seen("correlator", f"counts spectra from {origin:%Y-%m-%dT%H:%M:%SZ}; {nodes}")


def _trigger(keys: Keys) -> Seen:
    newest = keys.get(ANNOUNCEMENT).put
    if newest is None:
        return Seen("newest trigger", "none")
    try:
        trigger = read(newest.value)
    except ValueError as error:
        return Seen("newest trigger", f"cannot be read: {error}", is_well=False)
    says = f"{trigger.name} of {trigger.time:%Y-%m-%dT%H:%M:%SZ}, DM {trigger.dm:.1f}, S/N {trigger.snr:.1f}"
    return Seen("newest trigger", says)


def _folder(settings: DsaSettings) -> Seen:
    if settings.triggers is None:
        return Seen("folder of triggers", "none is set: a search sees the newest trigger only")
    is_there = settings.triggers.is_dir()
    return Seen("folder of triggers", f"{settings.triggers}{'' if is_there else ' is not there'}", is_there)
