"""VOEvents of CHIME/FRB: detection, subsequent, update, retraction, test.

Source of the facts: chime-frb-open-data, cfod/utilities. Its retractions are not valid by the schema (no
namespace, an element `original_prefix`), have nothing in What, and give placeholders for position and
importance; `cite="followup"` is often empty and never names the same event.
"""

import re

from lxml import etree
from pydantic import BaseModel, ConfigDict

from ovro_alert.alert import (
    Alert,
    AlertType,
    Declination,
    FastRadioBurst,
    NotNegative,
    Positive,
    RightAscension,
    Role,
)
from ovro_alert.formats import voevent
from ovro_alert.formats.fields import Identifier, Label, Probability, Text, Time, localization
from ovro_alert.formats.senders import CHIME
from ovro_alert.formats.unreadable import Unreadable, naming

AUTHORITY = "ivo://ca.chimenet.frb/"
CONTAINMENT = 0.95  # of pos_error_semimajor_deg_95, which is Error2Radius
_SYSTEM = re.compile(r"UTC-(FK5|ICRS)-")  # FK5 of J2000 is ICRS to 0.03″
# What a message may cite of its own event; `followup` is of another, and often empty.
THE_SAME_EVENT = frozenset({"retraction", "supersedes"})


class _Texts(BaseModel):
    """Values that XML has as text: "12.5" is a number here."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _Head(_Texts):
    ivorn: Identifier
    role: Role = Role.OBSERVATION  # the schema's default


class _Citations(_Texts):
    EventIVORN: list[Identifier]


class _What(_Texts):
    event_no: Identifier | None = None
    known_source_name: Label = ""
    dm: Positive | None = None
    dm_error: NotNegative | None = None
    timestamp_utc: Time | None = None
    snr: NotNegative | None = None
    dm_gal_ne_2001_max: NotNegative | None = None


class _WhereWhen(_Texts):
    time: Time | None = None
    ra: RightAscension | None = None
    dec: Declination | None = None
    error: NotNegative | None = None


class _Why(_Texts):
    importance: Probability | None = None
    probability: Probability | None = None
    description: Text = ""


class _Who(_Texts):
    date: Time | None = None


def claims(root: etree._Element) -> bool:
    """Whether CHIME/FRB wrote it."""
    return str(root.get("ivorn", "")).startswith(AUTHORITY)


def read(root: etree._Element) -> Alert:
    """The alert that a VOEvent of CHIME/FRB is.

    Raises
        Unreadable: of another author, or a field is missing, of another type or impossible.
    """
    if not claims(root):
        raise Unreadable.at(f"must begin with {AUTHORITY}", "ivorn")
    with naming():
        head = _Head.model_validate(dict(root.attrib))
    same = _same_event(root)
    alert_type = _alert_type(root, head)
    retraction = alert_type is AlertType.RETRACTION
    what = _what(root)
    # A retraction's own time and position are of its writing, not of the burst: not even worth a refusal.
    where = _WhereWhen() if retraction else _where_when(root)
    with naming("Who"):
        who = _Who.model_validate(_said(date=voevent.text(root, "Who/Date")))
    why = _why(root)
    return Alert(
        alert_id=head.ivorn,
        event_id=f"{CHIME.source}-{what.event_no}" if what.event_no else [*same, head.ivorn][0],
        event_names=tuple(dict.fromkeys([head.ivorn, *same])),
        source=CHIME.source,
        mission=CHIME.mission,
        instrument=CHIME.instrument,
        role=head.role,
        alert_type=alert_type,
        event_time=what.timestamp_utc or where.time,
        sent=who.date,
        localization=localization(where.ra, where.dec, where.error, CONTAINMENT, loc=("WhereWhen",)),
        frb=None if retraction else _burst(what, why, alert_type),
        description=why.description,
    )


def _said(**values: str | None) -> dict[str, str]:
    """An element or attribute that is empty says nothing."""
    return {name: value for name, value in values.items() if value}


def _same_event(root: etree._Element) -> list[str]:
    """The messages of its own event that it cites."""
    cited = [ivorn for cite, ivorn in voevent.citations(root) if cite in THE_SAME_EVENT]
    with naming("Citations"):
        return _Citations(EventIVORN=cited).EventIVORN


def _alert_type(root: etree._Element, head: _Head) -> AlertType:
    stream = head.ivorn.removeprefix(AUTHORITY).split("#")[0]
    cites = {cite for cite, _ in voevent.citations(root)}
    if "RETRACTION" in stream or "retraction" in cites:
        return AlertType.RETRACTION
    if head.role is Role.UTILITY or "supersedes" in cites:
        return AlertType.UPDATE
    return AlertType.SUBSEQUENT if "SUBSEQUENT" in stream else AlertType.INITIAL


def _what(root: etree._Element) -> _What:
    with naming("What"):
        return _What.model_validate(
            voevent.params(root, "advanced parameters") | voevent.params(root, "event parameters")
        )


def _where_when(root: etree._Element) -> _WhereWhen:
    coords = voevent.find(root, "WhereWhen/ObsDataLocation/ObservationLocation/AstroCoords")
    if coords is None:
        return _WhereWhen()
    if not _SYSTEM.match(coords.get("coord_system_id", "")):
        raise Unreadable.at("must be UTC and FK5 or ICRS", "WhereWhen", "coord_system_id")
    position = voevent.find(coords, "Position2D")
    if position is not None and position.get("unit", "deg") not in ("deg", "degrees"):
        raise Unreadable.at("must be deg", "WhereWhen", "unit")
    with naming("WhereWhen"):
        return _WhereWhen.model_validate(
            _said(
                time=voevent.text(coords, "Time/TimeInstant/ISOTime"),
                ra=voevent.text(coords, "Position2D/Value2/C1"),
                dec=voevent.text(coords, "Position2D/Value2/C2"),
                error=voevent.text(coords, "Position2D/Error2Radius"),
            )
        )


def _why(root: etree._Element) -> _Why:
    element = voevent.find(root, "Why")
    inference = voevent.find(root, "Why/Inference")
    with naming("Why"):
        return _Why.model_validate(
            _said(
                importance=None if element is None else element.get("importance"),
                probability=None if inference is None else inference.get("probability"),
                description=voevent.text(root, "Why/Description"),
            )
        )


def _burst(what: _What, why: _Why, alert_type: AlertType) -> FastRadioBurst:
    return FastRadioBurst(
        dm=what.dm,
        dm_error=what.dm_error,
        dm_galactic=what.dm_gal_ne_2001_max,
        snr=what.snr,
        importance=why.importance,
        known_source=what.known_source_name,
        # Only a subsequent's inference is of a known source; a detection writes 0 for "not reported".
        association_probability=why.probability if alert_type is AlertType.SUBSEQUENT else None,
        reference_mhz=CHIME.reference_mhz,
    )
