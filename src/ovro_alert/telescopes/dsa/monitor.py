"""Where the antennas are, what they were told last, and whether the array records.

`/mon/ant/<n>`: `time` (MJD), `ant_el`, `ant_cmd_el` (deg), `drv_state`, each second [dsa110/dsa110-hwmc].
What cannot be read is as if it were not said.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any, Literal

from pydantic_core import from_json

from ovro_alert.alert import Finite
from ovro_alert.telescopes.dsa.arguments import to_moment
from ovro_alert.telescopes.dsa.points import Point, differ, numbered, read_point
from ovro_alert.telescopes.dsa.settings import DsaSettings
from ovro_alert.telescopes.etcd import Keys, Put
from ovro_alert.telescopes.history import history

ANTENNAS = "/mon/ant/"
COMMAND = "/cmd/ant/"
MOST_MOVES = 50  # that are looked at, of one number
ALL = 0  # the number that every antenna listens to beside its own
DRIVES = {
    0: "halted",
    1: "moving",
    2: "settled",
    3: "timed out",
    4: "at its north limit",
    5: "at its south limit",
}
MOVING, SETTLED = 1, 2


class _AntennaPoint(Point):
    time: Finite
    ant_el: Finite
    ant_cmd_el: Finite
    drv_state: int


class _MovePoint(Point):
    cmd: Literal["move"]
    val: Finite


@dataclass(frozen=True)
class Antenna:
    """One antenna: where it is and is to be (elevations, deg), what its drive does, and when it said so."""

    elevation: float
    commanded: float
    state: int
    at: datetime

    def is_settled_at(self, elevation: float, tolerance: float) -> bool:
        """Whether it was sent to an elevation (deg), and stands there."""
        return (
            self.state == SETTLED
            and abs(self.elevation - elevation) <= tolerance
            and abs(self.commanded - elevation) <= tolerance
        )

    @property
    def says(self) -> str:
        """For people."""
        return f"at {self.elevation:.2f}°, {DRIVES.get(self.state, f'in drive state {self.state}')}"


@dataclass(frozen=True)
class Array:
    """The antennas that report, by number; and the numbers of those whose last word is old or unreadable."""

    antennas: Mapping[int, Antenna]
    silent: tuple[int, ...]
    ahead_s: float | None  # of our clock, theirs; None where no antenna ever said anything

    @property
    def elevation(self) -> float | None:
        """The elevation (deg) of the middle one of those that report; None where none does."""
        elevations = sorted(antenna.elevation for antenna in self.antennas.values())
        return elevations[len(elevations) // 2] if elevations else None


@dataclass(frozen=True)
class Move:
    """What antennas were told, at which revision: the elevation (deg), None where it was none."""

    revision: int
    elevation: float | None


class Monitor:
    """Reads them. Every method raises Unreachable."""

    def __init__(self, keys: Keys, settings: DsaSettings) -> None:
        self._keys = keys
        self._settings = settings

    def array(self, now: datetime, revision: int = 0) -> Array:
        """The antennas. One reports if its last word is about as new as the newest, and that is new.

        Or as they were at a revision, whenever that was; raises Compacted where that is forgotten.
        """
        said: dict[int, Antenna | None] = {}
        for number, put in numbered(self._keys.get_all(ANTENNAS, revision)[0], ANTENNAS):
            said[number] = _antenna(read_point(_AntennaPoint, put))
        newest = max((antenna.at for antenna in said.values() if antenna), default=None)
        if newest is None:
            return Array({}, tuple(sorted(said)), None)
        silence = timedelta(seconds=self._settings.silent_s)
        oldest = newest - silence if revision or abs(newest - now) <= silence else None
        reporting = {
            number: antenna
            for number, antenna in sorted(said.items())
            if antenna and oldest is not None and antenna.at >= oldest
        }
        silent = tuple(sorted(said.keys() - reporting.keys()))
        return Array(reporting, silent, (newest - now).total_seconds())

    def clock(self, array: Array) -> str | None:
        """What to tell people where the array's clock and ours differ."""
        return differ("antennas'", array.ahead_s, self._settings.clock_s)

    def moves(self) -> dict[int, Move]:
        """What was told last to each number of antennas that anything was told to."""
        told = numbered(self._keys.get_all(COMMAND)[0], COMMAND)
        return {number: _move(put) for number, put in told}

    def moved_on(self, since: int, numbers: Iterable[int]) -> Move | None:
        """What was told first to one of some numbers after a revision, as far as etcd remembers."""
        newest = self.moves()
        later: list[Move] = []
        for number in numbers:
            if number in newest and newest[number].revision > since:
                puts = history(self._keys, f"{COMMAND}{number}", MOST_MOVES)
                later += [_move(put) for put in takewhile(lambda put: put.revision > since, puts)]
        return min(later, key=lambda move: move.revision, default=None)

    def recording(self) -> str:
        """What says whether the array records, for people; "" where that says that it does not.

        Raises
            LookupError: it says nothing.
        """
        key, field = self._settings.recording_key, self._settings.recording_field
        value = self.value(key)
        if field and isinstance(value, dict):
            value = value.get(field)
        elif field:
            value = None
        name = f"{key}, {field}" if field else key
        if value is None or isinstance(value, dict | list):
            raise LookupError(f"{name} does not say whether the array is recording")
        return "" if str(value) in self._settings.idle else f"{name} says {str(value)[:50]!r}"

    def value(self, key: str) -> Any:
        """What is under a key as JSON; None where nothing is, or none."""
        put = self._keys.get(key).put
        try:
            return None if put is None else from_json(put.value, allow_inf_nan=False)
        except ValueError:
            return None


def _move(put: Put) -> Move:
    move = read_point(_MovePoint, put)
    return Move(put.revision, move.val if move else None)


def _antenna(point: _AntennaPoint | None) -> Antenna | None:
    if point is None:
        return None
    try:
        return Antenna(point.ant_el, point.ant_cmd_el, point.drv_state, to_moment(point.time))
    except ValueError:
        return None
