"""Pointing the array elsewhere: asked of the antennas by etcd, and followed until they stand there.

`/cmd/ant/0` {"cmd": "move", "val": <elevation, deg>} moves every antenna, `/cmd/ant/<n>` one; none says that
it has heard it but by moving, and none minds where it is sent to [dsa110/dsa110-hwmc, hwmc/dsa_labjack.py].
The array is settled when more than nine in ten of its antennas are.
"""

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ovro_alert.acting import Later, Outcome, Plan, Trace, Word, refused
from ovro_alert.command import Entry, State
from ovro_alert.telescopes.dsa.arguments import RepointArguments, spelled
from ovro_alert.telescopes.dsa.marks import Clock, Mark, Marks
from ovro_alert.telescopes.dsa.monitor import ALL, COMMAND, MOVING, Array, Monitor, Move
from ovro_alert.telescopes.dsa.pointing import to_declination, to_elevation
from ovro_alert.telescopes.dsa.settings import DsaSettings
from ovro_alert.telescopes.etcd import Compacted


@dataclass(frozen=True)
class _Planned:
    """Where which antennas are sent, and at which revisions they were told something before, by key."""

    elevation: float
    moved: tuple[int, ...]
    told: Mapping[str, int]


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
        moved = self._moved(array.antennas)
        silent = self._moved(array.silent)
        if len(moved) <= self._settings.reporting_share * (len(moved) + len(silent)):
            why = f": {clock}" if clock else ""
            few = f"only {len(moved)} of {len(moved) + len(silent)} antennas report" if moved else ""
            raise Later(f"{few or 'no antenna reports'}{why}")
        moving = [number for number in moved if array.antennas[number].state == MOVING]
        if len(moving) > (1 - self._settings.settled_share) * len(moved):
            raise Later(f"the array is moving: {len(moving)} of {len(moved)} antennas")
        moves = self._monitor.moves()
        if on_its_way := self._on_its_way(array, moved, moves, now):
            raise Later(on_its_way)
        settled, _ = self._apart(array, moved, elevation)
        there = f"elevation {elevation:.2f}° ({where})"
        if self._is_enough(settled, moved):
            about = self._about(elevation, settled, moved, array)
            message = f"the array is at {there} already{_unheard(silent)}"
            return Outcome(State.DONE, {"message": message} | about)
        try:
            self._not_while_it_records()
        except LookupError as error:
            return refused(str(error))
        before = to_declination(array.elevation or 0.0, self._settings.latitude_deg)
        summary = {
            "message": f"{len(moved)} antennas from declination {before:.2f}° to {there}{_unheard(silent)}",
            "elevation": round(elevation, 4),
            "approved_by": entry.approved_by,
        }
        keys = {number: f"{COMMAND}{number}" for number in self._numbers}
        told = {key: moves[number].revision if number in moves else 0 for number, key in keys.items()}
        return Plan(summary | ({"clock": clock} if clock else {}), _Planned(elevation, moved, told))

    def forbid(self, entry: Entry, why: str) -> bool:
        """Takes the command's mark, where it has none."""
        return self._marks.forbid(entry, why)

    def carry_out(self, entry: Entry, plan: Plan) -> Trace:
        """Gives the command to all antennas, or to those that the settings name, in one transaction.

        Later where the array has begun to record since, or was told to move by another.
        """
        planned: _Planned = plan.what
        try:
            self._not_while_it_records()
        except LookupError as error:
            raise Later(str(error)) from error
        order = json.dumps({"cmd": "move", "val": round(planned.elevation, 4)}).encode()
        puts = {f"{COMMAND}{number}": order for number in self._settings.antennas or (ALL,)}
        name = f"move to {planned.elevation:.4f}"
        mark = Mark.of(entry, "move", name, self._clock(), antennas=planned.moved)
        return self._marks.act(entry, mark, puts, planned.told).trace

    def follow(self, entry: Entry, trace: Trace, word: Word) -> Outcome:
        """Until more than enough antennas of those that reported stand there, or for as long as a move takes.

        Where its event is taken back the array goes on: a person has sent it, and a person may send it back.
        One that was sent elsewhere since, while nobody followed it, is judged by where it stood then.
        """
        elevation = self._elevation(RepointArguments.model_validate(spelled(entry.args)))
        mark = self._marks.find(entry)
        told = ""
        while True:
            moved_on = self._monitor.moved_on(mark.revision, self._numbers) if mark else None
            array = self._array(moved_on)
            sent = mark.antennas if mark and mark.antennas else self._moved(array.antennas)
            settled, apart = self._apart(array, sent, elevation)
            detail = self._about(elevation, settled, sent, array)
            silent = sorted({*self._moved(array.silent)} - {*sent})
            message = f"{len(settled)} of {len(sent)} antennas are settled at {elevation:.2f}°"
            message += _unheard(silent)
            if moved_on:
                message += ", and the array was sent elsewhere then"
            if word.retracted_by:
                detail["retracted_by"] = word.retracted_by
                message += f"; {word.retracted_by} has taken its event back, and nothing is moved back"
            if self._is_enough(settled, sent):
                return Outcome(State.DONE, {"message": message} | detail)
            if moved_on:
                return Outcome(State.FAILED, {"message": f"only {message}", "stuck": apart} | detail)
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

    @property
    def _numbers(self) -> tuple[int, ...]:
        """The numbers that those which are moved listen to."""
        return (ALL, *self._settings.antennas)

    def _array(self, moved_on: Move | None) -> Array:
        """The array; as it stood when it was sent elsewhere, where that is known."""
        now = self._clock()
        if moved_on:
            with suppress(Compacted):
                return replace(self._monitor.array(now, moved_on.revision), ahead_s=None)
        return self._monitor.array(now)

    def _moved(self, numbers: Collection[int]) -> tuple[int, ...]:
        """Those of some antennas that a command moves."""
        named = self._settings.antennas
        return tuple(number for number in numbers if number in named or not named)

    def _not_while_it_records(self) -> None:
        """Raises Later while the array records, and LookupError where nothing says whether it does."""
        if recording := self._monitor.recording():
            raise Later(f"the array is recording: {recording}")

    def _on_its_way(
        self, array: Array, moved: Collection[int], moves: Mapping[int, Move], now: datetime
    ) -> str:
        """Where antennas were sent, and may be about to go to: what is told them now would be lost in that.

        For as long as a move may take; one that they have not made then they will not make.
        """
        apart: dict[int, Move] = {}
        for number in moved:
            told = (moves[each] for each in (ALL, number) if each in moves)
            last = max(told, key=_revision, default=None)
            if last is None or last.elevation is None:
                continue
            if not array.antennas[number].is_settled_at(last.elevation, self._settings.tolerance_deg):
                apart[number] = last
        if len(moved) - len(apart) > self._settings.settled_share * len(moved):
            return ""
        last = max(apart.values(), key=_revision)
        try:
            then = self._monitor.array(now, last.revision).ahead_s
        except Compacted:
            return ""
        if then is None or array.ahead_s is None or array.ahead_s - then >= self._settings.stuck_s:
            return ""
        few = f"{len(apart)} of {len(moved)} antennas are not there"
        return f"the array was sent to {last.elevation:.2f}°, and {few}"

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


def _revision(move: Move) -> int:
    return move.revision


def _unheard(silent: Collection[int]) -> str:
    return f"; {len(silent)} more do not report" if silent else ""
