"""A twin of DSA-110 on an etcd: antennas that move and say where they are, a correlator that dumps voltages.

It takes commands strictly by their format and knows nothing of how ours are written. With those that make no
sense it does what the array does, which is nothing; and it keeps an account of everything that it was told.
Source of the facts: dsa110/dsa110-hwmc, hwmc/dsa_labjack.py and its Lua; dsa110/dsa110-xengine, corr.py and
dsaX_trigger.c.
"""

import json
import math
import re
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ovro_alert.acting import Unreachable
from ovro_alert.command import to_mjd
from ovro_alert.telescopes.etcd import Compacted, Keys

DEG_PER_S = 1 / 1.57
NEAR_DEG = 0.05  # so near is a drive that has settled
NORTH_DEG, SOUTH_DEG = 135.0, 3.0  # the firmware's limits
HALTED, MOVING, SETTLED, AT_NORTH, AT_SOUTH = 0, 1, 2, 4, 5
START_SEQUENCE = 10000
SPECTRUM_S = 65.536e-6
RING_S = 160 * 2048 * SPECTRUM_S  # a trigger is met when its spectrum is so old
WAIT_S = 0.25  # for the next command, in a loop
TRIGGER = re.compile(r"([0-9]{1,19})-([A-Za-z0-9_]+)-")


@dataclass
class Misbehaviour:
    """What goes wrong, of antennas and of nodes of the correlator by number."""

    stuck: set[int] = field(default_factory=set)  # do not move
    silent: set[int] = field(default_factory=set)  # say nothing
    unsettled: set[int] = field(default_factory=set)  # are there, and their drives never rest
    slowness: float = 1.0  # times slower
    is_deaf: bool = False  # no command is taken
    failing: set[int] = field(default_factory=set)  # nodes that write no dump
    clock_off_s: float = 0.0  # their stamps are so much ahead


@dataclass
class _Antenna:
    elevation: float
    commanded: float
    state: int = SETTLED


class DsaTwin:
    """The array's twin. What moves it is `tick`, or `run` in a thread; both in one thread at a time."""

    def __init__(
        self,
        keys: Keys,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        antennas: Iterable[int] = range(1, 64),
        nodes: Iterable[int] = range(1, 17),
        elevation: float = 90.0,
        folder: Path | None = None,
    ) -> None:
        self.misbehaviour = Misbehaviour()
        self.account: list[dict[str, Any]] = []  # everything that it was told, and what it did
        self._keys = keys
        self._clock = clock
        self._antennas = {number: _Antenna(elevation, elevation) for number in antennas}
        self._dumps = dict.fromkeys(nodes, 0)
        self._folder = folder
        self._pending: tuple[int, dict[str, Any]] | None = None
        self._began = self._last = self._published = clock()
        self._revision = keys.get("/cmd/corr/0").revision + 1
        self._say("/mon/snap/1/armed_mjd", {"armed_mjd": to_mjd(self._began)})
        self._say("/mon/snap/1/utc_start", {"utc_start": START_SEQUENCE})
        self.record(False)
        self._publish()

    def record(self, on: bool) -> None:
        """Begins to record, or ends."""
        self._say("/cmd/corr/docopy", str(on))

    def detect(self, name: str, moment: datetime, dm: float, **more: Any) -> None:
        """Triggers on a burst that came at a moment at the top of the band."""
        specnum = round(self._age(0, moment) / SPECTRUM_S)
        usual = {"snr": 12.0, "ibox": 4, "ibeam": 127, "cntb": 3, "cntc": 35, "specnum": max(specnum, 0)}
        document = {name: usual | {"mjds": to_mjd(moment), "dm": dm} | more}
        if self._folder is not None:
            (self._folder / f"cluster_output{name}.json").write_text(json.dumps(document, indent=4))
        self._say("/mon/corr/1/trigger", document)

    def tick(self, wait_s: float = 0.05) -> None:
        """Hears what it was told, for so long, and lives on until now."""
        self._hear(wait_s)
        now = self._clock()
        self._move((now - self._last).total_seconds())
        self._last = now
        self._dump(now)
        if now - self._published >= timedelta(seconds=1):
            self._published = now
            self._publish()

    def run(self, stop: threading.Event) -> None:
        """Lives until `stop`, whether or not etcd does."""
        while not stop.is_set():
            with suppress(Unreachable):
                self.tick(WAIT_S)
                continue
            stop.wait(WAIT_S)

    def _hear(self, wait_s: float) -> None:
        try:
            with self._keys.watch_all("/cmd/", self._revision, wait_s) as puts:
                for key, put in puts:
                    self._revision = put.revision + 1
                    self._take(key, put.value)
        except Compacted as compacted:
            self.account.append({"at": self._clock().isoformat(), "did": "missed", "why": str(compacted)})
            self._revision = compacted.revision

    def _take(self, key: str, value: bytes) -> None:
        match = re.fullmatch(r"/cmd/(ant|corr)/(\d+)", key)
        if match is None:
            return
        record = {"at": self._clock().isoformat(), "key": key, "value": value.decode(errors="replace")}
        self.account.append(record)
        if self.misbehaviour.is_deaf:
            record |= {"did": "nothing", "why": "deaf"}
            return
        try:
            command = json.loads(value, parse_constant=_no_number)
            if not isinstance(command, dict) or set(command) != {"cmd", "val"}:
                raise ValueError("is no object of cmd and val")
            take = self._take_move if match[1] == "ant" else self._take_trigger
            take(int(match[2]), command, record)
        except (ValueError, OverflowError, RecursionError) as error:
            record |= {"did": "nothing", "why": str(error)}

    def _take_move(self, number: int, command: dict[str, Any], record: dict[str, Any]) -> None:
        if command["cmd"] != "move":
            raise ValueError(f"the word {command['cmd']!r} is not known")
        if type(command["val"]) not in (int, float) or not math.isfinite(command["val"]):
            raise ValueError("val is no elevation")
        elevation = float(command["val"])
        if number and number not in self._antennas:
            raise ValueError("there is no such antenna")
        for each in [number] if number else self._antennas:
            self._antennas[each].commanded = elevation
            self._antennas[each].state = MOVING
        record |= {"did": "moved", "elevation": elevation}

    def _take_trigger(self, number: int, command: dict[str, Any], record: dict[str, Any]) -> None:
        match = TRIGGER.fullmatch(command["val"]) if isinstance(command["val"], str) else None
        if command["cmd"] != "trigger" or number != 0:
            raise ValueError(f"the word {command['cmd']!r} is not known, or not of node {number}")
        if match is None:
            raise ValueError("val is not <specnum>-<name>-")
        specnum = int(match[1])
        age = self._age(specnum, self._clock())
        if self._pending:
            record |= {"did": "nothing", "why": "backed up: another dump is waited for"}
        elif specnum and age > RING_S:
            record |= {"did": "nothing", "why": f"too late: of {age:.1f} s ago"}
        else:
            record |= {"did": "dumped", "specnum": specnum, "name": match[2]}
            self._pending = specnum, record

    def _move(self, seconds: float) -> None:
        step = seconds * DEG_PER_S / self.misbehaviour.slowness
        for number, antenna in self._antennas.items():
            if antenna.state != MOVING or number in self.misbehaviour.stuck:
                continue
            left = antenna.commanded - antenna.elevation
            antenna.elevation += math.copysign(min(step, abs(left)), left)
            if antenna.elevation >= NORTH_DEG:
                antenna.elevation, antenna.state = NORTH_DEG, AT_NORTH
            elif antenna.elevation <= SOUTH_DEG:
                antenna.elevation, antenna.state = SOUTH_DEG, AT_SOUTH
            elif abs(left) - step < NEAR_DEG and number not in self.misbehaviour.unsettled:
                antenna.state = SETTLED

    def _dump(self, now: datetime) -> None:
        """Writes the dump that is waited for when its spectrum is the oldest in the ring."""
        if self._pending is None:
            return
        specnum, record = self._pending
        if specnum and self._age(specnum, now) < RING_S:
            return
        writing = self._dumps.keys() - self.misbehaviour.failing
        for number in writing:
            self._dumps[number] += 1
        record["nodes"] = len(writing)
        self._pending = None

    def _age(self, specnum: int, now: datetime) -> float:
        """How long ago (s) a spectrum was."""
        return (now - self._began).total_seconds() - (START_SEQUENCE / 2 + specnum) * SPECTRUM_S

    def _publish(self) -> None:
        stamp = round(to_mjd(self._clock() + timedelta(seconds=self.misbehaviour.clock_off_s)), 8)
        for number, antenna in self._antennas.items():
            if number not in self.misbehaviour.silent:
                point = {
                    "ant_num": number,
                    "time": stamp,
                    "ant_el": antenna.elevation,
                    "ant_cmd_el": antenna.commanded,
                    "ant_el_err": antenna.commanded - antenna.elevation,
                    "drv_state": antenna.state,
                    "brake_on": antenna.state != MOVING,
                }
                self._say(f"/mon/ant/{number}", point)
        for number, count in self._dumps.items():
            self._say(f"/mon/corr/{number}", {"corr_num": number, "time": stamp, "n_trigs": count})

    def _say(self, key: str, value: Any) -> None:
        self._keys.put(key, json.dumps(value).encode())


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no JSON")
