"""Made-up candidates of LIGO, Virgo and KAGRA."""

import base64
import math
from datetime import datetime, timedelta
from typing import Any

from ovro_alert.demo.sample_map import sky_map
from ovro_alert.demo.wire import to_json, utc
from ovro_alert.sky.visibility import zenith

BNS: dict[str, Any] = {
    "far": 9.1e-14,
    "properties": {"HasNS": 1.0, "HasRemnant": 1.0, "HasMassGap": 0.0},
    "classification": {"BNS": 0.985, "NSBH": 0.012, "BBH": 0.0, "Terrestrial": 0.003},
}
EARLY: dict[str, Any] = {  # a weak candidate yet: not rare enough to act on
    "far": 2.0e-8,
    "properties": {"HasNS": 1.0, "HasRemnant": 1.0, "HasMassGap": 0.0},
    "classification": {"BNS": 0.91, "NSBH": 0.0, "BBH": 0.0, "Terrestrial": 0.09},
}
BBH: dict[str, Any] = {
    "far": 2.7e-17,
    "properties": {"HasNS": 0.0, "HasRemnant": 0.0, "HasMassGap": 0.03},
    "classification": {"BNS": 0.0, "NSBH": 0.0, "BBH": 0.997, "Terrestrial": 0.003},
}


def meridian(now: datetime) -> float:
    """The right ascension (deg) that is due south of OVRO, or north."""
    x, y, _ = zenith(now)
    return math.degrees(math.atan2(y, x)) % 360


def gw_notice(superevent_id: str, alert_type: str, now: datetime, candidate: dict[str, Any] | None) -> bytes:
    """A notice of LIGO, Virgo and KAGRA; its sky map is high at OVRO, and a retraction has no candidate."""
    distance = 780.0 if candidate is BBH else 104.0
    ra = round(meridian(now)) % 360
    event = candidate and {
        "significant": True,
        "time": utc(now - timedelta(seconds=25)),
        "instruments": ["H1", "L1", "V1"],
        "group": "CBC",
        "pipeline": "gstlal",
        "search": "EarlyWarning" if alert_type == "EARLYWARNING" else "AllSky",
        **candidate,
        "duration": None,
        "central_frequency": None,
        "skymap": base64.b64encode(sky_map(ra, -3.38, 9.0, 1.6, distance)).decode(),
    }
    return to_json(
        {
            "alert_type": alert_type,
            "time_created": f"{now:%Y-%m-%dT%H:%M:%S}Z",
            "superevent_id": superevent_id,
            "urls": {"gracedb": f"https://gracedb.ligo.org/superevents/{superevent_id}/view/"},
            "event": event,
            "external_coinc": None,
        }
    )
