"""A detection as a VOEvent 2.0, and to a broker with it.

Source of the facts: IVOA, Sky Event Reporting Metadata (VOEvent) 2.0; dsa110/dsa110-event, event/voevent.py:
what DSA-110's own VOEvents say, and under which names.
"""

from collections.abc import Callable
from typing import Any

import voeventparse as vp
from lxml import etree

from ovro_alert.acting import Trace, Unreachable
from ovro_alert.announce.detection import Detection, Unfit
from ovro_alert.announce.sender import Message
from ovro_alert.announce.settings import VoeventSettings
from ovro_alert.command import Entry, from_mjd

STREAM = "edu.caltech.dsa-110"
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
REQUIRED = ("width_ms", "snr")  # beside what every detection has

Reach = Callable[[], None]  # raises OSError
Send = Callable[[bytes], str]  # what the broker said; raises Unreachable, NotTaken


def ivorn_of(entry: Entry, detection: Detection) -> str:
    """A name of its own for each announcement: two that differ must not share one [VOEvent 2.0 §2.2]."""
    return f"ivo://{STREAM}#{detection.name}/{entry.id}"


def document(entry: Entry, detection: Detection, test: bool, contact: VoeventSettings) -> bytes:
    """The VOEvent of a command, in the same bytes whenever it is made: by them brokers know a repeated one.

    Raises
        Unfit: a field is missing without which DSA-110 announces nothing.
    """
    for name in REQUIRED:
        if getattr(detection, name) is None:
            raise Unfit(f"args.{name}: is required for a VOEvent")
    roles = vp.definitions.roles
    event = vp.Voevent(
        stream=STREAM,
        stream_id=ivorn_of(entry, detection).partition("#")[2],
        role=roles.test if test else roles.observation,
    )
    vp.set_who(event, date=from_mjd(entry.command_mjd).replace(tzinfo=None), author_ivorn=STREAM)
    vp.set_author(
        event,
        title="DSA-110",
        contactName=contact.contact_name or None,
        contactEmail=contact.contact_email or None,
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
        raise Unfit(f"args: the VOEvent of them is not valid: {error}") from None
    return bytes(vp.dumps(event))


def _params(detection: Detection) -> Any:
    for name, field, unit, ucd, text in PARAMS:
        value = getattr(detection, field)
        if value is not None:
            param = vp.Param(name=name, value=repr(value), unit=unit, ucd=ucd, dataType="float")
            param.Description = text
            yield param


class VoeventSender:
    """To a broker's author port; `send` and `reach` speak with it.

    A broker tells nobody what it has, but drops what it has had: that is the whole of `find`.
    """

    def __init__(self, settings: VoeventSettings, deployed: bool, send: Send, reach: Reach) -> None:
        self._settings = settings
        self._deployed = deployed
        self._send = send
        self._reach = reach

    @property
    def _to(self) -> str:
        return f"{self._settings.host}:{self._settings.port}"

    def message(self, entry: Entry, detection: Detection) -> Message:
        if not self._settings.host:
            raise Unfit("no VOEvent broker is set: [world_voevent] host")
        test = detection.is_test or not self._deployed
        raw = document(entry, detection, test, self._settings)
        return Message(ivorn_of(entry, detection), self._to, test, raw)

    def find(self, message: Message) -> Trace | None:
        return None

    def send(self, message: Message) -> dict[str, Any]:
        return {"said": self._send(message.raw)}

    def reach(self) -> str:
        if not self._settings.host:
            raise Unreachable("no VOEvent broker is set: [world_voevent] host")
        try:
            self._reach()
        except OSError as error:
            raise Unreachable(f"the VOEvent broker {self._to}: {error}") from error
        return f"{self._to} takes connections"
