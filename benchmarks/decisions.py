"""Decisions on single alerts by fifty rules, beside reading their messages and nothing else."""

import gc
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random

from benchmarks import arc, fifty
from benchmarks.load import Load
from ovro_alert.alert import Alert
from ovro_alert.demo.sample_bursts import Burst, chime_notice, chime_voevent, dsa_notice
from ovro_alert.demo.wire import to_json, utc
from ovro_alert.formats import read
from ovro_alert.policy.decide import decide
from ovro_alert.policy.functions import Other, Scope, World, map_of
from ovro_alert.policy.history import History
from ovro_alert.policy.language import Expression
from ovro_alert.policy.rules import Policy, load
from ovro_alert.relay.settings import RelaySettings
from ovro_alert.sky.catalogue import Catalogue, Known
from ovro_alert.sky.overlap import OnMap

TURNS, TURNS_OF_MAP = 300, 60
SOURCES = 10_000
LIMIT_MS, LIMIT_MAP_MS, LIMIT_MATCH_MS = 2.0, 10.0, 0.5
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
# As DSA-110 has seen it, too.
BURST = Burst("424242", NOW - timedelta(seconds=10), 291.6, 71.5, 531.0, 0.99)
# What rules ask of a sky map, also beside the places of others.
ASKED = (
    "area(0.9)",
    "probability_up(now, 20)",
    "probability_within(gw.skymap.ra, gw.skymap.dec, 3)",
    "best_ra(2.5, now, 20)",
    "best_dec(2.5, now, 20)",
    'coincident("fermi", 60, 60) != ""',
    'overlap("swift", 60, 60)',
)


def measure(_: Path, say: Callable[[str], None]) -> None:
    """Says how long decisions take, without sky maps and with one, and a match of known sources."""
    world = replace(RelaySettings().world, catalogue=_catalogue())
    gc.collect()
    gc.freeze()  # as the relay does when it has started
    try:
        _without_map(world, say)
        _with_map(world, say)
        _matching(world, say)
    finally:
        gc.unfreeze()


def _without_map(world: World, say: Callable[[str], None]) -> None:
    policy = fifty.policy()
    asking = sum(bool(rule.asks) for rule in policy.rules)
    say(f"{len(policy.rules)} rules, {asking} of them ask for other events; {SOURCES:,} known sources")
    trigger = _trigger("fermi", "Fermi", 8.0)
    dsa = dsa_notice("260304abcd", "initial", NOW)
    for name, raw, others in (
        ("a CHIME burst by VOEvent", chime_voevent(BURST), (dsa, trigger)),
        ("a CHIME burst by GCN", chime_notice(BURST), (dsa, trigger)),
        ("a DSA-110 burst", dsa, (chime_notice(BURST), trigger)),
        ("a Fermi trigger", trigger, (dsa,)),
        ("a wave, its map not at hand", arc.notice("S260304abc", NOW), (trigger,)),
    ):
        alert = Alert.model_validate(read(raw).model_dump())  # as it comes out of the log
        about = replace(world, others=_others(others))
        took = _timed(partial(decide, policy, alert, History(), NOW, about), TURNS)
        _say(say, name, took, LIMIT_MS, _timed(partial(read, raw), TURNS_OF_MAP))


def _with_map(world: World, say: Callable[[str], None]) -> None:
    """Each time read anew: nothing of the map is known that reading it has not made known."""
    settings = RelaySettings()
    _decide_on_map(load(None, settings.commanded), "the default policy", world, say)
    _decide_on_map(fifty.policy(), "all functions of maps at once", world, say)
    raw, others = arc.notice("S260304abc", NOW), _others(_near_a_wave())
    for expression in map(Expression, ASKED):
        alone = []
        for _ in range(TURNS_OF_MAP // 4):
            scope = Scope(read(raw), NOW, replace(world, others=others, map_of=_once()))
            start = time.perf_counter()
            expression.value(scope)
            alone.append(_since(start))
        say(f"  of that, alone: {expression.text:<52} p50 {_load(alone).percentile(50):.2f} ms")


def _near_a_wave() -> tuple[bytes, ...]:
    return _trigger("fermi", "Fermi", 8.0), _trigger("swift", "Swift", 0.05), chime_notice(BURST)


def _decide_on_map(policy: Policy, name: str, world: World, say: Callable[[str], None]) -> None:
    raw, others = arc.notice("S260304abc", NOW), _others(_near_a_wave())
    reading, deciding = [], []
    for _ in range(TURNS_OF_MAP):
        start = time.perf_counter()
        alert = read(raw)
        reading.append(_since(start))
        about = replace(world, others=others, map_of=_once())
        start = time.perf_counter()
        decide(policy, alert, History(), NOW, about)
        deciding.append(_since(start))
    pixels = alert.gw.skymap.pixels if alert.gw and alert.gw.skymap else 0
    of = f"a wave, a map of {pixels:,} pixels, {name}"
    _say(say, of, _load(deciding), LIMIT_MAP_MS, _load(reading))


def _matching(world: World, say: Callable[[str], None]) -> None:
    raw = chime_notice(BURST)
    alert, reading = read(raw), _timed(partial(read, raw), TURNS)
    chosen = Random(1).sample(world.catalogue.sources, TURNS + 1)
    for radius in (0.2, 5.0):
        places = iter(chosen)

        def nearest(radius: float = radius, places: Iterator[Known] = places) -> None:
            near = next(places)
            world.catalogue.nearest(near.ra, near.dec, radius, near.dm, 20.0)

        took = _timed(nearest, TURNS)
        _say(say, f"the nearest of {SOURCES:,} within {radius:g}°", took, LIMIT_MATCH_MS, reading)
    for text in ("known(0.2, 20)", "repeats(0.2, 20)"):
        asked = Expression(text)

        def ask(asked: Expression = asked) -> None:
            asked.value(Scope(alert, NOW, world))

        _say(say, f"{text} in a rule", _timed(ask, TURNS), LIMIT_MATCH_MS, reading)
    scope = Scope(alert, NOW, replace(world, catalogue=_catalogue()))
    start = time.perf_counter()
    asked.value(scope)
    say(f"repeats, the first time that a catalogue is asked: {_since(start):.2f} ms")


def _catalogue() -> Catalogue:
    """Sources all over the northern sky, every fourth of them a repeater."""
    rng = Random(0)
    found = []
    for n in range(SOURCES):
        dec = math.degrees(math.asin(rng.uniform(-0.3, 1)))
        found.append(Known(f"FRB {n}", rng.uniform(0, 360), dec, rng.uniform(100, 3000), 0.1, n % 4 == 0))
    return Catalogue(found)


def _trigger(path: str, mission: str, error_deg: float) -> bytes:
    """A short burst of gamma rays a second after the wave, and where its map has the most."""
    ra, dec = arc.DENSEST
    return to_json(
        {
            "$schema": f"https://gcn.nasa.gov/schema/v4.2.0/gcn/notices/{path}/alert.schema.json",
            "mission": mission,
            "alert_type": "initial",
            "id": ["745121685"],
            "trigger_time": utc(NOW - timedelta(seconds=24)),
            "ra": ra,
            "dec": dec,
            "ra_dec_error": error_deg,
            "containment_probability": 0.68,
            "rate_snr": 12.0,
            "rate_duration": 0.512,
        }
    )


def _others(messages: Sequence[bytes]) -> tuple[Other, ...]:
    alerts = [read(raw) for raw in messages]
    return tuple(Other(alert.event_id, (alert,)) for alert in alerts)


def _once() -> Callable[[Alert], OnMap | None]:
    """Maps prepared for being compared with positions, each once, as the relay has them."""
    found: dict[str, OnMap | None] = {}

    def of(alert: Alert) -> OnMap | None:
        if alert.alert_id not in found:
            found[alert.alert_id] = map_of(alert)
        return found[alert.alert_id]

    return of


def _timed(what: Callable[[], object], turns: int) -> Load:
    what()  # the first builds what all others use
    times = []
    for _ in range(turns):
        start = time.perf_counter()
        what()
        times.append(_since(start))
    return _load(times)


def _since(start: float) -> float:
    return (time.perf_counter() - start) * 1e3


def _load(times: Sequence[float]) -> Load:
    return Load(len(times), sum(times) / 1e3, tuple(sorted(times)))


def _say(say: Callable[[str], None], name: str, took: Load, limit_ms: float, reading: Load) -> None:
    bare = reading.percentile(50)
    say(
        f"{name:<36} p50 {took.percentile(50):.2f} ms   at most {took.percentile(100):.2f} ms   "
        f"(limit {limit_ms:g} ms)   read alone: {bare:.2f} ms   ratio {took.percentile(50) / bare:.1f}"
    )
