"""What the array's monitor points say.

`/mon/ant/<n>`: `time` (MJD), `ant_el`, `ant_cmd_el` (deg), `drv_state`, each second [dsa110/dsa110-hwmc].
`/mon/corr/<n>`: `n_trigs`, how many dumps a node of the correlator has written; `/mon/snap/1/armed_mjd` and
`/mon/snap/1/utc_start`: from when spectra are counted [dsa110/dsa110-xengine, corr.py]. What cannot be read
is as if it were not said.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import from_json

from ovro_alert.alert import Finite
from ovro_alert.telescopes.dsa.arguments import to_moment
from ovro_alert.telescopes.dsa.settings import DsaSettings
from ovro_alert.telescopes.etcd import Keys, Put

ANTENNAS = "/mon/ant/"
CORRELATOR = "/mon/corr/"
ARMED = "/mon/snap/1/armed_mjd"
STARTED = "/mon/snap/1/utc_start"
NEVER_ARMED = 55000.0  # what armed_mjd is until it is one [dsa110/SNAP_control]
SEQUENCE_S = 32.768e-6  # `utc_start` counts in it, a spectrum is two
DRIVES = {
    0: "halted",
    1: "moving",
    2: "settled",
    3: "timed out",
    4: "at its north limit",
    5: "at its south limit",
}
MOVING, SETTLED = 1, 2

Model = TypeVar("Model", bound=BaseModel)


class _Point(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class _AntennaPoint(_Point):
    time: Finite
    ant_el: Finite
    ant_cmd_el: Finite
    drv_state: int


class _NodePoint(_Point):
    n_trigs: int


class _Armed(_Point):
    armed_mjd: Finite


class _Started(_Point):
    utc_start: int


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


class Monitor:
    """Reads them. Every method raises Unreachable."""

    def __init__(self, keys: Keys, settings: DsaSettings) -> None:
        self._keys = keys
        self._settings = settings

    def array(self, now: datetime) -> Array:
        """The antennas. One reports if its last word is about as new as the newest, and that is new."""
        said: dict[int, Antenna | None] = {}
        for number, put in _numbered(self._keys.get_all(ANTENNAS)[0], ANTENNAS):
            said[number] = _antenna(_read(_AntennaPoint, put))
        newest = max((antenna.at for antenna in said.values() if antenna), default=None)
        if newest is None:
            return Array({}, tuple(sorted(said)), None)
        silence = timedelta(seconds=self._settings.silent_s)
        oldest = newest - silence if abs(newest - now) <= silence else None
        reporting = {
            number: antenna
            for number, antenna in sorted(said.items())
            if antenna and oldest is not None and antenna.at >= oldest
        }
        silent = tuple(sorted(said.keys() - reporting.keys()))
        return Array(reporting, silent, (newest - now).total_seconds())

    def clock(self, array: Array) -> str | None:
        """What to tell people where the array's clock and ours differ."""
        if array.ahead_s is None or abs(array.ahead_s) <= self._settings.clock_s:
            return None
        which = "ahead of" if array.ahead_s > 0 else "behind"
        return f"the antennas' clock is {abs(array.ahead_s):.1f} s {which} this host's"

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

    def origin(self) -> datetime | None:
        """When the spectrum 0 was; None where the correlator does not count."""
        armed, started = (
            _read(model, self._keys.get(key).put) for model, key in ((_Armed, ARMED), (_Started, STARTED))
        )
        if not isinstance(armed, _Armed) or not isinstance(started, _Started):
            return None
        if armed.armed_mjd == NEVER_ARMED:
            return None
        try:
            return to_moment(armed.armed_mjd) + timedelta(seconds=started.utc_start * SEQUENCE_S)
        except (ValueError, OverflowError):
            return None

    def dumps(self) -> dict[int, int]:
        """How many dumps each node of the correlator has written; of those that say so."""
        points = self._keys.get_all(CORRELATOR)[0]
        read = ((number, _read(_NodePoint, put)) for number, put in _numbered(points, CORRELATOR))
        return {number: point.n_trigs for number, point in read if point}

    def value(self, key: str) -> Any:
        """What is under a key as JSON; None where nothing is, or none."""
        put = self._keys.get(key).put
        try:
            return None if put is None else from_json(put.value, allow_inf_nan=False)
        except ValueError:
            return None


def _numbered(points: Mapping[str, Put], prefix: str) -> list[tuple[int, Put]]:
    """Those of `<prefix><n>`, without what else is below the prefix."""
    found = ((key.removeprefix(prefix), put) for key, put in points.items())
    return [(int(rest), put) for rest, put in found if rest.isascii() and rest.isdigit()]


def _antenna(point: _AntennaPoint | None) -> Antenna | None:
    if point is None:
        return None
    try:
        return Antenna(point.ant_el, point.ant_cmd_el, point.drv_state, to_moment(point.time))
    except ValueError:
        return None


def _read(model: type[Model], put: Put | None) -> Model | None:
    try:
        return None if put is None else model.model_validate_json(put.value)
    except ValidationError:
        return None
