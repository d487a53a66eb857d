"""The triggered dump: which parts of the voltage buffer are written to disk, and the words that ask for it.

The correlator's pipelines listen on etcd; keys, commands and limits are those of
realtimeradio/caltech-bifrost-dsp (pipeline-control/ and its TriggeredDump block).
"""

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

HOSTS = tuple(f"lxdlwagpu{n:02d}" for n in range(1, 9))
DUMP_PATHS = {2: "/data0/", 3: "/data1/"}  # by pipeline: the other two of a host hold no buffer

SAMPLE_HZ = 196e6 / 8192  # 23925.78125; 24000 is used elsewhere and is 0.3 % off
SAMPLE_BYTES = 67_584
BLOCK_SAMPLES = 960  # a file holds whole blocks
FILE_SAMPLES = 1_000_320  # 41.8 s, 67.6 GB


@dataclass(frozen=True)
class DumpPlan:
    """A dump of the same length from every pipeline that holds a buffer, from its oldest sample on."""

    # Each reply returns it. Others number by the clock's µs; ours is the command's id, unique as well, by
    # which the command's own trace can be found in etcd.
    id: str
    at: datetime
    nfile: int
    ntime_per_file: int = FILE_SAMPLES

    @property
    def seconds(self) -> float:
        """How much time the files of a pipeline hold."""
        return self.nfile * self.ntime_per_file / SAMPLE_HZ

    @property
    def bytes_per_pipeline(self) -> int:
        """How much a pipeline writes."""
        return self.nfile * self.ntime_per_file * SAMPLE_BYTES

    def puts(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every etcd key with the command to put there; the reply comes under /resp with the same tail."""
        for host in HOSTS:
            for pipeline, path in DUMP_PATHS.items():
                kwargs = {
                    "command": "trigger",
                    "nfile": self.nfile,
                    "ntime_per_file": self.ntime_per_file,
                    "dump_path": path,
                }
                val = {"block": "TriggeredDump", "timestamp": self.at.timestamp(), "kwargs": kwargs}
                key = f"/cmd/corr/x/{host}/pipeline/{pipeline}/TriggeredDump/0"
                yield key, {"cmd": "update", "val": val, "id": self.id}


def to_samples(seconds: float) -> int:
    """The samples that hold so much time."""
    return math.ceil(seconds * SAMPLE_HZ)


def plan(id: str, at: datetime, samples: int) -> DumpPlan:
    """A dump of at least so many samples a pipeline, in whole files, one at least."""
    return DumpPlan(id, at, max(1, -(-samples // FILE_SAMPLES)))


def document(plan: DumpPlan, metadata: dict[str, Any]) -> str:
    """The plan as JSON, with what the alert said of its reason."""
    whole = asdict(plan) | {
        "at": plan.at.isoformat(),
        "seconds": plan.seconds,
        "bytes_per_pipeline": plan.bytes_per_pipeline,
        "bytes": plan.bytes_per_pipeline * len(HOSTS) * len(DUMP_PATHS),
        "metadata": metadata,
        "puts": [{"key": key, "value": value} for key, value in plan.puts()],
    }
    return json.dumps(whole, indent=2) + "\n"
