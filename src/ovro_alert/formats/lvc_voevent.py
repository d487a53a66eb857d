"""VOEvents of LIGO, Virgo and KAGRA, which ended on 2026-07-08: archives and replays have them.

Source of the facts: IGWN Public Alerts User Guide, "Notice Contents" of its VOEvents; GraceDB, buildVOEvent.
The sky map is a link in them, and is not fetched. A retraction's time is of its writing.
"""

from typing import Annotated

from lxml import etree
from pydantic import BeforeValidator, Field

from ovro_alert.alert import Alert, AlertType, Coincidence, Finite, GravitationalWave, NotNegative, Role
from ovro_alert.formats import voevent, voevent_parts
from ovro_alert.formats.fields import Label, Probability
from ovro_alert.formats.igwn_gwalert import ALERT_TYPES, MISSION, SOURCE, role_of, told
from ovro_alert.formats.unreadable import Unreadable, naming
from ovro_alert.formats.voevent_parts import Texts

AUTHORS = ("ivo://gwnet/LVC#", "ivo://nasa.gsfc.gcn/LVC#")
COINCIDENCE = "External Coincidence"  # the group of Params


def _word(value: object) -> object:
    """Preliminary and PRELIMINARY, EarlyWarning and EARLY_WARNING."""
    return value.upper().replace("_", "") if isinstance(value, str) else value


class _What(Texts):
    # Superevents, and the events of the second run and before.
    graceid: Annotated[str, Field(pattern=r"^([MT]?S[0-9]{6}[a-z]{1,10}|[GMT][0-9]{1,12})$")]
    alerttype: Annotated[str, BeforeValidator(_word), Field(pattern=f"^({'|'.join(ALERT_TYPES)})$")]
    hardwareinj: bool = False
    significant: bool | None = None
    instruments: Label = ""  # H1,L1
    far: NotNegative | None = None  # Hz
    group: Label = ""
    pipeline: Label = ""
    search: Label = ""


class _Classes(Texts):
    of: dict[str, Probability]


class _Coincidence(Texts):
    External_Observatory: Label = ""
    External_Search: Label = ""
    External_Ivorn: Label = ""
    External_GCN_Notice_Id: Label = ""
    Time_Difference: Finite | None = None
    Time_Coincidence_FAR: NotNegative | None = None
    Time_Sky_Position_Coincidence_FAR: NotNegative | None = None


def claims(root: etree._Element) -> bool:
    """Whether LIGO, Virgo and KAGRA wrote it, or GCN for them."""
    return str(root.get("ivorn", "")).startswith(AUTHORS)


def read(root: etree._Element) -> Alert:
    """The alert that a VOEvent of LIGO, Virgo and KAGRA is.

    Raises
        Unreadable: of another author, or a field is missing, of another type or impossible.
    """
    if not claims(root):
        raise Unreadable.at(f"must begin with {' or '.join(AUTHORS)}", "ivorn")
    head = voevent_parts.head(root)
    with naming("What"):
        what = _What.model_validate(voevent.every_param(root))
    alert_type = ALERT_TYPES[what.alerttype]
    retraction = alert_type is AlertType.RETRACTION
    coincidence = None if retraction else _coincidence(root)
    where = voevent_parts.where_when(voevent_parts.where_when_said(root))
    test = what.hardwareinj or role_of(what.graceid) is Role.TEST
    return Alert(
        alert_id=head.ivorn,
        event_id=f"{SOURCE}-{what.graceid}",
        event_names=tuple(voevent_parts.same_event(root)),
        source=SOURCE,
        mission=MISSION,
        instrument=what.instruments,
        role=Role.TEST if test else head.role,
        alert_type=alert_type,
        stage=what.alerttype,
        event_time=None if retraction else where.time,
        sent=voevent_parts.sent(root),
        gw=None if retraction else _candidate(root, what, coincidence),
        description=told(coincidence),
    )


def _candidate(root: etree._Element, what: _What, coincidence: Coincidence | None) -> GravitationalWave:
    return GravitationalWave(
        far=what.far,
        significant=what.significant,
        group=what.group,
        pipeline=what.pipeline,
        search=what.search,
        instruments=tuple(what.instruments.split(",")) if what.instruments else (),
        classification=_classes(root, "Classification"),
        properties=_classes(root, "Properties"),
        coincidence=coincidence,
    )


def _classes(root: etree._Element, group: str) -> dict[str, float]:
    with naming("What", group):
        return _Classes.model_validate({"of": voevent.params(root, group)}).of


def _coincidence(root: etree._Element) -> Coincidence | None:
    said = voevent.params(root, COINCIDENCE)
    if not said:
        return None
    with naming("What", COINCIDENCE):
        other = _Coincidence.model_validate(said)
    return Coincidence(
        observatory=other.External_Observatory,
        search=other.External_Search,
        ivorn=other.External_Ivorn,
        gcn_notice_id=other.External_GCN_Notice_Id,
        time_difference=other.Time_Difference,
        time_far=other.Time_Coincidence_FAR,
        time_sky_far=other.Time_Sky_Position_Coincidence_FAR,
    )
