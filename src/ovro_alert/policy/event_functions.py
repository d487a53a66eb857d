"""The functions of the rules' language that ask for other events: what others have seen of the same thing.

Others are named by who speaks: a source (`dsa`, `ligo`, `gcn`), or a mission as the names of its events begin
(`swift`, `fermi`). Of what is said of an event the newest word counts that says enough. Times are compared as
they would be without dispersion.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple, TypeVar

from rule_engine import DataType

from ovro_alert.alert import Alert
from ovro_alert.policy.functions import Functions, Missing, Other, Scope
from ovro_alert.sky import overlap
from ovro_alert.sky.coincidence import Burst, Comparison, compare
from ovro_alert.sky.dispersion import dispersion_delay
from ovro_alert.sky.overlap import Overlap

T = TypeVar("T")
# So late may a burst be at the frequency that its time is given for: at 400 MHz 10,000 pc cm⁻³ are 259 s.
LATEST_S = 300.0
LONGEST_S = 7 * 86400.0
CALL = re.compile(r'"[^"]*"|(?<![\w.])(codetected|coincident|overlap|chance)\s*\(([^()]*)')
NUMBER = r"([0-9]+(?:\.[0-9]*)?(?:e[+-]?[0-9]+)?)"
WRITTEN_OUT = re.compile(rf'\s*"([a-z][a-z0-9_]*)"\s*(?:,\s*{NUMBER}\s*,\s*{NUMBER}\s*)?')


@dataclass(frozen=True)
class Asked:
    """Whose other events an expression asks for, and how far (s) in time they may be from its own alert."""

    speaker: str
    seconds: float


def asked(text: str) -> Iterator[Asked]:
    """What an expression asks of other events: so much is looked for before it is asked.

    Raises
        ValueError: a call that does not say it by a name and numbers as they stand.
    """
    for call in CALL.finditer(text):
        if call[1] is None:  # a string
            continue
        written = WRITTEN_OUT.fullmatch(call[2])
        if written is None:
            raise ValueError(
                f"{call[1]} takes a name, and seconds, as they stand: they are looked for beforehand"
            )
        seconds = max(float(written[2] or 0), float(written[3] or 0))
        if seconds > LONGEST_S:
            raise ValueError(
                f"{call[1]}: {seconds:g} s are more than the {LONGEST_S:g} that are looked through"
            )
        yield Asked(written[1], seconds + LATEST_S)


def calls(text: str) -> list[str]:
    """The calls in an expression: a reason says which event is meant."""
    return list(dict.fromkeys(f"{call[0]})" for call in CALL.finditer(text) if call[1]))


def speaks(name: str, alert: Alert) -> bool:
    """Whether it is who sent an alert: its source, or its mission as the names of its events begin."""
    return alert.source == name or alert.event_id.startswith(f"{name}-")


class _Codetection(NamedTuple):
    event_id: str
    comparison: Comparison


class _Coincidence(NamedTuple):
    event_id: str
    overlap: Overlap


def _codetected(scope: Scope) -> Callable[[str], str]:
    """codetected(who): the event of this burst as they have seen it, too; "" where they have not."""

    def codetected(who: str) -> str:
        found = _best_burst(scope, who)
        return found.event_id if found else ""

    return codetected


def _coincident(scope: Scope) -> Callable[[str, Decimal, Decimal], str]:
    """coincident(who, before, after): their event at about this place and time (s); "" of none."""

    def coincident(who: str, before: Decimal, after: Decimal) -> str:
        found = _best_place(scope, who, float(before), float(after))
        return found.event_id if found and found.overlap.is_one else ""

    return coincident


def _overlap(scope: Scope) -> Callable[[str, Decimal, Decimal], float]:
    """overlap(who, before, after): the greatest I_Ω with an event of theirs at that time; 0 of none."""

    def integral(who: str, before: Decimal, after: Decimal) -> float:
        found = _best_place(scope, who, float(before), float(after))
        return found.overlap.integral if found else 0.0

    return integral


def _chance(scope: Scope) -> Callable[..., float]:
    """chance(who) and chance(who, before, after): how many of theirs would be found by chance.

    As `codetected` looks for bursts, and `coincident` for anything. Where none is found: with a burst that is
    known as well as this one, and anywhere on the sky.
    """

    def chance(who: str, *window: Decimal) -> float:
        rate = scope.world.rates.get(who)
        if rate is None:
            raise Missing(f"rates.{who}")
        if not window:
            burst, mine = _best_burst(scope, who), _own_burst(scope.alert)
            return (burst.comparison if burst else compare(mine, mine)).expected(rate)
        before, after = (float(seconds) for seconds in window)
        place = _best_place(scope, who, before, after)
        return rate.expected(before + after, place.overlap.area_deg2 if place else rate.sky_deg2)

    return chance


def _best_burst(scope: Scope, who: str) -> _Codetection | None:
    """Of their bursts that may be this one the likeliest."""

    def find() -> _Codetection | None:
        mine = _own_burst(scope.alert)
        found = []
        for other in _others(scope, who):
            its = next((burst for burst in map(_burst, other.alerts) if burst), None)
            if its and (comparison := compare(mine, its)).is_one:
                found.append(_Codetection(other.event_id, comparison))
        return min(found, key=lambda one: one.comparison.far, default=None)

    return _once(scope, f"codetected {who}", find)


def _best_place(scope: Scope, who: str, before: float, after: float) -> _Coincidence | None:
    """Of their events within so many s before and after that whose place overlaps this one's the most."""

    def find() -> _Coincidence | None:
        moment = _moment(scope.alert)
        if moment is None:
            raise Missing("event_time")
        if not _is_placed(scope.alert):
            raise Missing("localization")
        begin, end = moment - timedelta(seconds=before), moment + timedelta(seconds=after)
        found = []
        for other in _others(scope, who):
            newest = next((one for one in other.alerts if _is_placed(one)), None)
            at = newest and _moment(newest)
            if newest and at and begin <= at <= end and (place := _common_place(scope, newest)):
                found.append(_Coincidence(other.event_id, place))
        return max(found, key=lambda one: one.overlap.integral, default=None)

    return _once(scope, f"coincident {who} {before} {after}", find)


def _common_place(scope: Scope, other: Alert) -> Overlap | None:
    """How two alerts overlap: a position and a sky map, where there is one; two maps are not compared."""
    mine, its = scope.alert.localization, other.localization
    if its and (sky := scope.world.map_of(scope.alert)):
        return sky.overlap(its)
    if mine and (sky := scope.world.map_of(other)):
        return sky.overlap(mine)
    return overlap.of_positions(mine, its) if mine and its else None


def _others(scope: Scope, who: str) -> Iterator[Other]:
    return (other for other in scope.world.others if speaks(who, other.alerts[0]))


def _once(scope: Scope, key: str, find: Callable[[], T]) -> T:
    """What several expressions ask is found once."""
    if key not in scope.known:
        scope.known[key] = find()
    found: T = scope.known[key]
    return found


def _own_burst(alert: Alert) -> Burst:
    burst = _burst(alert)
    if burst is None:
        missing = "localization" if alert.localization is None else "frb.dm"
        raise Missing("event_time" if alert.event_time is None else missing)
    return burst


def _burst(alert: Alert) -> Burst | None:
    place, time, frb = alert.localization, alert.event_time, alert.frb
    if place is None or time is None or frb is None or frb.dm is None:
        return None
    return Burst(place, time, frb.dm, frb.dm_error, frb.reference_mhz)


def _moment(alert: Alert) -> datetime | None:
    """When it would have come without dispersion."""
    frb, time = alert.frb, alert.event_time
    if time is None or frb is None or frb.dm is None or frb.reference_mhz is None:
        return time
    return time - timedelta(seconds=dispersion_delay(frb.dm, frb.reference_mhz))


def _is_placed(alert: Alert) -> bool:
    return alert.localization is not None or (alert.gw is not None and alert.gw.skymap is not None)


_NEAR = (DataType.STRING, DataType.FLOAT, DataType.FLOAT)

FUNCTIONS: Functions = {
    "codetected": (_codetected, DataType.STRING, (DataType.STRING,)),
    "coincident": (_coincident, DataType.STRING, _NEAR),
    "overlap": (_overlap, DataType.FLOAT, _NEAR),
    "chance": (_chance, DataType.FLOAT, _NEAR),
}
LEAST_ARGUMENTS = {"chance": 1}  # of those that may be given fewer
