"""DSA-110's own VOEvents, as ovro-alert sends them: a broker that we hear may bring them back.

Source of the facts: dsa110/dsa110-event, event/voevent.py; the burst's name is Why's.
"""

from lxml import etree

from ovro_alert.alert import Alert, AlertType, FastRadioBurst, NotNegative, Positive, Role
from ovro_alert.formats import voevent, voevent_parts
from ovro_alert.formats.fields import Identifier, localization
from ovro_alert.formats.senders import DSA110, is_injected
from ovro_alert.formats.unreadable import Unreadable, naming
from ovro_alert.formats.voevent_parts import Texts

AUTHORITY = "ivo://edu.caltech.dsa-110"


class _What(Texts):
    dm: Positive
    dm_error: NotNegative | None = None
    width: NotNegative | None = None  # ms
    snr: NotNegative | None = None


class _Name(Texts):
    Name: Identifier


def claims(root: etree._Element) -> bool:
    """Whether DSA-110 wrote it."""
    return str(root.get("ivorn", "")).startswith(AUTHORITY)


def read(root: etree._Element) -> Alert:
    """The alert that a VOEvent of DSA-110 is; its trigger and its GCN notice are of the same event.

    Raises
        Unreadable: of another author, or a field is missing, of another type or impossible.
    """
    if not claims(root):
        raise Unreadable.at(f"must begin with {AUTHORITY}", "ivorn")
    head = voevent_parts.head(root)
    with naming("Why"):
        label = _Name(Name=voevent.text(root, "Why/Name")).Name
    with naming("What"):
        what = _What.model_validate(voevent.params(root, "event parameters"))
    where = voevent_parts.where_when(voevent_parts.where_when_said(root))
    why = voevent_parts.why(root)
    return Alert(
        # Its own scripts give every VOEvent the same ivorn.
        alert_id=head.ivorn if label in head.ivorn else f"{head.ivorn}/{label}",
        event_id=f"{DSA110.source}-{label}",
        source=DSA110.source,
        mission=DSA110.mission,
        instrument=DSA110.instrument,
        role=Role.TEST if is_injected(DSA110.source, label) else head.role,
        alert_type=AlertType.INITIAL,
        event_time=where.time,
        sent=voevent_parts.sent(root),
        localization=localization(where.ra, where.dec, where.error, loc=("WhereWhen",)),
        frb=FastRadioBurst(
            dm=what.dm,
            dm_error=what.dm_error,
            snr=what.snr,
            width_ms=what.width,
            importance=why.importance,
            reference_mhz=DSA110.reference_mhz,
        ),
        description=why.description,
    )
