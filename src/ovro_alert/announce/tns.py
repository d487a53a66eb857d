"""A detection as a report for the Transient Name Server, in a file that its bulk-report API takes as it is.

Whoever may name bursts sends it: a report cannot be taken back, and names what people have looked at.

Source of the facts: TNS's JSON of an FRB report as those fill it who send them, DSA-110 (dsa110/dsa110-event,
event/voevent.py) and CHIME/FRB (its Python client chime-frb-api, tests of `tns`): fields, numbers of units,
all of it text.
"""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ovro_alert.acting import Trace, Unreachable
from ovro_alert.announce.detection import Detection, Unfit
from ovro_alert.announce.sender import Message
from ovro_alert.announce.settings import TnsSettings
from ovro_alert.command import Entry

FRB = 5  # the object's type
# The numbers of units at TNS.
JY, JY_MS, MS, MHZ, PC_CM3 = 8, 22, 23, 24, 25
# DSA-110's band and search [dsa110/dsa110-event, dsa110/dsa110-T2].
REFERENCE_MHZ, BANDWIDTH_MHZ, CHANNELS, SAMPLING_MS = 1405, 187.5, 768, 0.262144
PRODUCTION, SANDBOX = "www.wis-tns.org", "sandbox.wis-tns.org"

Write = Callable[[Path, bytes], None]  # durably, whole or not at all


def report(detection: Detection, test: bool, settings: TnsSettings) -> bytes:
    """The JSON of a bulk report with this one burst; Unfit where a field is missing that TNS wants."""
    for name in ("snr", "width_ms"):
        if getattr(detection, name) is None:
            raise Unfit(f"args.{name}: is required for a report to TNS")
    moment = f"{detection.toa:%Y-%m-%d %H:%M:%S.%f}"
    group = str(settings.group)
    remarks = " ".join(filter(None, ["A test, not a detection." if test else "", detection.description]))
    photometry = {
        "obsdate": moment,
        # A number is wanted; who reports bursts to TNS writes 0 where none was measured.
        "flux": _text(detection.peak_flux, "0"),
        "flux_error": "0",
        "limiting_flux": "0",
        "flux_units": JY,
        "filter_value": settings.band,
        "instrument_value": settings.instrument,
        "snr": detection.snr,
        "fluence": _text(detection.fluence),
        "fluence_unitid": JY_MS,
        "burst_width": detection.width_ms,
        "burst_width_unitid": MS,
        "ref_freq": REFERENCE_MHZ,
        "ref_freq_unitid": MHZ,
        "inst_bandwidth": BANDWIDTH_MHZ,
        "inst_bandwidth_unitid": MHZ,
        "channels_no": CHANNELS,
        "sampling_time": SAMPLING_MS,
        "sampling_time_unitid": MS,
    }
    burst = {
        "ra": {"value": detection.ra, "error": detection.radius_deg, "units": "deg"},
        "dec": {"value": detection.dec, "error": detection.radius_deg, "units": "deg"},
        "reporting_groupid": group,
        "groupid": group,
        "internal_name": detection.name,
        "at_type": FRB,
        "reporter": settings.reporter,
        "discovery_datetime": moment,
        "proprietary_period_groups": [group],
        "dm": detection.dm,
        "dm_err": _text(detection.dm_error),
        "dm_unitid": PC_CM3,
        "remarks": remarks,
    }
    texts = _texts(burst) | {"photometry": {"photometry_group": {"0": _texts(photometry)}}}
    return json.dumps({"frb_report": {"0": texts}}, indent=1, ensure_ascii=False, allow_nan=False).encode()


def _text(value: float | None, absent: str = "") -> str:
    return absent if value is None else str(value)


def _texts(fields: Any) -> Any:
    """Every number as text."""
    if isinstance(fields, dict):
        return {name: _texts(value) for name, value in fields.items()}
    return fields if isinstance(fields, list) else str(fields)


class TnsSender:
    """Into a folder: `tns/www.wis-tns.org/<name>.json`, or its sandbox's; the file itself is the trace."""

    def __init__(self, settings: TnsSettings, deployed: bool, directory: Path, write: Write) -> None:
        self._settings = settings
        self._deployed = deployed
        self._folder = directory / "tns"
        self._write = write

    def message(self, entry: Entry, detection: Detection) -> Message:
        test = detection.is_test or not self._deployed
        path = self._folder / (SANDBOX if test else PRODUCTION) / f"{detection.name}-{entry.id}.json"
        raw = report(detection, test, self._settings)
        return Message(f"TNS report of {detection.name}", str(path), test, raw)

    def find(self, message: Message) -> Trace | None:
        try:
            written = Path(message.to).stat().st_mtime
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unreachable(f"the folder of TNS's reports: {error}") from error
        return Trace(message.name, datetime.fromtimestamp(written, UTC))

    def send(self, message: Message) -> dict[str, Any]:
        path = Path(message.to)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._write(path, message.raw)
        except OSError as error:
            raise Unreachable(f"the folder of TNS's reports: {error}") from error
        return {"said": "written; whoever may name bursts sends it", "file": str(path)}

    def reach(self) -> str:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unreachable(f"the folder of TNS's reports: {error}") from error
        if not os.access(self._folder, os.W_OK):
            raise Unreachable(f"the folder of TNS's reports, {self._folder}, cannot be written to")
        return f"{self._folder} can be written to"
