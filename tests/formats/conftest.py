"""Hand-made messages that the tests of formats start from."""

import base64
import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from ovro_alert.demo.sample_map import sky_map

GW: dict[str, Any] = {
    "alert_type": "PRELIMINARY",
    "time_created": "2026-03-01T12:00:30Z",
    "superevent_id": "S260301ab",
    "urls": {"gracedb": "https://example.org/S260301ab"},
    "event": {
        "significant": True,
        "time": "2026-03-01T12:00:00.125Z",
        "far": 1.5e-10,
        "instruments": ["H1", "L1"],
        "group": "CBC",
        "pipeline": "gstlal",
        "search": "AllSky",
        "properties": {"HasNS": 1.0, "HasRemnant": 0.75, "HasMassGap": 0},
        "classification": {"BNS": 0.95, "NSBH": 0.04, "BBH": 0.0, "Terrestrial": 0.01},
        "duration": None,
        "central_frequency": None,
        "skymap": None,
    },
    "external_coinc": None,
}

CHIME: dict[str, Any] = {
    "$schema": "https://gcn.nasa.gov/schema/v6.1.0/gcn/notices/chime/frb.schema.json",
    "alert_type": "initial",
    "trigger_time": "2026-03-01T12:00:00.250000Z",
    "id": "123456789",
    "snr": 12.5,
    "ra": 346.75,
    "dec": 12.625,
    "ra_dec_error": [0.5, 0.625, 120],
    "dm": 279.5,
    "dm_error": 0.25,
    "dm_gal_ne_2001_max": 37.75,
    "importance": 0.9375,
    "description": "Made by a machine.",
}

DETECTION = """<?xml version='1.0' encoding='UTF-8'?>
<voe:VOEvent xmlns:voe="http://www.ivoa.net/xml/VOEvent/v2.0" version="2.0" role="observation"
  ivorn="ivo://ca.chimenet.frb/FRB-DETECTION-#2026-03-01-12:00:00.250000UTC+0000_0123456789ab">
  <Who><Date>2026-03-01T12:00:09+00:00</Date></Who>
  <What>
    <Group name="event parameters">
      <Param name="event_no" value="123456789"/>
      <Param name="known_source_name" value=""/>
      <Param name="dm" value="279.5" unit="pc/cm^3"/>
      <Param name="dm_error" value="0.25" unit="pc/cm^3"/>
      <Param name="timestamp_utc" value="2026-03-01 12:00:00.250000+00:00"/>
      <Param name="snr" value="12.5"/>
    </Group>
    <Group name="advanced parameters">
      <Param name="dm_gal_ne_2001_max" value="37.75"/>
      <Param name="timestamp_utc_inf_freq" value="2026-03-01 11:59:53.0+00:00"/>
    </Group>
  </What>
  <WhereWhen><ObsDataLocation><ObservatoryLocation id="CHIME"/><ObservationLocation>
    <AstroCoordSystem id="UTC-FK5-TOPO"/>
    <AstroCoords coord_system_id="UTC-FK5-TOPO">
      <Time unit="s"><TimeInstant><ISOTime>2026-03-01T12:00:00.250000</ISOTime></TimeInstant></Time>
      <Position2D unit="deg"><Name1>RA</Name1><Name2>Dec</Name2>
        <Value2><C1>346.75</C1><C2>12.625</C2></Value2><Error2Radius>0.625</Error2Radius></Position2D>
    </AstroCoords>
  </ObservationLocation></ObsDataLocation></WhereWhen>
  <Why importance="0.9375"><Inference probability="0" relation=""><Name/></Inference>
    <Description>A detection.</Description></Why>
</voe:VOEvent>
"""

# As CHIME/FRB sends them: no namespace, nothing in What, an element that the schema does not know.
RETRACTION = """<VOEvent version="2.0" role="utility"
  ivorn="ivo://ca.chimenet.frb/OBS-RETRACTION-#2026-03-01-12:30:00.000000UTC+0000_ba9876543210">
  <Who><Date>2026-03-01T12:30:00+00:00</Date></Who>
  <What/>
  <WhereWhen><ObsDataLocation><ObservatoryLocation id="CHIME"/><ObservationLocation>
    <AstroCoordSystem id="UTC-FK5-TOPO"/>
    <AstroCoords coord_system_id="UTC-FK5-TOPO">
      <Time unit="s"><TimeInstant><ISOTime>2026-03-01T12:30:00.000000</ISOTime></TimeInstant></Time>
      <Position2D unit="deg"><Name1>RA</Name1><Name2>Dec</Name2>
        <Value2><C1>0</C1><C2>0</C2></Value2><Error2Radius>0</Error2Radius></Position2D>
    </AstroCoords>
  </ObservationLocation></ObsDataLocation></WhereWhen>
  <Why importance="1"><Description>Human-issued.</Description></Why>
  <Citations>
    <EventIVORN cite="retraction">ivo://ca.chimenet.frb/FRB-DETECTION-#2026-03-01-12:00:00.250000UTC+0000_0123456789ab</EventIVORN>
  </Citations>
  <original_prefix>voe</original_prefix>
</VOEvent>
"""

Changed = Callable[..., bytes]


def _changed(document: dict[str, Any], changes: dict[str, Any]) -> bytes:
    """The document as JSON with `a__b=value` set at a.b; `...` takes the field away."""
    document = copy.deepcopy(document)
    for path, value in changes.items():
        *parents, last = path.split("__")
        parent = document
        for name in parents:
            parent = parent[name]
        if value is ...:
            del parent[last]
        else:
            parent[last] = value
    return json.dumps(document).encode()


@pytest.fixture(scope="session")
def gw() -> Changed:
    """A GW notice with some fields changed."""
    return lambda **changes: _changed(GW, changes)


@pytest.fixture(scope="session")
def chime() -> Changed:
    """CHIME/FRB's GCN notice with some fields changed."""
    return lambda **changes: _changed(
        CHIME, {"$schema" if k == "schema" else k: v for k, v in changes.items()}
    )


@pytest.fixture(scope="session")
def detection() -> str:
    return DETECTION


@pytest.fixture(scope="session")
def retraction() -> str:
    return RETRACTION


@pytest.fixture(scope="session")
def skymap_text() -> str:
    """A sky map as a notice holds it."""
    return base64.b64encode(sky_map(197.45, -3.38, 9.0, 1.6, 104.0)).decode()
