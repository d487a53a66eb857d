"""VOEvents of CHIME/FRB: detection, subsequent, update, retraction, test.

Source of the facts: chime-frb-open-data, cfod/utilities. Its retractions are not valid by the schema (no
namespace, an element `original_prefix`), have nothing in What, and give placeholders for position and
importance; `cite="followup"` is often empty and never names the same event.
"""

from lxml import etree

from ovro_alert.alert import Alert, AlertType, FastRadioBurst, NotNegative, Positive, Role
from ovro_alert.formats import voevent, voevent_parts
from ovro_alert.formats.fields import Identifier, Label, Time, localization
from ovro_alert.formats.senders import CHIME
from ovro_alert.formats.unreadable import Unreadable, naming
from ovro_alert.formats.voevent_parts import Head, Texts, WhereWhen, Why

AUTHORITY = "ivo://ca.chimenet.frb/"
CONTAINMENT = 0.95  # of pos_error_semimajor_deg_95, which is Error2Radius


class _What(Texts):
    event_no: Identifier | None = None
    known_source_name: Label = ""
    dm: Positive | None = None
    dm_error: NotNegative | None = None
    timestamp_utc: Time | None = None
    snr: NotNegative | None = None
    dm_gal_ne_2001_max: NotNegative | None = None


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
    head = voevent_parts.head(root)
    same = voevent_parts.same_event(root)
    alert_type = _alert_type(root, head)
    retraction = alert_type is AlertType.RETRACTION
    what = _what(root)
    # A retraction's own time and position are of its writing, not of the burst: not even worth a refusal.
    where = WhereWhen() if retraction else voevent_parts.where_when(voevent_parts.where_when_said(root))
    why = voevent_parts.why(root)
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
        sent=voevent_parts.sent(root),
        localization=localization(where.ra, where.dec, where.error, CONTAINMENT, loc=("WhereWhen",)),
        frb=None if retraction else _burst(what, why, alert_type),
        description=why.description,
    )


def _alert_type(root: etree._Element, head: Head) -> AlertType:
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


def _burst(what: _What, why: Why, alert_type: AlertType) -> FastRadioBurst:
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
