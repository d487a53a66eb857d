"""VOEvents in the shape of GCN's, written by voevent-parse: another writer than our reader."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import voeventparse
from lxml import objectify

Params = Mapping[str, Any]


def classic(
    ivorn: str,
    params: Params,
    *,
    groups: Mapping[str, Params] | None = None,
    place: tuple[float, float, float] | None = None,
    when: str = "2026-03-01T12:00:00.25",
    role: str = "observation",
    cites: Sequence[tuple[str, str]] = (),
    name: str = "",
    system: str = "UTC-FK5-GEO",
    description: str = "",
) -> bytes:
    """A VOEvent with these Params, the position (ra, dec, error) in degrees and citations (cite, ivorn)."""
    event = voeventparse.Voevent("example/stream", "1", role)
    event.attrib["ivorn"] = ivorn
    voeventparse.set_who(event, date=datetime(2026, 3, 1, 12, 0, 30), author_ivorn="nasa.gsfc.tan/gcn")
    for param, value in params.items():
        event.What.append(voeventparse.Param(param, str(value), dataType="string"))
    for group, its in (groups or {}).items():
        event.What.append(
            voeventparse.Group(
                [voeventparse.Param(one, str(value), dataType="string") for one, value in its.items()], group
            )
        )
    ra, dec, error = place or (0.0, 0.0, 0.0)
    voeventparse.add_where_when(
        event,
        voeventparse.Position2D(ra=ra, dec=dec, err=error, units="deg", system=system),
        datetime(2026, 3, 1, 12, tzinfo=UTC),
        "GEOLUN",
    )
    coords = event.WhereWhen.ObsDataLocation.ObservationLocation.AstroCoords
    coords.Time.TimeInstant.ISOTime = when
    if place is None:
        coords.remove(coords.Position2D)
    voeventparse.add_why(event, 0.9)
    event.Why.append(voeventparse.Inference(0.9, name=name or None, concept="process.variation.burst"))
    if description:
        event.What.Description = description
    # Not by add_citations: voevent-parse 1.0.3 asks for collections.Iterable, which Python no longer has.
    if cites:
        event.append(objectify.E.Citations())
        event.Citations.extend([voeventparse.EventIvorn(cited, cite) for cite, cited in cites])
    voeventparse.assert_valid_as_v2_0(event)
    written: bytes = voeventparse.dumps(event)
    return written
