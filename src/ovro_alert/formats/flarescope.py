"""Flarescope's requests for a beam: JSON {ra, dec, start, duration[, name, int_time, role, test]}."""

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
from ovro_alert.formats.unreadable import naming

SOURCE = "flarescope"


class _Request(Wire):
    ra: RightAscension  # deg
    dec: Declination
    start: Time
    duration: Positive  # s
    name: Label = ""
    int_time: Positive | None = None  # ms
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
    label = re.sub(r"[^A-Za-z0-9.+-]+", "_", request.name)[:40] or "request"
    name = f"{SOURCE}-{label}-{iso(request.start)}-{digest(document)}"
    return Alert(
        alert_id=name,
        event_id=name,
        source=SOURCE,
        mission="Flarescope",
        instrument="Flarescope",
        role=Role.TEST if request.test else Role(request.role),
        alert_type=AlertType.INITIAL,
        name=request.name,
        event_time=request.start,
        localization=Localization(ra=request.ra, dec=request.dec),
        request=BeamRequest(start=request.start, duration=request.duration, int_time_ms=request.int_time),
    )
