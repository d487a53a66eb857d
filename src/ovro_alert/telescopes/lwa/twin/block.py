"""One pipeline's voltage buffer in the twin: it takes commands, and writes no byte.

It stands on the published format and block alone, and on nothing that is used to write commands:
realtimeradio/caltech-bifrost-dsp, block_base.py and triggered_dump_block.py. So a trigger that comes while
it writes is accepted and lost; its state is `triggering` for ever after the first; on a full disk it stays
at `writing` though it listens again; an abort leaves the files where they are. Where the block would take
anything (a file of 7 samples, a path that is another pipeline's), the twin is strict.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

BLOCK = 960
SAMPLE_BYTES = 67_584
BYTES_PER_S = SAMPLE_BYTES * 196e6 / 8192
OK, UNKNOWN_KEY, WRONG_TYPE, INVALID = 0, -1, -2, -3
TYPES = {"command": str, "nfile": int, "ntime_per_file": int, "dump_path": str}


@dataclass(frozen=True)
class Fault:
    """How a pipeline misbehaves; as it is, it does not."""

    hears: bool = True  # False: it is down, and its monitor with it
    shows: bool = True  # False: the bridge that puts its monitor point is down
    replies: bool = True
    reply_after_s: float = 0.0
    response: int = OK  # what it refuses everything with
    ends: str = ""  # stopped, stream end, full (of its disk) or dies, when so much of a dump is written:
    at: float = 0.5
    clock_off_s: float = 0.0


FAULTS = {
    "slow": Fault(reply_after_s=3.0),
    "silent": Fault(replies=False),
    "down": Fault(hears=False),
    "refuses": Fault(response=INVALID),
    "stops": Fault(ends="stopped"),
    "full": Fault(ends="full"),
    "dies": Fault(ends="dies"),
    "fast clock": Fault(clock_off_s=3.0),
}


@dataclass(frozen=True)
class Speeds:
    """How fast a dump is written: what is buffered as the disk takes it, and then as it is sampled."""

    ring_s: float
    disk_bytes_per_s: float
    factor: float  # faster than in life

    def written(self, seconds: float) -> float:
        """The bytes that can be on disk so long after the trigger."""
        passed = seconds * self.factor
        return min(self.disk_bytes_per_s * passed, BYTES_PER_S * (self.ring_s + passed))


@dataclass
class Dump:
    """What a trigger led to."""

    pipeline: str
    id: str
    at: float  # unix s, by our clock
    nfile: int
    ntime_per_file: int
    dump_path: str
    status: str = "writing"
    bytes: int = 0
    files: int = 0


@dataclass
class Block:
    """The buffer of a pipeline; times are unix s."""

    host: str
    number: int
    dump_path: str
    fault: Fault = field(default_factory=Fault)
    dump: Dump | None = None  # the one that it writes
    is_up: bool = True
    stats: dict[str, Any] = field(default_factory=dict)  # what it shows

    @property
    def name(self) -> str:
        return f"{self.host}/{self.number}"

    def key(self, kind: str) -> str:
        return f"/{kind}/corr/x/{self.host}/pipeline/{self.number}/TriggeredDump/0"

    @property
    def hears(self) -> bool:
        return self.is_up and self.fault.hears

    @property
    def shows(self) -> bool:
        return self.hears and self.fault.shows

    def take(self, value: bytes, now: float, speeds: Speeds) -> dict[str, Any]:
        """Obey a command; what was heard of it, the response, and what it did."""
        id, kwargs, response = judge(value, self.dump_path)
        if response == "0" and self.fault.response:
            response = str(self.fault.response)
        command = str(kwargs.get("command", ""))
        did = self._obey(id, command, kwargs, now, speeds) if response == "0" else "refused"
        about = {"at": now, "pipeline": self.name, "id": id}
        return about | {"command": command, "response": response, "did": did}

    def reply(self, id: str, response: str, now: float) -> bytes:
        """What it says of a command."""
        status = "normal" if response == "0" else "error"
        val = {"status": status, "response": response, "timestamp": now + self.fault.clock_off_s}
        return json.dumps({"id": id, "val": val}).encode()

    def point(self, now: float) -> bytes:
        """Its monitor point as the bridge puts it [bifrost_etcd_bridge.py]."""
        said = {"name": "TriggeredDump", "time": now + self.fault.clock_off_s, "stats": self.stats}
        return json.dumps(said).encode()

    def write(self, now: float, speeds: Speeds) -> None:
        """Write on, so far as that has come by now."""
        dump, fault = self.dump, self.fault
        if dump is None:
            return
        of_file = dump.ntime_per_file * SAMPLE_BYTES
        until = int(dump.nfile * of_file * (fault.at if fault.ends else 1))
        dump.bytes = int(min(until, speeds.written(now - dump.at)))
        dump.files = math.ceil(dump.bytes / of_file)
        if dump.bytes:
            self.stats |= {"status": "writing", "bytes_dumped": dump.bytes, "files_created": dump.files}
        if dump.bytes < until:
            return
        if fault.ends in ("full", "dies"):  # of which it says nothing
            dump.status, self.dump, self.is_up = fault.ends, None, fault.ends != "dies"
        else:
            self._end(fault.ends or "complete")

    def _obey(self, id: str, command: str, kwargs: dict[str, Any], now: float, speeds: Speeds) -> str:
        if command == "trigger" and self.dump:
            return "swallowed"
        if command == "trigger":
            sizes = kwargs["nfile"], kwargs["ntime_per_file"], kwargs["dump_path"]
            self.dump = Dump(self.name, id, now, *sizes)
            # Status and numbers of the dump before are shown until the first file is open.
            self.stats |= {"state": "triggering", "last_trigger_time": now + self.fault.clock_off_s}
            return "began"
        self.write(now, speeds)
        return self._end("aborted" if command == "abort" else "stopped")

    def _end(self, status: str) -> str:
        if self.dump is None:
            return "nothing"
        self.dump.status = self.stats["status"] = status
        self.dump = None
        return status


def judge(value: bytes, dump_path: str) -> tuple[str, dict[str, Any], str]:
    """The id of a command, what it says, and the response to it."""
    try:
        said = json.loads(value)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict) or not isinstance(said.get("id"), str):
        return "0", {}, "Missing ID field"
    id, val = said["id"], said.get("val")
    if said.get("cmd") != "update":
        return id, {}, "Invalid command"
    if not isinstance(val, dict):
        return id, {}, "`val` field should be a dictionary"
    kwargs = val.get("kwargs")
    if not isinstance(kwargs, dict):
        return id, {}, "`val[kwargs]` field should be a dictionary"
    if val.get("block") != "TriggeredDump" or not isinstance(val.get("timestamp"), int | float):
        return id, kwargs, str(INVALID)
    return id, kwargs, str(_judged(kwargs, dump_path))


def _judged(kwargs: Mapping[str, Any], dump_path: str) -> int:
    if kwargs.keys() - TYPES.keys():
        return UNKNOWN_KEY
    if any(type(value) is not TYPES[key] for key, value in kwargs.items()):
        return WRONG_TYPE  # null is of the type of nothing
    if kwargs.get("command") in ("abort", "stop"):
        return OK
    if kwargs.get("command") != "trigger" or kwargs.keys() != TYPES.keys():
        return INVALID
    nfile, ntime = kwargs["nfile"], kwargs["ntime_per_file"]
    is_whole = nfile > 0 and ntime > 0 and ntime % BLOCK == 0
    return OK if is_whole and kwargs["dump_path"].rstrip("/") == dump_path.rstrip("/") else INVALID
