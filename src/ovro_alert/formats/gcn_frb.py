"""Fast radio bursts in GCN's unified JSON schema: CHIME/FRB and DSA-110.

Source of the facts: nasa-gcn/gcn-schema, gcn/notices/{chime,dsa110}/frb.schema.json and gcn/notices/core.
"""

import re
from typing import Any, Literal

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
from ovro_alert.formats.fields import (
    ErrorSize,
    Identifiers,
    Label,
    Probability,
    Text,
    Time,
    Wire,
    digest,
    localization,
)
from ovro_alert.formats.senders import CHIME, DSA110, is_injected
from ovro_alert.formats.unreadable import Unreadable, naming

# A schema's address names any version or branch: only its end tells the notice.
_TAIL = re.compile(r"(?:^|/)gcn/notices/((?:chime|dsa110)/frb)(?:\.schema)?(?:\.json)?$")
_ROLES = {"test": Role.TEST, "injection": Role.TEST, "mock": Role.TEST, "planned": Role.PREDICTION}
SENDERS = {"chime/frb": CHIME, "dsa110/frb": DSA110}


class _Notice(Wire):
    alert_type: Literal["initial", "subsequent", "update", "retraction"]
    alert_tense: Literal["current", "archival", "planned", "injection", "commanded", "test", "mock"] = (
        "current"
    )
    alert_datetime: Time | None = None
    trigger_time: Time | None = None
    id: Identifiers
    event_name: Identifiers | None = None
    ra: RightAscension | None = None
    dec: Declination | None = None
    ra_dec_error: ErrorSize | None = None  # deg
    containment_probability: Probability = 0.9
    dm: Positive | None = None
    dm_error: ErrorSize | None = None
    dm_gal_ne_2001_max: NotNegative | None = None
    snr: NotNegative | None = None
    event_duration: NotNegative | None = None  # ms
    importance: Probability | None = None
    association_probability: Probability | None = None
    known_source: Label = ""
    update_message: Text = ""
    description: Text = ""


def schema_of(document: dict[str, Any]) -> str | None:
    """ "chime/frb" or "dsa110/frb" by the document's `$schema`; None where it is neither."""
    schema = document.get("$schema")
    found = _TAIL.search(schema) if isinstance(schema, str) else None
    return found[1] if found else None


def read(document: dict[str, Any], schema: str) -> Alert:
    """The alert that a notice of `schema`, a key of SENDERS, is.

    Raises
        Unreadable: its `$schema` is another, or a field is missing, of another type or impossible.
    """
    if schema_of(document) != schema:
        raise Unreadable.at(f"must be that of gcn/notices/{schema}", "$schema")
    sender = SENDERS[schema]
    with naming():
        notice = _Notice.model_validate(document)
    label = notice.id[0]
    injected = is_injected(sender.source, label)
    return Alert(
        alert_id=f"{sender.source}-{label}-{notice.alert_type}-{digest(document)}",
        event_id=f"{sender.source}-{label}",
        event_names=tuple(f"{sender.source}-{other}" for other in notice.id[1:]),
        source=sender.source,
        mission=sender.mission,
        instrument=sender.instrument,
        role=Role.TEST if injected else _ROLES.get(notice.alert_tense, Role.OBSERVATION),
        alert_type=AlertType(notice.alert_type),
        name=notice.event_name[0] if notice.event_name else "",
        event_time=notice.trigger_time,
        sent=notice.alert_datetime,
        localization=localization(notice.ra, notice.dec, notice.ra_dec_error, notice.containment_probability),
        frb=None if notice.alert_type == "retraction" else _burst(notice, sender.reference_mhz),
        description=notice.update_message or notice.description,
    )


def _burst(notice: _Notice, reference_mhz: float) -> FastRadioBurst:
    return FastRadioBurst(
        dm=notice.dm,
        dm_error=notice.dm_error,
        dm_galactic=notice.dm_gal_ne_2001_max,
        snr=notice.snr,
        width_ms=notice.event_duration,
        importance=notice.importance,
        known_source=notice.known_source,
        association_probability=notice.association_probability,
        reference_mhz=reference_mhz,
    )
