"""Fifty rules such as an observatory comes to have, of every kind of alert; ten ask what others have seen.

Each kind is written once, and stands in the policy once for each of its values.
"""

from typing import NamedTuple

from ovro_alert.policy.rules import Policy, parse

SLOTS = frozenset({"lwa", "dsa"})
PLACE = {"ra": "localization.ra", "dec": "localization.dec"}
NEW = 'alert_type in ["initial", "subsequent"]'
SURE = "(frb.importance ?? 1) >= 0.9"
MERGER = '(gw.classification&["BNS"] ?? 0) + (gw.classification&["NSBH"] ?? 0)'


class Then(NamedTuple):
    """What a kind of rule sends."""

    command: str
    deadline: str
    args: dict[str, str]


BEAM = Then(
    "powerbeam",
    "arrival(43)",
    PLACE | {"dm": "frb.dm", "start": "now", "duration": "until(arrival(43)) + 10", "name": "event_id"},
)
POINTING = Then(
    "powerbeam", "after(event_time, 3600)", PLACE | {"start": "now", "duration": "600.0", "name": "event_id"}
)
DUMP = Then(
    "trigger",
    "ring_until(event_time)",
    {"event": "event_id", "toa": "event_time", "files": "ring_files(event_time, after(event_time, 300))"},
)
LIKELIEST = Then(
    "powerbeam",
    "after(event_time, 1800)",
    {"ra": "best_ra(2.5, now, 20)", "dec": "best_dec(2.5, now, 20)", "start": "now", "name": "event_id"},
)
REQUESTED = Then("powerbeam", "after(request.start, request.duration)", PLACE | {"start": "request.start"})


class Kind(NamedTuple):
    """Rules that differ by a value, `@` in their conditions."""

    name: str
    values: tuple[object, ...]
    when: tuple[str, ...]
    then: Then


def _chime(name: str, values: tuple[object, ...], *when: str, then: Then = BEAM) -> Kind:
    return Kind(f"CHIME {name}", values, ('source == "chime"', NEW, SURE, *when), then)


def _dsa(name: str, values: tuple[object, ...], *when: str) -> Kind:
    return Kind(f"DSA-110 {name}", values, ('source == "dsa"', NEW, *when), BEAM)


def _wave(name: str, values: tuple[object, ...], *when: str, then: Then = DUMP) -> Kind:
    return Kind(f"LIGO {name}", values, ('source == "ligo"', 'gw.group == "CBC"', *when), then)


def _mission(name: str, values: tuple[object, ...], *when: str) -> Kind:
    return Kind(name, values, ('source == "gcn"', f'mission == "{name}"', NEW, *when), POINTING)


KINDS = (
    _chime("DM", (100, 300, 500, 800, 1200), "frb.dm >= @", "frb.dm >= 2 * (frb.dm_galactic ?? 50)"),
    _chime("up", (10, 20, 40), "altitude(localization.ra, localization.dec, arrival(55)) > @"),
    _chime("long up", (600, 3600), "seconds_up(localization.ra, localization.dec, now, 20) > @"),
    _chime("repeater", (5, 20), "repeats(0.2, @)"),
    _chime("named source", ("FRB 7", "FRB 4711"), 'known(0.2, 20) == "@"'),
    _chime("far from the Sun", (30,), "sun_distance(localization.ra, localization.dec, now) > @", then=DUMP),
    _dsa("S/N", (8, 10, 15), "frb.snr > @"),
    _dsa("known source", (10, 30), 'known(0.1, @) != "" or frb.known_source != ""'),
    _dsa("far from the Moon", (20,), "moon_distance(localization.ra, localization.dec, now) > @"),
    _wave("neutron stars", ("3.17e-9", "3.17e-8"), "gw.far <= @", f"{MERGER} > 0.5"),
    _wave("early warning", (0.5,), 'stage == "EARLYWARNING"', f"{MERGER} > @"),
    _wave("close", (200,), "(gw.skymap&.distance_mpc ?? 1e9) < @", f"{MERGER} > 0.1"),
    _wave("small", (100, 2000), f"{MERGER} > 0.1", "area(0.9) < @", then=LIKELIEST),
    _wave("core", (500,), f"{MERGER} > 0.1", "area(0.5) < @", then=LIKELIEST),
    _wave("up", (0.1, 0.5), f"{MERGER} > 0.1", "probability_up(now, 20) > @"),
    _wave(
        "about a galaxy", (0.01,), "probability_within(gw.skymap.ra, gw.skymap.dec, 3) > @", then=LIKELIEST
    ),
    _mission("Fermi", (5, 10, 20), "(transient.rate_duration ?? 0) <= 2", "(transient.rate_snr ?? 0) > @"),
    _mission("Swift", (0, 20), "altitude(localization.ra, localization.dec, now) > @"),
    _mission("IceCube", (0.5,), "(transient.p_astro ?? 0) > @", "(localization.error_deg ?? 180) < 5"),
    _mission("Einstein Probe", (30,), "altitude(localization.ra, localization.dec, now) > @"),
    Kind("Flarescope", (10, 60), ('source == "flarescope"', "request.duration >= @"), REQUESTED),
    # Of what others have seen.
    _chime("that another sees", ("dsa",), 'codetected("@") != ""', 'chance("@") < 0.001'),
    _chime("of a wave", ("ligo",), 'coincident("@", 600, 5) != ""', 'chance("@", 600, 5) < 0.01', then=DUMP),
    _chime("of a GRB", ("fermi", "swift"), 'coincident("@", 600, 5) != ""', then=DUMP),
    _dsa("that another sees", ("chime",), 'codetected("@") != ""'),
    _wave("with a GRB", ("fermi", "swift"), 'coincident("@", 1, 5) != ""'),
    _wave("with a burst", ("chime",), 'overlap("@", 5, 600) > 100', then=LIKELIEST),
    _wave("with neutrinos", ("icecube",), 'coincident("@", 500, 500) != ""'),
    _mission("Fermi", ("ligo",), 'coincident("@", 5, 1) != ""'),
)


def policy() -> Policy:
    """The fifty, checked."""
    return parse("".join(_written(kind, value) for kind in KINDS for value in kind.values), SLOTS)


def _written(kind: Kind, value: object) -> str:
    then = kind.then
    lines = [
        "[[rule]]",
        f'name = "{kind.name} {value}"',
        f"when = {[one.replace('@', str(value)) for one in kind.when]}",
        "[[rule.then]]",
        'slot = "lwa"',
        f'command = "{then.command}"',
        f"deadline = '{then.deadline}'",
        *(f"args.{name} = '{value}'" for name, value in then.args.items()),
    ]
    return "\n".join(lines) + "\n"
