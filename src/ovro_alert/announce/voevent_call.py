"""Writes one VOEvent 2.0, in a process of its own (see `calling`): voevent-parse imports astropy.

Source of the facts: IVOA, Sky Event Reporting Metadata (VOEvent) 2.0; dsa110/dsa110-event, event/voevent.py:
what DSA-110's own VOEvents say, and under which names.
"""

from datetime import UTC, datetime
from typing import Any

import voeventparse as vp
from lxml import etree

from ovro_alert.announce.calling import answer
from ovro_alert.announce.detection import Detection, read

GROUP = "event parameters"
BAND = "em.radio.750-1500MHz"  # the nearest of the UCD list's to 1280-1530 MHz
# Each parameter: its name, the detection's field, unit, UCD, what it is for people.
PARAMS = (
    ("dm", "dm", "pc/cm^3", f"phys.dispMeasure;{BAND}", "Dispersion measure"),
    (
        "dm_error",
        "dm_error",
        "pc/cm^3",
        f"stat.error;phys.dispMeasure;{BAND}",
        "Error of the dispersion measure",
    ),
    ("width", "width_ms", "ms", "time.duration;src.var.pulse", "Temporal width of the burst"),
    ("snr", "snr", None, "stat.snr", "Signal to noise ratio"),
    ("fluence", "fluence", "Jansky ms", BAND, "Fluence"),
    ("peak_flux", "peak_flux", "Janskys", BAND, "Peak flux"),
)


def write(question: dict[str, Any]) -> dict[str, Any]:
    """The `document` that `voevent.question` asks for, or why it is `unfit`.

    It is in the same bytes whenever it is made: by them brokers know a repeated one.
    """
    detection = read(question["detection"])
    roles = vp.definitions.roles
    event = vp.Voevent(
        stream=question["stream"],
        stream_id=question["ivorn"].partition("#")[2],
        role=roles.test if question["test"] else roles.observation,
    )
    date = datetime.fromisoformat(question["date"]).astimezone(UTC).replace(tzinfo=None)
    vp.set_who(event, date=date, author_ivorn=question["stream"])
    vp.set_author(
        event,
        title="DSA-110",
        contactName=question["contact_name"] or None,
        contactEmail=question["contact_email"] or None,
    )
    event.What.append(vp.Group(params=list(_params(detection)), name=GROUP))
    vp.add_where_when(
        event,
        coords=vp.Position2D(
            ra=repr(detection.ra),
            dec=repr(detection.dec),
            err=repr(detection.radius_deg),
            units="deg",
            system=vp.definitions.sky_coord_system.utc_fk5_geo,
        ),
        obs_time=detection.toa,
        observatory_location="OVRO",
    )
    vp.add_how(event, descriptions=detection.description or "Discovered with DSA-110")
    vp.add_why(event, importance=detection.importance)
    event.Why.Name = detection.name
    try:
        vp.assert_valid_as_v2_0(event)
    except etree.DocumentInvalid as error:
        return {"unfit": str(error)}
    return {"document": vp.dumps(event).decode()}


def _params(detection: Detection) -> Any:
    for name, field, unit, ucd, text in PARAMS:
        value = getattr(detection, field)
        if value is not None:
            param = vp.Param(name=name, value=repr(value), unit=unit, ucd=ucd, dataType="float")
            param.Description = text
            yield param


if __name__ == "__main__":
    answer(write)
