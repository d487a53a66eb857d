"""What pipelines say of their buffers in etcd, as far as it makes sense; what makes none was not said.

A reply comes at once: `0` is accepted, which is not done: a trigger that reaches a pipeline while it writes
is accepted and never looked at. How a dump goes the monitor point shows, which a bridge puts every 10 s:
https://github.com/realtimeradio/caltech-bifrost-dsp, block_base.py, triggered_dump_block.py and
bifrost_etcd_bridge.py, where what the block itself says is under `stats`.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ovro_alert.telescopes.etcd import Put
from ovro_alert.telescopes.lwa.dump.settings import DumpSettings

ACCEPTED = "0"
REPLIES = {"-1": "an unknown key", "-2": "a wrong type", "-3": "an invalid value"}
# A trigger is later than its reply, by the pipeline's own clock, or as good as: it looks for commands every
# 50 ms, while another thread replies.
REPLY_S = 0.5
OPENS_S = 0.1  # so long after a trigger it may show the end of the dump before, until its first file is open
WRITING = "writing"
COMPLETE = "complete"
LAST = 253_402_300_000.0  # unix s, in the year 9999: what is later is no time
# The state `triggering` is never taken back: that a dump has ended only its status tells.
ENDS = frozenset({COMPLETE, "stopped", "aborted", "stream end"})


@dataclass(frozen=True)
class Reply:
    """What a pipeline answered to the command of that id, at which time of its own clock, unix s."""

    id: str
    response: str
    at: float | None


@dataclass(frozen=True)
class Given:
    """The last command that a pipeline was given."""

    id: str
    command: str
    at: float | None  # unix s, of who gave it
    kwargs: Mapping[str, Any]


@dataclass(frozen=True)
class Shown:
    """What a pipeline shows of its last dump; times are unix s of its own clock."""

    at: float | None = None  # when it was put
    state: str = ""
    status: str = ""
    triggered: float | None = None
    bytes: int = 0
    files: int = 0

    def is_fresh(self, now: datetime, settings: DumpSettings) -> bool:
        """Whether it may be so still; what does not say when it was put may."""
        return self.at is None or now.timestamp() - self.at < settings.fresh_s

    @property
    def is_writing(self) -> bool:
        return self.status == WRITING or (self.state == "triggering" and self.status not in ENDS)


def read_reply(put: Put | None) -> Reply | None:
    """The reply that is under a pipeline's key."""
    said = _object(put)
    val = _part(said, "val")
    response = val.get("response")
    if response is None or "id" not in said:
        return None
    return Reply(str(said["id"]), str(response), _time(val.get("timestamp")))


def read_given(put: Put | None) -> Given | None:
    """The command that is under a pipeline's key."""
    said = _object(put)
    val = _part(said, "val")
    if "id" not in said:
        return None
    kwargs = _part(val, "kwargs")
    return Given(str(said["id"]), str(kwargs.get("command", "")), _time(val.get("timestamp")), kwargs)


def read_shown(put: Put | None) -> Shown | None:
    """The monitor point that is under a pipeline's key."""
    said = _object(put)
    if not said:
        return None
    stats = _part(said, "stats") or said
    at = _time(said.get("time"))
    return Shown(
        at=_time(said.get("timestamp")) if at is None else at,
        state=str(stats.get("state", "")),
        status=str(stats.get("status", "")),
        triggered=_time(stats.get("last_trigger_time")),
        bytes=int(_number(stats.get("bytes_dumped")) or 0),
        files=int(_number(stats.get("files_created")) or 0),
    )


def _object(put: Put | None) -> dict[str, Any]:
    try:
        said = json.loads(put.value) if put else {}
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _part(said: Mapping[str, Any], name: str) -> dict[str, Any]:
    part = said.get(name)
    return part if isinstance(part, dict) else {}


def _time(value: object) -> float | None:
    number = _number(value)
    return number if number is not None and number < LAST else None


def _number(value: object) -> float | None:
    """A time or a count; the log that monitor points are read from may hold them as text."""
    if not isinstance(value, int | float | str) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and 0 <= number < 1e18 else None
