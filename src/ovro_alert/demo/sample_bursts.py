"""Made-up fast radio bursts as CHIME/FRB and DSA-110 tell of them."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ovro_alert.command import to_mjd
from ovro_alert.demo.wire import to_json, utc
from ovro_alert.sky.dispersion import dispersion_delay

GCN_SCHEMA = "https://gcn.nasa.gov/schema/v4.2.0/gcn/notices"
CHIME_MHZ, DSA_MHZ = 400.0, 1530.0  # where their times hold
AUTHOR = "ivo://ca.chimenet.frb"


@dataclass(frozen=True)
class Burst:
    """A fast radio burst as CHIME/FRB sees it; `seen` is at 400 MHz."""

    number: str
    seen: datetime
    ra: float
    dec: float
    dm: float
    importance: float
    known_source: str = ""
    role: str = "observation"


def dsa_notice(name: str, alert_type: str, now: datetime) -> bytes:
    """A notice of DSA-110 10 s after the burst `name`; a retraction has neither position nor DM."""
    notice = {
        "$schema": f"{GCN_SCHEMA}/dsa110/frb.schema.json",
        "alert_type": alert_type,
        "id": name,
        "trigger_time": utc(now - timedelta(seconds=10)),
    }
    if alert_type == "retraction":
        return to_json(notice | {"description": "Retracted by a person."})
    seen = {"ra": 291.61, "dec": 71.52, "ra_dec_error": [0.02, 0.016], "dm": 531.7, "snr": 14.2}
    return to_json(notice | seen | {"event_duration": 1.05, "importance": 0.98})


def dsa_trigger(name: str, burst: Burst) -> bytes:
    """What DSA-110's search puts into etcd of what CHIME sees, too: earlier, at the top of its band."""
    seen = burst.seen - timedelta(
        seconds=dispersion_delay(burst.dm, CHIME_MHZ) - dispersion_delay(burst.dm, DSA_MHZ)
    )
    found = {"snr": 17.6, "ibox": 4, "ibeam": 127, "cntb": 6, "cntc": 48, "specnum": 0}
    place = {"ra": burst.ra, "dec": burst.dec, "radecerr": 2.1}  # of the error, arcsec
    return to_json({name: {"mjds": to_mjd(seen), "dm": burst.dm, "dmerr": 0.3} | found | place})


def chime_notice(burst: Burst) -> bytes:
    """The burst as CHIME/FRB tells it by GCN."""
    notice: dict[str, Any] = {
        "$schema": f"{GCN_SCHEMA}/chime/frb.schema.json",
        "alert_type": "subsequent" if burst.known_source else "initial",
        "trigger_time": utc(burst.seen),
        "id": burst.number,
        "snr": 21.3,
        "ra": burst.ra,
        "dec": burst.dec,
        "ra_dec_error": [0.12, 0.07, 0],
        "containment_probability": 0.95,
        "dm": burst.dm,
        "dm_error": 0.4,
        "dm_gal_ne_2001_max": 44.0,
        "importance": burst.importance,
    }
    if burst.known_source:
        notice |= {"known_source": burst.known_source, "association_probability": 0.9997}
    return to_json(notice)


def _ivorn(kind: str, number: str, written: datetime) -> str:
    digest = hashlib.sha256(number.encode()).hexdigest()[:12]
    return f"{AUTHOR}/{kind}-#{written:%Y-%m-%d-%H:%M:%S.%f}UTC+0000_{digest}"


def _detection_ivorn(burst: Burst) -> str:
    return _ivorn("FRB-SUBSEQUENT" if burst.known_source else "FRB-DETECTION", burst.number, burst.seen)


def chime_voevent(burst: Burst) -> bytes:
    """The burst as CHIME/FRB tells it by VOEvent: a detection, or a subsequent one of a known source."""
    kind = "subsequent" if burst.known_source else "detection"
    citation = '<Citations><EventIVORN cite="followup"/></Citations>' if burst.known_source else ""
    probability = 0.9997 if burst.known_source else 0
    return _voevent(
        tag="voe:VOEvent",
        namespace='xmlns:voe="http://www.ivoa.net/xml/VOEvent/v2.0" ',
        role=burst.role,
        ivorn=_detection_ivorn(burst),
        written=burst.seen,
        what=f"""<What>
    <Group name="observatory parameters">
      <Param name="sampling_time" value="0.983" unit="ms" ucd="time.resolution"/>
      <Param name="bandwidth" value="400" unit="MHz" ucd="instr.bandwidth"/>
      <Param name="centre_frequency" value="600" unit="MHz" ucd="em.freq;instr"/>
    </Group>
    <Group name="event parameters">
      <Param name="event_no" value="{burst.number}" unit="" ucd=""/>
      <Param name="known_source_name" value="{burst.known_source}" unit="" ucd=""/>
      <Param name="event_type" value="EXTRAGALACTIC" unit="" ucd=""/>
      <Param name="pipeline_name" value="real-time" unit="" ucd=""/>
      <Param name="dm" value="{burst.dm}" unit="pc/cm^3" ucd="phys.dispMeasure"/>
      <Param name="dm_error" value="0.4" unit="pc/cm^3" ucd="stat.error;phys.dispMeasure"/>
      <Param name="timestamp_utc" value="{burst.seen:%Y-%m-%d %H:%M:%S.%f}+00:00" unit="" ucd=""/>
      <Param name="timestamp_utc_error" value="0.0079" unit="" ucd=""/>
      <Param name="snr" value="21.3" unit="" ucd="stat.snr"/>
      <Param name="pos_error_semiminor_deg_95" value="0.07" unit="degrees" ucd=""/>
      <Param name="pos_error_semimajor_deg_95" value="0.12" unit="degrees" ucd=""/>
    </Group>
    <Group name="advanced parameters">
      <Param name="dm_gal_ne_2001_max" value="44.0" unit="pc/cm^3" ucd=""/>
      <Param name="dm_gal_ymw_2016_max" value="39.5" unit="pc/cm^3" ucd=""/>
    </Group>
  </What>""",
        place=(burst.ra, burst.dec, 0.12),
        why=f"""<Why importance="{burst.importance}">
    <Inference probability="{probability}" relation=""><Name>{burst.known_source}</Name></Inference>
    <Description>CHIME/FRB VOEvent Service {kind}-type alert from real-time pipeline</Description>
  </Why>""",
        end=citation,
    )


def chime_retraction(burst: Burst, now: datetime) -> bytes:
    """A retraction in the shape that CHIME/FRB really sends, which no schema allows."""
    return _voevent(
        tag="VOEvent",
        namespace="",
        role="utility",
        ivorn=_ivorn("OBS-RETRACTION", burst.number, now),
        written=now,
        what="<What/>",
        place=(0, 0, 0),
        why="""<Why importance="1">
    <Inference probability="0" relation=""><Name/></Inference>
    <Description>CHIME/FRB VOEvent Service retraction-type alert from human agent</Description>
  </Why>""",
        end=f"""<Citations>
    <EventIVORN cite="retraction">{_detection_ivorn(burst)}</EventIVORN>
  </Citations>
  <original_prefix>voe</original_prefix>""",
    )


def _voevent(
    *,
    tag: str,
    namespace: str,
    role: str,
    ivorn: str,
    written: datetime,
    what: str,
    place: tuple[float, float, float],
    why: str,
    end: str,
) -> bytes:
    ra, dec, error = place
    return f"""<?xml version='1.0' encoding='UTF-8'?>
<{tag} {namespace}version="2.0" role="{role}" ivorn="{ivorn}">
  <Who>
    <Description>CHIME/FRB VOEvent Service</Description>
    <AuthorIVORN>{AUTHOR}/contact</AuthorIVORN>
    <Date>{written:%Y-%m-%dT%H:%M:%S}+00:00</Date>
    <Author><shortName>CHIME/FRB VOEvent Service</shortName></Author>
  </Who>
  {what}
  <WhereWhen>
    <ObsDataLocation>
      <ObservatoryLocation id="CHIME lives at Dominion Radio Astrophysical Observatory (DRAO)"/>
      <ObservationLocation>
        <AstroCoordSystem id="UTC-FK5-TOPO"/>
        <AstroCoords coord_system_id="UTC-FK5-TOPO">
          <Time unit="s"><TimeInstant><ISOTime>{written:%Y-%m-%dT%H:%M:%S.%f}</ISOTime></TimeInstant></Time>
          <Position2D unit="deg">
            <Name1>RA</Name1>
            <Name2>Dec</Name2>
            <Value2><C1>{ra}</C1><C2>{dec}</C2></Value2>
            <Error2Radius>{error}</Error2Radius>
          </Position2D>
        </AstroCoords>
      </ObservationLocation>
    </ObsDataLocation>
  </WhereWhen>
  {why}
  {end}
</{tag}>
""".encode()
