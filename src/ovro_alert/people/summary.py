"""One readable line about an alert, for the feed, Slack, pages and the terminal."""

import re
from datetime import datetime

from ovro_alert.alert import (
    Alert,
    AlertType,
    BeamRequest,
    FastRadioBurst,
    GravitationalWave,
    Localization,
    Role,
    Transient,
)

DAY_S = 86400.0
YEAR_S = 365.25 * DAY_S
WORTH_SAYING = 0.05  # probability below which a class only makes the line longer
LONGEST_WORD = 80  # of what a sender wrote; a line is for reading

# What people call a source; the bursts' telescopes speak of nothing else.
SPEAKERS = {
    "chime": "CHIME FRB",
    "dsa": "DSA-110 FRB",
    "casm": "CASM",
    "ligo": "LIGO",
    "gcn": "GCN",
    "flarescope": "Flarescope",
    "swift": "Swift",
    "fermi": "Fermi",
    "maxi": "MAXI",
    "einstein_probe": "Einstein Probe",
    "icecube": "IceCube",
    "svom": "SVOM",
    "lsst": "LSST",
    "lwa": "OVRO-LWA",
}


def summary(alert: Alert) -> str:
    """One line of printable characters that says who speaks of what, how sure, and whether it is a test."""
    facts = ", ".join(_facts(alert))
    joint = (", " if alert.frb else ": ") if facts else ""
    return f"{_role(alert)}{_head(alert)}{joint}{facts}"


def one_line(text: str, longest: int = LONGEST_WORD) -> str:
    """`text` on one line, without control or direction-changing characters, cut with … to `longest`."""
    clean = "".join(letter for letter in " ".join(text.split()) if letter.isprintable())
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"


def _role(alert: Alert) -> str:
    # CHIME sends its updates and retractions as "utility": saying so would tell nothing.
    follows = alert.alert_type is not AlertType.INITIAL
    if alert.role is Role.OBSERVATION or (alert.role is Role.UTILITY and follows):
        return ""
    return f"{alert.role.capitalize()}: "


def _head(alert: Alert) -> str:
    # Who speaks is said already: "CHIME FRB 181344768", not "CHIME FRB chime-181344768".
    event = re.sub(r"^[a-z][a-z0-9_]*-(?=.)", "", alert.event_id)
    words = [_speaker(alert), "request" if alert.request else one_line(event)]
    if alert.alert_type is AlertType.RETRACTION:
        words.append("retraction")
    elif alert.stage:
        words.append(one_line(alert.stage))
    elif alert.alert_type is not AlertType.INITIAL:
        words.append(alert.alert_type)
    return " ".join(words)


def _speaker(alert: Alert) -> str:
    """GCN carries what many missions say."""
    if alert.source == "gcn" and alert.mission:
        return one_line(f"{alert.mission} {alert.instrument}")
    return SPEAKERS.get(alert.source, one_line(alert.mission or alert.source))


def _facts(alert: Alert) -> list[str]:
    if alert.request:
        # What it is asked for: by name, else where, else under which identifier.
        target = [one_line(alert.name)] if alert.name else _place(alert.localization)
        return [*(target or [one_line(alert.event_id)]), _beam(alert.request)]
    told = {alert.event_id, alert.transient.known_source if alert.transient else ""}
    name = [one_line(alert.name)] if alert.name and alert.name not in told else []
    seen = _wave(alert.gw) if alert.gw else _burst(alert.frb) if alert.frb else []
    if seen or alert.alert_type is AlertType.RETRACTION:
        return name + seen
    seen = _transient(alert.transient) if alert.transient else []
    place = _place(alert.localization)
    when = [_moment(alert.event_time)] if alert.event_time and not seen else []
    return name + seen + place + when


def _burst(frb: FastRadioBurst) -> list[str]:
    facts = []
    if frb.dm is not None:
        facts.append(f"DM {_tenths(frb.dm)} pc cm⁻³")
    if frb.snr is not None:
        facts.append(f"S/N {_tenths(frb.snr)}")
    if frb.known_source:
        facts.append(f"known source {one_line(frb.known_source)}")
    return facts


def _wave(gw: GravitationalWave) -> list[str]:
    facts = [one_line(gw.group)] if gw.group else []
    if gw.significant is False:
        facts.append("not significant")
    if gw.far is not None:
        facts.append(f"FAR {_rate(gw.far)}")
    facts += _classes(gw.classification)
    if gw.skymap:
        facts.append(f"90 % area {_figures(gw.skymap.area_90_deg2, 3)} deg²")
        if gw.skymap.distance_mpc is not None:
            spread = gw.skymap.distance_std_mpc
            error = f" ± {_figures(spread)}" if spread is not None else ""
            facts.append(f"{_figures(gw.skymap.distance_mpc, 3)}{error} Mpc")
    return facts


def _transient(seen: Transient) -> list[str]:
    facts = [f"known source {one_line(seen.known_source)}"] if seen.known_source else []
    facts += _classes(seen.classification)
    if seen.rate_snr is not None:
        span = f" in {_figures(seen.rate_duration, 3)} s" if seen.rate_duration is not None else ""
        facts.append(f"S/N {_tenths(seen.rate_snr)}{span}")
    if seen.image_snr is not None:
        facts.append(f"image S/N {_tenths(seen.image_snr)}")
    if seen.energy_tev is not None:
        facts.append(f"{_figures(seen.energy_tev, 3)} TeV")
    if seen.p_astro is not None:
        facts.append(f"astrophysical {seen.p_astro:.2f}")
    if seen.p_value is not None:
        facts.append(f"p {_figures(seen.p_value)}")
    if seen.far is not None:
        facts.append(f"FAR {_rate(seen.far)}")
    return facts


def _classes(classification: dict[str, float]) -> list[str]:
    likely = sorted(classification.items(), key=lambda item: -item[1])
    return [f"{one_line(name)} {p:.2f}" for name, p in likely[:4] if p >= WORTH_SAYING]


def _beam(request: BeamRequest) -> str:
    return f"{request.duration:g} s from {_moment(request.start)}"


def _place(place: Localization | None) -> list[str]:
    if place is None:
        return []
    error = f" ± {_figures(place.error_deg)}°" if place.error_deg is not None else ""
    return [f"RA {place.ra:.3f}° Dec {place.dec:+.3f}°{error}"]


def _moment(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def _rate(far: float) -> str:
    """A false-alarm rate (Hz) as people say it."""
    if not 1e-100 < far < 1e100:  # zero among them
        return f"{far:g} Hz"
    if far * DAY_S > 1:
        return f"{_figures(far * DAY_S)} per day"
    if far * YEAR_S > 1:
        return f"1 per {_figures(1 / (far * DAY_S))} days"
    return f"1 per {_figures(1 / (far * YEAR_S))} yr"


def _tenths(number: float) -> str:
    return f"{round(number, 1):.10g}"


def _figures(number: float, digits: int = 2) -> str:
    """A finite number to so many significant digits, without zeros that say nothing: 1.8e3, 120, 0.05."""
    mantissa, _, exponent = f"{number:.{digits - 1}e}".partition("e")
    power = int(exponent)
    if -3 <= power <= 2 * digits - 2:
        return f"{float(f'{mantissa}e{power}'):.10g}"
    return f"{float(mantissa):g}e{power}"
