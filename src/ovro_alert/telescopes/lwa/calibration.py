"""When a beam was last calibrated, and whether it is to be again.

No monitor point says it: the scheduler writes its calibrations into a database on its own disk, and the
beamformer's control knows its own only while it runs [lwa-observing observing/obsstate.py; mnc_python
mnc/xengine_beamformer_control.py]. So we write down, in etcd, when a session of ours that calibrated was
completed. What others calibrated we do not know, and calibrate then once more than we had to.

It is kept by beam: POWER1 and VOLT1 are recorded from the same one.
"""

import json
from datetime import UTC, datetime, timedelta


def due(last: datetime | None, start: datetime, max_age_s: float) -> bool:
    """Whether the last calibration is too old for what starts at `start`, or none is known."""
    return last is None or start - last > timedelta(seconds=max_age_s)


def record(at: datetime, session: str) -> bytes:
    """What is written down of a calibration."""
    return json.dumps({"at": at.isoformat(), "session": session}).encode()


def last(value: bytes | None) -> datetime | None:
    """When it was, by what was written down; None where that is missing or cannot be read."""
    try:
        at = datetime.fromisoformat(json.loads(value or b"")["at"])
    except (ValueError, KeyError, TypeError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
