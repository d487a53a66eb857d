"""What the correlator says: from when it counts spectra, what its nodes have written, what it was told last.

`/mon/corr/<n>`: `n_trigs`, how many dumps a node has written, and `time` (MJD); `/mon/snap/1/armed_mjd` and
`/mon/snap/1/utc_start`: from when spectra are counted [dsa110/dsa110-xengine, corr.py]. The nodes take
one trigger at a time: until that is written another is not taken, and nobody told [dsaX_trigger.c]. What
cannot be read is as if it were not said.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic_core import from_json

from ovro_alert.alert import Finite
from ovro_alert.telescopes.dsa.arguments import to_moment
from ovro_alert.telescopes.dsa.points import Point, differ, numbered, read_point
from ovro_alert.telescopes.dsa.settings import DsaSettings
from ovro_alert.telescopes.etcd import Compacted, Keys, Put

COMMAND = "/cmd/corr/0"
NODES = "/mon/corr/"
ARMED = "/mon/snap/1/armed_mjd"
STARTED = "/mon/snap/1/utc_start"
NEVER_ARMED = 55000.0  # what armed_mjd is until it is one [dsa110/SNAP_control]
SEQUENCE_S = 32.768e-6  # `utc_start` counts in it, a spectrum is two
SPECTRUM_S = 2 * SEQUENCE_S
WRITTEN_S = 30.0  # no trigger is waited for longer: all of the ring, 200 blocks of 0.134 s, and the writing


class _NodePoint(Point):
    n_trigs: int
    time: Finite | None = None


class _Armed(Point):
    armed_mjd: Finite


class _Started(Point):
    utc_start: int


@dataclass(frozen=True)
class Nodes:
    """How many dumps each node has written, of those that report; the numbers of those that do not.

    `newest` is when the last of them spoke, by its own clock; None where they do not say.
    """

    dumps: Mapping[int, int]
    silent: tuple[int, ...]
    newest: datetime | None


@dataclass(frozen=True)
class Told:
    """The trigger that the correlator was given last: what it was, and at which revision, 0 for never.

    `specnum` is None, and `name` is empty, where it was none.
    """

    specnum: int | None = None
    name: str = ""
    revision: int = 0


class Correlator:
    """Reads it. Every method raises Unreachable."""

    def __init__(self, keys: Keys, settings: DsaSettings) -> None:
        self._keys = keys
        self._settings = settings

    def origin(self) -> datetime | None:
        """When the spectrum 0 was; None where the correlator does not count."""
        return self.look()[0]

    def look(self) -> tuple[datetime | None, Told]:
        """The origin, and what it was told last, both of one moment."""
        points = self._keys.get_each((ARMED, STARTED, COMMAND))
        return _origin(points.get(ARMED), points.get(STARTED)), told(points.get(COMMAND))

    def nodes(self, revision: int = 0) -> Nodes:
        """The nodes, now or as they were at a revision. Raises Compacted where that is forgotten."""
        points = numbered(self._keys.get_all(NODES, revision)[0], NODES)
        said = {number: point for number, put in points if (point := read_point(_NodePoint, put))}
        at = {number: _moment(point.time) for number, point in said.items()}
        newest = max((each for each in at.values() if each), default=None)
        silence = timedelta(seconds=self._settings.silent_s)
        silent = {number for number, each in at.items() if newest and (not each or newest - each > silence)}
        dumps = {number: point.n_trigs for number, point in said.items() if number not in silent}
        return Nodes(dumps, tuple(sorted(silent)), newest)

    def clock(self, nodes: Nodes, now: datetime) -> str | None:
        """What to tell people where the correlator's clock and ours differ."""
        ahead_s = None if nodes.newest is None else (nodes.newest - now).total_seconds()
        return differ("correlator's", ahead_s, self._settings.clock_s)

    def waits(self, last: Told, origin: datetime | None, nodes: Nodes, now: datetime) -> bool:
        """Whether it waits for the dump that it was told of last, and would take no other.

        Until every node that reports has written one more than when it was told, or as long as it can take.
        """
        if last.specnum is None:
            return False
        age = None  # of the spectrum, where it is one that can be waited for
        if last.specnum and origin is not None:
            age = (now - origin).total_seconds() - last.specnum * SPECTRUM_S
            if age > WRITTEN_S:
                return False
        longest = WRITTEN_S + self._settings.ahead_s
        is_soon = age is not None and age > -self._settings.ahead_s
        try:
            before = self.nodes(last.revision)
        except Compacted:
            return is_soon
        if before.newest is None:
            if not is_soon:
                return False
        elif (max(now, nodes.newest or now) - before.newest).total_seconds() > longest:
            return False
        counts = [(nodes.dumps[node], count) for node, count in before.dumps.items() if node in nodes.dumps]
        return not counts or any(count <= then for count, then in counts)


def told(put: Put | None) -> Told:
    """The trigger that a command to the correlator is."""
    if put is None:
        return Told()
    try:
        command = from_json(put.value, allow_inf_nan=False)
        match = re.match(r"([0-9]{1,19})-([^-]*)-", command["val"])
    except (ValueError, TypeError, LookupError):
        match = None
    return Told(int(match[1]), match[2], put.revision) if match else Told(revision=put.revision)


def _origin(armed_put: Put | None, started_put: Put | None) -> datetime | None:
    armed, started = read_point(_Armed, armed_put), read_point(_Started, started_put)
    if armed is None or started is None or armed.armed_mjd == NEVER_ARMED:
        return None
    try:
        return to_moment(armed.armed_mjd) + timedelta(seconds=started.utc_start * SEQUENCE_S)
    except (ValueError, OverflowError):
        return None


def _moment(mjd: float | None) -> datetime | None:
    try:
        return None if mjd is None else to_moment(mjd)
    except ValueError:
        return None
