"""The functions of the rules' language, each given the alert and the clock that it is asked over."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from rule_engine import DataType

from ovro_alert.alert import Alert
from ovro_alert.command import to_mjd
from ovro_alert.policy.history import NOTHING_BEFORE, History
from ovro_alert.sky import ring
from ovro_alert.sky.catalogue import Catalogue
from ovro_alert.sky.coincidence import Rate
from ovro_alert.sky.dispersion import dispersion_delay
from ovro_alert.sky.overlap import OnMap
from ovro_alert.sky.visibility import OVRO_LWA, Site

NOTHING_KNOWN = Catalogue()


class Missing(Exception):
    """A name that this alert gives no value for."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not given")


@dataclass(frozen=True)
class Other:
    """Another event, and its alerts, the newest first."""

    event_id: str
    alerts: tuple[Alert, ...]


def map_of(alert: Alert) -> OnMap | None:
    """The sky map of an alert that has it at hand."""
    whole = alert.gw and alert.gw.skymap and alert.gw.skymap.whole
    return OnMap(whole) if whole else None


@dataclass(frozen=True)
class World:
    """What is known besides an alert and its event."""

    site: Site = OVRO_LWA  # where the telescopes stand
    catalogue: Catalogue = NOTHING_KNOWN
    ring_s: float = ring.LENGTH_S  # of the voltage buffer
    rates: Mapping[str, Rate] = field(default_factory=dict)  # by who speaks
    others: Iterable[Other] = ()  # at about the time of the alert, as far as the policy asks for them
    map_of: Callable[[Alert], OnMap | None] = map_of


OVRO = World()


@dataclass(frozen=True)
class Scope:
    """What expressions are evaluated over; and, once they were, what each gave: rules repeat one another."""

    alert: Alert
    now: datetime
    world: World = OVRO
    history: History = NOTHING_BEFORE
    known: dict[str, Any] = field(default_factory=dict, compare=False)


# By name: what makes the function for a scope, the type of its value, the types of its arguments.
Functions = dict[str, tuple[Callable[[Scope], Callable[..., Any]], Any, tuple[Any, ...]]]


def _arrival(scope: Scope) -> Callable[[Decimal], datetime]:
    """arrival(mhz): when the burst sweeps past a frequency, from its DM and its time at a reference."""

    def arrival(mhz: Decimal) -> datetime:
        frb, time = scope.alert.frb, scope.alert.event_time
        if frb is None or frb.dm is None:
            raise Missing("frb.dm")
        if time is None:
            raise Missing("event_time")
        return time + timedelta(seconds=dispersion_delay(frb.dm, float(mhz), frb.reference_mhz))

    return arrival


def _delay(_: Scope) -> Callable[[Decimal, Decimal, Decimal], float]:
    """delay(dm, low_mhz, high_mhz): how much later (s) a burst is at the lower frequency."""
    return lambda dm, low, high: dispersion_delay(float(dm), float(low), float(high))


def _until(scope: Scope) -> Callable[[datetime], float]:
    """until(time): seconds from now to a moment."""
    return lambda moment: (moment - scope.now).total_seconds()


def _after(_: Scope) -> Callable[[datetime, Decimal], datetime]:
    """after(time, seconds): a moment so much later."""
    return lambda moment, seconds: moment + timedelta(seconds=float(seconds))


def _mjd(_: Scope) -> Callable[[datetime], float]:
    """mjd(time): a moment as Modified Julian Date."""
    return to_mjd


def _asked(scope: Scope) -> Callable[[str, str], bool]:
    """asked(slot, command): whether the event has led to such a command before, and not in vain."""
    return scope.history.has_asked


FUNCTIONS: Functions = {
    "arrival": (_arrival, DataType.DATETIME, (DataType.FLOAT,)),
    "delay": (_delay, DataType.FLOAT, (DataType.FLOAT, DataType.FLOAT, DataType.FLOAT)),
    "until": (_until, DataType.FLOAT, (DataType.DATETIME,)),
    "after": (_after, DataType.DATETIME, (DataType.DATETIME, DataType.FLOAT)),
    "mjd": (_mjd, DataType.FLOAT, (DataType.DATETIME,)),
    "asked": (_asked, DataType.BOOLEAN, (DataType.STRING, DataType.STRING)),
}
