"""What every VOEvent has in the same place, whoever wrote it: its head, Who, WhereWhen, Why, Citations.

Source of the facts: IVOA, Sky Event Reporting Metadata (VOEvent) 2.0, §3. Texts of XML are numbers here:
"12.5" is 12.5.
"""

import re
from datetime import datetime

from lxml import etree
from pydantic import BaseModel, ConfigDict

from ovro_alert.alert import Declination, NotNegative, RightAscension, Role
from ovro_alert.formats import voevent
from ovro_alert.formats.fields import Identifier, Label, Probability, Text, Time
from ovro_alert.formats.unreadable import Unreadable, naming

_SYSTEM = re.compile(r"UTC-(FK5|ICRS)-")  # FK5 of J2000 is ICRS to 0.03″
# What a message may cite of its own event; `followup` may be of another, and is often empty.
THE_SAME_EVENT = frozenset({"retraction", "supersedes"})


class Texts(BaseModel):
    """Values that XML has as text, and what we do not know left aside."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Head(Texts):
    """The attributes of the root."""

    ivorn: Identifier
    role: Role = Role.OBSERVATION  # the schema's default


class WhereWhen(Texts):
    """The first position and time of what was observed; angles in degrees."""

    time: Time | None = None
    ra: RightAscension | None = None
    dec: Declination | None = None
    error: NotNegative | None = None


class Why(Texts):
    """The author's own opinion of it, with the first inference."""

    importance: Probability | None = None
    probability: Probability | None = None
    name: Label = ""
    description: Text = ""


class _Who(Texts):
    date: Time | None = None


class _Citations(Texts):
    EventIVORN: list[Identifier]


def head(root: etree._Element) -> Head:
    """The root's attributes; Unreadable where one is missing or impossible."""
    with naming():
        return Head.model_validate(dict(root.attrib))


def sent(root: etree._Element) -> datetime | None:
    """When its author wrote it; Unreadable where that is no time."""
    with naming("Who"):
        return _Who.model_validate(_said(date=voevent.text(root, "Who/Date"))).date


def where_when_said(root: etree._Element) -> dict[str, str]:
    """The texts of WhereWhen that say something, under the names of `WhereWhen`.

    Raises
        Unreadable: in other coordinates or units than we read.
    """
    coords = voevent.find(root, "WhereWhen/ObsDataLocation/ObservationLocation/AstroCoords")
    if coords is None:
        return {}
    if not _SYSTEM.match(coords.get("coord_system_id", "")):
        raise Unreadable.at("must be UTC and FK5 or ICRS", "WhereWhen", "coord_system_id")
    position = voevent.find(coords, "Position2D")
    if position is not None and position.get("unit", "deg") not in ("deg", "degrees"):
        raise Unreadable.at("must be deg", "WhereWhen", "unit")
    return _said(
        time=voevent.text(coords, "Time/TimeInstant/ISOTime"),
        ra=voevent.text(coords, "Position2D/Value2/C1"),
        dec=voevent.text(coords, "Position2D/Value2/C2"),
        error=voevent.text(coords, "Position2D/Error2Radius"),
    )


def where_when(said: dict[str, str]) -> WhereWhen:
    """The values of `where_when_said`; Unreadable where one is impossible."""
    with naming("WhereWhen"):
        return WhereWhen.model_validate(said)


def why(root: etree._Element) -> Why:
    """What its author makes of it; Unreadable where a number is impossible."""
    element = voevent.find(root, "Why")
    inference = voevent.find(root, "Why/Inference")
    with naming("Why"):
        return Why.model_validate(
            _said(
                importance=None if element is None else element.get("importance"),
                probability=None if inference is None else inference.get("probability"),
                name=voevent.text(root, "Why/Inference/Name"),
                description=voevent.text(root, "Why/Description"),
            )
        )


def same_event(root: etree._Element) -> list[str]:
    """The messages of its own event that it cites; Unreadable where one has a name that cannot be."""
    cited = [ivorn for cite, ivorn in voevent.citations(root) if cite in THE_SAME_EVENT]
    with naming("Citations"):
        return _Citations(EventIVORN=cited).EventIVORN


def _said(**values: str | None) -> dict[str, str]:
    """An element or attribute that is empty says nothing."""
    return {name: value for name, value in values.items() if value}
