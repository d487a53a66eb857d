"""The slot protocol in use today: what a receiver PUTs as an alert, and an alert as its clients expect it.

Each sender has args of its own, and two styles of them (the receivers', and the README's with TOA, RA, Dec):
nothing tells them apart but which names are there.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from ovro_alert.alert import (
    Alert,
    AlertType,
    BeamRequest,
    FastRadioBurst,
    GravitationalWave,
    Localization,
    Role,
)
from ovro_alert.command import from_mjd
from ovro_alert.formats import chime_voevent, flarescope, gcn_core, igwn_gwalert
from ovro_alert.formats.fields import iso, localization
from ovro_alert.formats.senders import CHIME, DSA110, is_injected
from ovro_alert.formats.slot_args import Args, read_args
from ovro_alert.formats.unreadable import Unreadable

# What a sender's words mean; `gcn` is what the GCN receiver of today says for an observation.
ROLES = {
    "observation": Role.OBSERVATION,
    "event": Role.OBSERVATION,
    "gcn": Role.OBSERVATION,
    "test": Role.TEST,
}
BURSTS = {  # slots whose senders see fast radio bursts, and the frequency, MHz, at which their toa holds
    CHIME.source: CHIME.reference_mhz,
    DSA110.source: DSA110.reference_mhz,
    "casm": None,
}
# Where LIGO's receiver of today does not just capitalise.
_STAGE_WORDS = {"EARLYWARNING": "EarlyWarning"}
GCN_DURATION_S = 3600  # what the GCN receiver of today always asks for
# Who acts on an "observation" of today acts at once, so only the news that something was seen is one.
_NEWS = frozenset({AlertType.INITIAL, AlertType.SUBSEQUENT})


def from_slot(slot: str, command: str, command_mjd: float, args: dict[str, Any], instrument: str) -> Alert:
    """The alert that a receiver of today PUTs into its sender's slot.

    Each PUT is an alert of its own, named after its slot, event and `command_mjd`; where args name no event,
    it is an event of its own as well. Where they give no time it happened by `command_mjd` at the latest, and
    deadlines count from there; a LIGO event without AlertType is INITIAL. A test by command, args or id is
    a test.

    Raises
        Unreadable: a command that is none of ROLES, or an arg of a wrong type or value,
            named ("args", <name>).
    """
    if command not in ROLES:
        raise Unreadable.at(f"must be one of {', '.join(ROLES)}", "command")
    try:
        sent = from_mjd(command_mjd)
    except (ValueError, OverflowError):
        raise Unreadable.at("must be an MJD", "command_mjd") from None
    known = read_args(args)
    label = known.graceid or known.trigname or known.event_no or known.id or ""
    event_id = label if label.startswith("ivo://") else f"{slot}-{label or repr(command_mjd)}"
    is_wave = slot == igwn_gwalert.SOURCE
    stage = (known.alerttype or "INITIAL").upper().replace("_", "").replace(" ", "") if is_wave else ""
    return Alert(
        alert_id=f"{slot}-{label}-{command_mjd!r}" if label else event_id,
        event_id=event_id,
        source=slot,
        mission=known.mission or "",
        instrument=known.instrument or instrument,
        role=_role(slot, command, label, known),
        alert_type=igwn_gwalert.ALERT_TYPES.get(stage, AlertType.INITIAL),
        stage=stage,
        name=known.name or "",
        event_time=known.toa or known.start or sent,
        sent=sent,
        localization=_localization(slot, known),
        frb=_burst(slot, known) if slot in BURSTS else None,
        gw=_candidate(known) if is_wave else None,
        request=_request(slot, known, sent),
    )


def _role(slot: str, command: str, label: str, known: Args) -> Role:
    """A test whoever says so: promoting one to an observation has moved telescopes."""
    if known.role == "test" or is_injected(slot, label):
        return Role.TEST
    if slot == igwn_gwalert.SOURCE and igwn_gwalert.role_of(label) is Role.TEST:
        return Role.TEST
    return ROLES[command]


def _localization(slot: str, known: Args) -> Localization | None:
    containment = chime_voevent.CONTAINMENT if slot == CHIME.source else None
    if known.position is None:
        return localization(known.ra, known.dec, loc=("args",))
    return localization(known.position.ra, known.position.dec, known.position.error_deg, containment)


def _burst(slot: str, known: Args) -> FastRadioBurst:
    return FastRadioBurst(
        dm=known.dm,
        snr=known.snr,
        importance=known.importance,
        known_source=known.known or "",
        reference_mhz=BURSTS[slot],
    )


def _candidate(known: Args) -> GravitationalWave:
    """The receiver of today sends only CBC candidates, already selected, and not all their numbers.

    What is missing is bounded by what is there: a binary neutron star has a neutron star, so HasNS ≥ BNS;
    what is not astrophysical is no binary neutron star, so Terrestrial ≤ 1 − BNS; and a merger with a neutron
    star that is not BNS is NSBH, so NSBH is what HasNS has beyond BNS.
    """
    classes = {"BNS": known.bns, "NSBH": known.nsbh, "BBH": known.bbh, "Terrestrial": known.terrestrial}
    has_ns = known.hasns
    if known.bns is not None:
        if has_ns is None:
            has_ns = known.bns
        if known.terrestrial is None:
            classes["Terrestrial"] = 1 - known.bns
        if known.nsbh is None:
            classes["NSBH"] = max(0.0, has_ns - known.bns)
    return GravitationalWave(
        far=known.far,
        group="CBC",
        classification={name: p for name, p in classes.items() if p is not None},
        properties={} if has_ns is None else {"HasNS": has_ns},
    )


def _request(slot: str, known: Args, sent: datetime) -> BeamRequest | None:
    """Flarescope says when; the GCN receiver of today only for how long, and means from now."""
    if slot == flarescope.SOURCE:
        for name in ("start", "duration"):
            if getattr(known, name) is None:
                raise Unreadable.at("is required", "args", name)
    if known.duration is None:
        return None
    return BeamRequest(start=known.start or sent, duration=known.duration, int_time_ms=known.int_time)


def to_slot(alert: Alert, *, acted_on: bool) -> tuple[str, dict[str, Any]]:
    """The command word and args with which an alert stands in its sender's slot for clients of today.

    Those act on every "observation", so that is the word only for what a rule has acted on; the others are an
    "event", a "test", an "update" or a "retraction", on which none of them acts. Args are the superset of
    both styles, plain JSON values; what the alert does not say is left out.
    """
    said = _WRITERS.get(alert.source, _other_args)(alert)
    args = {name: value for name, value in said.items() if value not in (None, "")}
    if alert.role is Role.TEST:
        return "test", args
    if alert.alert_type not in _NEWS:
        return alert.alert_type.value, args
    return "observation" if acted_on else "event", args


def _label(alert: Alert) -> str:
    return alert.event_id.removeprefix(f"{alert.source}-")


def _toa(alert: Alert) -> str | None:
    return None if alert.event_time is None else iso(alert.event_time)


def _ra_dec(alert: Alert) -> dict[str, Any]:
    where = alert.localization
    return {} if where is None else {"ra": where.ra, "dec": where.dec}


def _as_position(alert: Alert) -> str | None:
    """Clients of today split it into three, error or not."""
    where = alert.localization
    return None if where is None else f"{where.ra},{where.dec},{where.error_deg or 0}"


def _burst_args(alert: Alert) -> dict[str, Any]:
    frb = alert.frb or FastRadioBurst()
    label = _label(alert)
    return {
        "position": _as_position(alert),
        "dm": frb.dm,
        "id": label,
        "instrument": alert.instrument,
        "mission": alert.mission,
        "role": alert.role.value,
        "event_no": label if label.isdigit() else None,
        "toa": _toa(alert),
        "known": frb.known_source,
        "snr": frb.snr,
        "importance": frb.importance,
        **_ra_dec(alert),
    }


def _dsa_args(alert: Alert) -> dict[str, Any]:
    frb = alert.frb or FastRadioBurst()
    return {"dm": frb.dm, **_ra_dec(alert), "trigname": _label(alert), "toa": _toa(alert), "snr": frb.snr}


def _wave_args(alert: Alert) -> dict[str, Any]:
    """Numbers as text, as receivers of today take them from VOEvents."""
    gw = alert.gw or GravitationalWave()
    numbers = {
        "FAR": gw.far,
        "BNS": gw.classification.get("BNS"),
        "NSBH": gw.classification.get("NSBH"),
        "BBH": gw.classification.get("BBH"),
        "Terrestrial": gw.classification.get("Terrestrial"),
        "HasNS": gw.properties.get("HasNS"),
    }
    return {
        **{name: None if value is None else str(value) for name, value in numbers.items()},
        "GraceID": _label(alert),
        "AlertType": _STAGE_WORDS.get(alert.stage, alert.stage.capitalize()),
        "TOA": _toa(alert),
    }


def _other_args(alert: Alert) -> dict[str, Any]:
    request = alert.request
    usual = GCN_DURATION_S if alert.source == gcn_core.SOURCE else None
    return {
        "position": _as_position(alert),
        "duration": usual if request is None else request.duration,
        "instrument": alert.instrument,
        "mission": alert.mission,
        "id": _label(alert),
        "toa": _toa(alert),
    }


def _request_args(alert: Alert) -> dict[str, Any]:
    request = alert.request
    place = _ra_dec(alert)
    return {
        "start": None if request is None else iso(request.start),
        "duration": None if request is None else request.duration,
        "RA": place.get("ra"),
        "Dec": place.get("dec"),
        **place,
        "name": alert.name,
        "int_time": None if request is None else request.int_time_ms,
    }


_WRITERS: dict[str, Callable[[Alert], dict[str, Any]]] = {
    "chime": _burst_args,
    "casm": _burst_args,
    "dsa": _dsa_args,
    "ligo": _wave_args,
    "flarescope": _request_args,
}
