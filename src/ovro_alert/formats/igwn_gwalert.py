"""Notices of LIGO, Virgo and KAGRA as on Kafka topic `igwn.gwalert`.

Source of the facts: the IGWN Public Alerts User Guide, "Notice Contents".
"""

from typing import Annotated, Any, Literal

import pybase64
from pydantic import Field

from ovro_alert.alert import (
    Alert,
    AlertType,
    Coincidence,
    Finite,
    GravitationalWave,
    NotNegative,
    Role,
    SkyMap,
)
from ovro_alert.formats.fields import Label, Probabilities, Time, Wire, digest
from ovro_alert.formats.unreadable import Unreadable, naming
from ovro_alert.sky import skymap

SOURCE = "ligo"
MISSION = "LIGO/Virgo/KAGRA"
# The first three all announce an event; `stage` tells them apart.
ALERT_TYPES = {
    "EARLYWARNING": AlertType.INITIAL,
    "PRELIMINARY": AlertType.INITIAL,
    "INITIAL": AlertType.INITIAL,
    "UPDATE": AlertType.UPDATE,
    "RETRACTION": AlertType.RETRACTION,
}


class _Event(Wire):
    significant: bool | None = None
    time: Time | None = None
    far: NotNegative | None = None  # Hz
    instruments: tuple[Label, ...] = Field(default=(), strict=False)
    group: Label = ""
    pipeline: Label = ""
    search: Label = ""
    properties: Probabilities = Field(default_factory=dict)
    classification: Probabilities = Field(default_factory=dict)
    skymap: str | None = None


class _Coincidence(Wire):
    observatory: Label = ""
    search: Label = ""
    ivorn: Label = ""
    gcn_notice_id: int | Label = ""
    time_difference: Finite | None = None  # s
    time_coincidence_far: NotNegative | None = None  # Hz
    time_sky_position_coincidence_far: NotNegative | None = None  # Hz


class _Notice(Wire):
    alert_type: Literal["EARLYWARNING", "PRELIMINARY", "INITIAL", "UPDATE", "RETRACTION"]
    time_created: Time
    superevent_id: Annotated[str, Field(pattern=r"^[MT]?S[0-9]{6}[a-z]{1,10}$")]
    event: _Event | None = None
    external_coinc: _Coincidence | None = None


def role_of(superevent_id: str) -> Role:
    """MS… is a mock, TS… a test; `search` does not tell ("MDC" is no promise)."""
    return Role.TEST if superevent_id.startswith(("MS", "TS")) else Role.OBSERVATION


def claims(document: dict[str, Any]) -> bool:
    """Whether it looks like a notice of this topic."""
    return "superevent_id" in document


def read(document: dict[str, Any]) -> Alert:
    """The alert that a notice is.

    Raises
        Unreadable: a field is missing, of another type or impossible, the sky map included.
    """
    with naming():
        notice = _Notice.model_validate(document)
    event = notice.event
    if event is None and notice.alert_type != "RETRACTION":
        raise Unreadable.at("is required unless alert_type is RETRACTION", "event")
    coincidence = _coincidence(notice.external_coinc) if notice.external_coinc else None
    return Alert(
        alert_id=f"{SOURCE}-{notice.superevent_id}-{notice.alert_type}-{digest(document)}",
        event_id=f"{SOURCE}-{notice.superevent_id}",
        source=SOURCE,
        mission=MISSION,
        instrument=",".join(event.instruments) if event else "",
        role=role_of(notice.superevent_id),
        alert_type=ALERT_TYPES[notice.alert_type],
        stage=notice.alert_type,
        event_time=event.time if event else None,
        sent=notice.time_created,
        gw=_candidate(event, coincidence) if event else None,
        description=told(coincidence),
    )


def _candidate(event: _Event, coincidence: Coincidence | None) -> GravitationalWave:
    return GravitationalWave(
        far=event.far,
        significant=event.significant,
        group=event.group,
        pipeline=event.pipeline,
        search=event.search,
        instruments=event.instruments,
        classification={name: p for name, p in event.classification.items() if p is not None},
        properties={name: p for name, p in event.properties.items() if p is not None},
        skymap=_sky_map(event.skymap) if event.skymap else None,
        coincidence=coincidence,
    )


def _sky_map(text: str) -> SkyMap:
    try:
        raw = pybase64.b64decode(text, validate=True)
    except ValueError:
        raise Unreadable.at("must be base64", "event", "skymap") from None
    try:
        sky = skymap.read(raw)
        return skymap.summarize(sky).with_whole(sky)
    except ValueError as error:
        raise Unreadable.at(str(error), "event", "skymap") from None


def _coincidence(other: _Coincidence) -> Coincidence:
    """Its names are the other event's, and none of this one's: two events, however close."""
    return Coincidence(
        observatory=other.observatory,
        search=other.search,
        ivorn=other.ivorn,
        gcn_notice_id=str(other.gcn_notice_id),
        time_difference=other.time_difference,
        time_far=other.time_coincidence_far,
        time_sky_far=other.time_sky_position_coincidence_far,
    )


def told(other: Coincidence | None) -> str:
    """A coincidence in words."""
    if other is None:
        return ""
    apart = "" if other.time_difference is None else f", {other.time_difference:+.2f} s"
    return f"Coincident with {other.observatory or 'another observatory'} {other.search}".rstrip() + apart
