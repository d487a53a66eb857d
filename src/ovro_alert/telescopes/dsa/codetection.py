"""Whether the array has seen a burst that CHIME tells of, by place, dispersion measure and time."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from math import pi
from typing import Any

from ovro_alert.alert import Localization
from ovro_alert.sky.coincidence import CONTAINED_SIGMAS, Burst, Comparison, Rate, compare
from ovro_alert.sky.positions import radius
from ovro_alert.telescopes.dsa.arguments import BurstArguments
from ovro_alert.telescopes.dsa.settings import DsaSettings
from ovro_alert.telescopes.dsa.trigger import Trigger

PLACE_SIGMAS = radius(1.0)
MOST_TOLD = 5


@dataclass(frozen=True)
class Candidate:
    """A trigger of the array beside the burst, and how often any would be by chance."""

    trigger: Trigger
    at: Localization
    comparison: Comparison
    expected: float

    def summary(self) -> dict[str, Any]:
        """For people, in JSON: the differences are the array's less CHIME's; σ of both together."""
        one, trigger = self.comparison, self.trigger
        return {
            "name": trigger.name,
            "time": trigger.time.isoformat(),
            "dm": trigger.dm,
            "snr": trigger.snr,
            "ra": round(self.at.ra, 5),
            "dec": round(self.at.dec, 5),
            "placed_by": "pointing" if trigger.at is None else "trigger",
            "apart_deg": round(one.apart_deg, 4),
            "apart_sigma": round(one.apart_deg / one.radius_deg * PLACE_SIGMAS, 2),
            "dm_difference": round(one.dm_difference, 3),
            "dm_sigma": round(one.dm_difference / one.dm_range * CONTAINED_SIGMAS, 2),
            "seconds_apart": round(one.seconds_apart, 4),
            "seconds_sigma": round(one.seconds_apart / one.window_s * CONTAINED_SIGMAS, 2),
            "expected_by_chance": float(f"{self.expected:.2g}"),
        }

    def __str__(self) -> str:
        said = self.summary()
        return (
            f"{said['name']}, {said['apart_deg']:.2f}° ({said['apart_sigma']:.1f}σ) apart, "
            f"DM {said['dm_difference']:+.1f} ({said['dm_sigma']:+.1f}σ), "
            f"{said['seconds_apart']:+.3f} s ({said['seconds_sigma']:+.1f}σ); "
            f"{said['expected_by_chance']:g} by chance"
        )


@dataclass(frozen=True)
class Looked:
    """What a look at the array's triggers has come to; each list has the likeliest first."""

    found: list[Candidate]
    others: list[Candidate]
    injected: int
    unplaced: int
    unreadable: list[str]

    def summary(self) -> dict[str, Any]:
        """For people, in JSON."""
        several = f"; {len(self.found) - 1} more" if len(self.found) > 1 else ""
        looked_at = len(self.found) + len(self.others)
        if self.found:
            message = f"DSA-110 has seen it: {self.found[0]}{several}"
        else:
            message = f"none of {looked_at} triggers of DSA-110 is this burst"
            message += f"; the nearest is {self.others[0]}" if self.others else ""
        if self.unreadable:
            message += f" ({len(self.unreadable)} could not be read)"
        return {
            "message": message,
            "found": [one.summary() for one in self.found[:MOST_TOLD]],
            "nearest": [one.summary() for one in self.others[:MOST_TOLD]],
            "triggers": looked_at,
            "injected": self.injected,
            "unplaced": self.unplaced,
            "unreadable": len(self.unreadable),
            "why_unreadable": self.unreadable[:MOST_TOLD],
        }


def to_burst(args: BurstArguments, settings: DsaSettings) -> Burst:
    """The burst that a command tells of."""
    at = Localization(ra=args.ra, dec=args.dec, error_deg=args.error, containment=args.containment)
    return Burst(at, args.toa, args.dm, args.dmerror, args.referencemhz or settings.chime_mhz)


def look(
    burst: Burst,
    said: Iterable[Trigger | str],
    pointing: Callable[[datetime], Localization | None],
    settings: DsaSettings,
) -> Looked:
    """Compares a burst with triggers, each name once, as it was written last: the first that comes.

    `said` has of what could not be read why; `pointing` tells where the array looked at a moment, for
    triggers that say no place.
    """
    rate = Rate(settings.triggers_per_day, pi * settings.beam_deg**2, settings.dm_spread)
    unreadable: list[str] = []
    triggers: dict[str, Trigger] = {}
    for each in said:
        if isinstance(each, str):
            unreadable.append(each)
        else:
            triggers.setdefault(each.name, each)
    real = [trigger for trigger in triggers.values() if not trigger.injected]
    candidates = [
        _candidate(burst, trigger, at, rate, settings)
        for trigger in real
        if (at := trigger.at or pointing(trigger.time)) is not None
    ]
    candidates.sort(key=lambda one: one.comparison.far)
    return Looked(
        found=[one for one in candidates if one.comparison.is_one],
        others=[one for one in candidates if not one.comparison.is_one],
        injected=len(triggers) - len(real),
        unplaced=len(real) - len(candidates),
        unreadable=unreadable,
    )


def _candidate(
    burst: Burst, trigger: Trigger, at: Localization, rate: Rate, settings: DsaSettings
) -> Candidate:
    if at.error_deg is None:
        at = at.model_copy(update={"error_deg": settings.beam_deg})
    seen = Burst(at, trigger.time, trigger.dm, trigger.dm_error or settings.dm_error, settings.top_mhz)
    comparison = compare(burst, seen)
    return Candidate(trigger, at, comparison, comparison.expected(rate))
