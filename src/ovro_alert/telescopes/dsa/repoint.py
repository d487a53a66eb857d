"""Pointing the array elsewhere: asked of the antennas by etcd, and followed until they stand there.

`/cmd/ant/0` {"cmd": "move", "val": <elevation, deg>} moves every antenna, `/cmd/ant/<n>` one; none says that
it has heard it but by moving, and none minds where it is sent to [dsa110/dsa110-hwmc, hwmc/dsa_labjack.py].
The array is settled when more than nine in ten of its antennas are.
"""

import json
from collections.abc import Collection
from datetime import datetime
from typing import Any

from ovro_alert.acting import Later, Outcome, Plan, Trace, Word, refused
from ovro_alert.command import Entry, State
from ovro_alert.telescopes.dsa.arguments import RepointArguments, spelled
from ovro_alert.telescopes.dsa.marks import Clock, Mark, Marks
from ovro_alert.telescopes.dsa.monitor import MOVING, Array, Monitor
from ovro_alert.telescopes.dsa.pointing import to_declination, to_elevation
from ovro_alert.telescopes.dsa.settings import DsaSettings

COMMAND = "/cmd/ant/"
ALL = 0  # the number that every antenna listens to beside its own


class Repoint:
    """Acts on the word `repoint`; one of `acting.Hands`."""

    def __init__(self, settings: DsaSettings, monitor: Monitor, marks: Marks, clock: Clock) -> None:
        self._settings = settings
        self._monitor = monitor
        self._marks = marks
        self._clock = clock

    def find(self, entry: Entry) -> Trace | None:
        """Its mark. Where marks were lost, an array that stands or goes there is not sent there again."""
        mark = self._marks.find(entry)
        return mark.trace if mark else None

    def plan(self, entry: Entry, now: datetime) -> Plan | Outcome:
        """The elevation, if a person has approved it, it is within the limits, and nothing is recorded."""
        args = RepointArguments.model_validate(spelled(entry.args))
        elevation = self._elevation(args)
        where = f"declination {to_declination(elevation, self._settings.latitude_deg):.2f}°"
        if not self._settings.lowest_deg <= elevation <= self._settings.highest_deg:
            field = "elevation" if args.dec is None else "dec"
            limits = f"{self._settings.lowest_deg:g}° to {self._settings.highest_deg:g}°"
            return refused(f"args.{field}: elevation {elevation:.2f}° ({where}) is outside {limits}")
        if entry.approved_by is None:
            return refused("the array is repointed only when a person has approved it, and nobody has")
        array = self._monitor.array(now)
        clock = self._monitor.clock(array)
        moved = self._moved(array)
        if not moved:
            why = f": {clock}" if clock else ""
            raise Later(f"no antenna reports{why}")
        settled, _ = self._apart(array, moved, elevation)
        there = f"elevation {elevation:.2f}° ({where})"
        if self._is_enough(settled, moved):
            about = self._about(elevation, settled, moved, array)
            return Outcome(State.DONE, {"message": f"the array is at {there} already"} | about)
        moving = [number for number in moved if array.antennas[number].state == MOVING]
        if len(moving) > (1 - self._settings.settled_share) * len(moved):
            raise Later(f"the array is moving: {len(moving)} of {len(moved)} antennas")
        try:
            recording = self._monitor.recording()
        except LookupError as error:
            return refused(str(error))
        if recording:
            raise Later(f"the array is recording: {recording}")
        before = to_declination(array.elevation or 0.0, self._settings.latitude_deg)
        summary = {
            "message": f"{len(moved)} antennas from declination {before:.2f}° to {there}",
            "elevation": round(elevation, 4),
            "approved_by": entry.approved_by,
        }
        return Plan(summary | ({"clock": clock} if clock else {}), (elevation, moved))

    def forbid(self, entry: Entry, why: str) -> bool:
        """Takes the command's mark, where it has none."""
        return self._marks.forbid(entry, why)

    def carry_out(self, entry: Entry, plan: Plan) -> Trace:
        """Gives the command to all antennas, or to those that the settings name, in one transaction."""
        elevation, moved = plan.what
        order = json.dumps({"cmd": "move", "val": round(elevation, 4)}).encode()
        puts = {f"{COMMAND}{number}": order for number in self._settings.antennas or (ALL,)}
        name = f"move to {elevation:.4f}"
        return self._marks.act(entry, Mark.of(entry, "move", name, self._clock(), antennas=moved), puts).trace

    def follow(self, entry: Entry, trace: Trace, word: Word) -> Outcome:
        """Until more than enough antennas of those that reported stand there, or for as long as a move takes.

        Where its event is taken back the array goes on: a person has sent it, and a person may send it back.
        """
        elevation = self._elevation(RepointArguments.model_validate(spelled(entry.args)))
        mark = self._marks.find(entry)
        told = ""
        while True:
            array = self._monitor.array(self._clock())
            sent = mark.antennas if mark and mark.antennas else self._moved(array)
            settled, apart = self._apart(array, sent, elevation)
            detail = self._about(elevation, settled, sent, array)
            message = f"{len(settled)} of {len(sent)} antennas are settled at {elevation:.2f}°"
            if word.retracted_by:
                detail["retracted_by"] = word.retracted_by
                message += f"; {word.retracted_by} has taken its event back, and nothing is moved back"
            if self._is_enough(settled, sent):
                return Outcome(State.DONE, {"message": message} | detail)
            if (self._clock() - trace.at).total_seconds() >= self._settings.stuck_s:
                few = ", ".join(f"{number} {says}" for number, says in list(apart.items())[:5])
                message = f"stuck: {message} after {self._settings.stuck_s:.0f} s: {few}"
                return Outcome(State.FAILED, {"message": message, "stuck": apart} | detail)
            if array.elevation is not None:
                message += f", the middle one is at {array.elevation:.0f}°"
            if message != told:
                told = message
                word.say({"message": message} | detail)
            word.wait(self._settings.look_s)

    def _elevation(self, args: RepointArguments) -> float:
        """The elevation that is asked for; ValueError where there is none, or two."""
        if args.dec is None:
            if args.elevation is None:
                raise ValueError("dec: missing, and so is elevation")
            return args.elevation
        elevation = to_elevation(args.dec, self._settings.latitude_deg)
        if args.elevation is not None and abs(args.elevation - elevation) > self._settings.tolerance_deg:
            raise ValueError(f"elevation: {args.elevation:g}° is not that of dec, {elevation:.2f}°")
        return elevation

    def _moved(self, array: Array) -> tuple[int, ...]:
        """Those that report, of those that a command moves."""
        return tuple(
            number
            for number in array.antennas
            if number in self._settings.antennas or not self._settings.antennas
        )

    def _apart(
        self, array: Array, sent: Collection[int], elevation: float
    ) -> tuple[list[int], dict[str, str]]:
        """The antennas that are settled at an elevation, and what the others say."""
        settled, apart = [], {}
        for number in sent:
            antenna = array.antennas.get(number)
            if antenna and antenna.is_settled_at(elevation, self._settings.tolerance_deg):
                settled.append(number)
            else:
                apart[str(number)] = antenna.says if antenna else "does not report"
        return settled, apart

    def _is_enough(self, settled: Collection[int], sent: Collection[int]) -> bool:
        return len(settled) > self._settings.settled_share * len(sent)

    def _about(
        self, elevation: float, settled: Collection[int], sent: Collection[int], array: Array
    ) -> dict[str, Any]:
        clock = self._monitor.clock(array)
        return {
            "elevation": round(elevation, 4),
            "declination": round(to_declination(elevation, self._settings.latitude_deg), 4),
            "settled": len(settled),
            "antennas": len(sent),
        } | ({"clock": clock} if clock else {})
