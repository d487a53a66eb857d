"""The triggered dump: how much of the voltage buffer is written to disk, and the words that ask for it.

The correlator's pipelines listen on etcd; keys and commands are those of realtimeradio/caltech-bifrost-dsp
(pipeline-control/ and its TriggeredDump block). What the buffer holds is reckoned in `sky.ring`.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from ovro_alert.sky import ring

HOSTS = tuple(f"lxdlwagpu{n:02d}" for n in range(1, 9))
DUMP_PATHS = {2: "/data0/", 3: "/data1/"}  # by pipeline: the other two of a host hold no buffer


@dataclass(frozen=True)
class DumpPlan:
    """A dump of the same length from every pipeline that holds a buffer, from its oldest sample on."""

    # Each reply returns it. Others number by the clock's µs; ours is the command's id, unique as well, by
    # which the command's own trace can be found in etcd.
    id: str
    at: datetime
    nfile: int
    ntime_per_file: int = ring.FILE_SAMPLES

    @property
    def seconds(self) -> float:
        """How much time the files of a pipeline hold."""
        return ring.file_seconds(self.nfile)

    @property
    def bytes_per_pipeline(self) -> int:
        """How much a pipeline writes."""
        return ring.file_bytes(self.nfile)

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


def plan(id: str, at: datetime, samples: int) -> DumpPlan:
    """A dump of at least so many samples a pipeline, in whole files, one at least."""
    return DumpPlan(id, at, ring.files_for(samples))


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
