"""GCN's classic notices as VOEvents, on Kafka topics gcn.classic.voevent.* and gcn.notices.svom.voevent.*.

Swift, Fermi, MAXI, INTEGRAL, AMON's IceCube, SVOM and whoever else GCN speaks for; of a mission that we do
not know the alert has what VOEvent itself says. VOEvents of other authors are not read: what theirs mean
nobody has said, and a source is never guessed. LIGO, Virgo and KAGRA's have a module of their own.

Messages of one trigger are one event by the mission's own number, under the name that its unified notices
give it too. Source of the facts: gcn.gsfc.nasa.gov/{sock_pkt_def_doc,swift,fermi,maxi,amon,voevent}.html;
fsc.svom.org/readthedocs, "Notices and circulars".
"""

from lxml import etree

from ovro_alert.alert import Alert, AlertType, Localization, Role
from ovro_alert.formats import lvc_voevent, voevent, voevent_parts
from ovro_alert.formats.fields import localization, parse_time
from ovro_alert.formats.gcn_classic_missions import (
    FOLLOWERS,
    GCN,
    SVOM,
    Mission,
    instrument_of,
    mission_of,
    stage_of,
)
from ovro_alert.formats.gcn_classic_params import Names, Numbers, unless_unknown
from ovro_alert.formats.gcn_core import SOURCE
from ovro_alert.formats.senders import slug
from ovro_alert.formats.unreadable import Unreadable, naming
from ovro_alert.formats.voevent_parts import WhereWhen

BEYOND_SENSE_DEG = 900.0  # 999 and the like stand for no angle
NO = frozenset({"", "0", "0x0", "false", "no"})


def claims(root: etree._Element) -> bool:
    """Whether GCN or SVOM wrote it."""
    ivorn = str(root.get("ivorn", ""))
    return ivorn.startswith((GCN, SVOM)) and not lvc_voevent.claims(root)


def read(root: etree._Element) -> Alert:
    """The alert that a classic notice is.

    Raises
        Unreadable: of another author, or a field is missing, of another type or impossible.
    """
    if not claims(root):
        raise Unreadable.at(f"must begin with {GCN} or {SVOM}", "ivorn")
    head = voevent_parts.head(root)
    mission = mission_of(head.ivorn)
    params = voevent.every_param(root)
    with naming("What"):
        names = Names.model_validate(params)
        # Of one that we do not know the same word may mean anything.
        numbers = Numbers.model_validate(params if mission.known else {})
    label = names.label()
    same, why = voevent_parts.same_event(root), voevent_parts.why(root)
    stage = stage_of(head.ivorn, label)
    instrument = names.instrument or instrument_of(stage)
    alert_type = _alert_type(root, params, numbers, instrument)
    retraction = alert_type is AlertType.RETRACTION
    where = _where_when(root, params)
    # An inference is of a burst, "GRB 251214", or of a source in the catalogue.
    known_source = names.sourcename or ("" if why.name.upper().startswith("GRB") else why.name)
    return Alert(
        alert_id=head.ivorn,
        event_id=f"{slug(mission.name) or SOURCE}-{label}" if label else [*same, head.ivorn][0],
        event_names=tuple(same),
        source=SOURCE,
        mission=mission.name,
        instrument=instrument,
        role=Role.TEST if _is_test(params, mission, label) else head.role,
        alert_type=alert_type,
        stage=stage,
        name=why.name,
        event_time=where.time,
        sent=voevent_parts.sent(root),
        localization=_place(where, numbers, mission.containment.get(instrument)),
        transient=None if retraction else numbers.transient(mission.messenger, instrument, known_source),
        description=_description(root, params, why.description),
    )


def _says(params: dict[str, str], flag: str) -> bool:
    return params.get(flag, "").lower() not in NO


def _is_test(params: dict[str, str], mission: Mission, label: str) -> bool:
    numbered = mission.tests_from is not None and label.isdecimal() and int(label) >= mission.tests_from
    return numbered or _says(params, "test_submission")


def _alert_type(root: etree._Element, params: dict[str, str], numbers: Numbers, instrument: str) -> AlertType:
    """A follow-up, in GCN's words, is the same trigger looked at again."""
    cites = {cite for cite, _ in voevent.citations(root)}
    # Bit 5 of Swift's solution status and Fermi's trigger id: "definitely not a GRB (a retraction)".
    if "retraction" in cites or _says(params, "def_not_a_grb") or _says(params, "retraction"):
        return AlertType.RETRACTION
    if cites & {"supersedes", "followup"} or numbers.rev or instrument in FOLLOWERS:
        return AlertType.UPDATE
    return AlertType.INITIAL


def _where_when(root: etree._Element, params: dict[str, str]) -> WhereWhen:
    """Time and position, without what stands there for "unknown"."""
    said = voevent_parts.where_when_said(root)
    try:
        parse_time(said.get("time"))
    except ValueError:
        said.pop("time", None)  # GCN has written hour 569: the place counts all the same
    if unless_unknown(said.get("error", "0")) is None:
        said.pop("error", None)
    # Other types are the spacecraft's pointing, and "unavailable/inappropriate".
    if params.get("coords_string", "source_object") != "source_object" or _is_placeholder(said):
        said = {name: text for name, text in said.items() if name == "time"}
    return voevent_parts.where_when(said)


def _is_placeholder(said: dict[str, str]) -> bool:
    """Whether the angles stand for no position: 0, 0 without an error, or what no angle can be."""
    try:
        angles = float(said["ra"]), float(said["dec"])
    except (KeyError, ValueError):
        return False  # for the reader of positions to refuse
    return (angles == (0, 0) and "error" not in said) or any(abs(one) > BEYOND_SENSE_DEG for one in angles)


def _place(where: WhereWhen, numbers: Numbers, containment: float | None) -> Localization | None:
    error, contains = numbers.error() or (where.error, containment)
    return localization(where.ra, where.dec, error, contains, loc=("WhereWhen",))


def _description(root: etree._Element, params: dict[str, str], why: str) -> str:
    said = (
        voevent.text(root, "Citations/Description"),
        voevent.text(root, "Description"),
        why,
        voevent.text(root, "What/Description"),
    )
    remarks = [next((one for one in said if one), "")]
    if _says(params, "startrack_lost_lock"):
        remarks.append("The star tracker was not locked: probably not real.")
    return " ".join(one for one in remarks if one)[:2000]
