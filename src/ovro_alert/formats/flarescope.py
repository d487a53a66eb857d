"""Flarescope's requests for a beam: JSON {ra, dec, start, duration, …}.

A request is taken back by the same words with "alert_type": "retraction"; one to be updated has an `id`.
"""

import re
from typing import Any, Literal

from ovro_alert.alert import (
    Alert,
    AlertType,
    BeamRequest,
    Declination,
    Localization,
    Positive,
    RightAscension,
    Role,
)
from ovro_alert.formats.fields import Label, Time, Wire, digest, iso
from ovro_alert.formats.unreadable import Unreadable, naming

SOURCE = "flarescope"


class _Request(Wire):
    ra: RightAscension  # deg
    dec: Declination
    start: Time
    duration: Positive  # s
    name: Label = ""
    int_time: Positive | None = None  # ms
    id: Label = ""  # of the request, where it may be updated
    alert_type: Literal["initial", "update", "retraction"] = "initial"
    role: Literal["observation", "test"] = "observation"
    test: bool = False


def claims(document: dict[str, Any]) -> bool:
    """Whether it looks like a request; one with a field missing should be told which."""
    return "duration" in document and not document.keys().isdisjoint({"start", "ra", "dec"})


def read(document: dict[str, Any]) -> Alert:
    """The alert that a request is; the same request again is the same alert.

    Raises
        Unreadable: a field is missing, of another type or impossible.
    """
    with naming():
        request = _Request.model_validate(document)
    if request.alert_type == "update" and not request.id:
        raise Unreadable.at("is required of an update", "id")
    words = digest({name: value for name, value in document.items() if name != "alert_type"})
    label = re.sub(r"[^A-Za-z0-9.+-]+", "_", request.name)[:40] or "request"
    name = f"{SOURCE}-{label}-{iso(request.start)}-{words}"
    alert_type = AlertType(request.alert_type)
    return Alert(
        alert_id=name if alert_type is AlertType.INITIAL else f"{name}-{alert_type}",
        event_id=f"{SOURCE}-{request.id}" if request.id else name,
        source=SOURCE,
        mission="Flarescope",
        instrument="Flarescope",
        role=Role.TEST if request.test else Role(request.role),
        alert_type=alert_type,
        name=request.name,
        event_time=request.start,
        localization=Localization(ra=request.ra, dec=request.dec),
        request=BeamRequest(start=request.start, duration=request.duration, int_time_ms=request.int_time),
    )
