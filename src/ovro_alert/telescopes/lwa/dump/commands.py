"""The triggered dump: which pipelines hold a voltage buffer, and the words that ask them to write it to disk.

The correlator's pipelines listen on etcd; keys and commands are those of realtimeradio/caltech-bifrost-dsp
(pipeline-control/ and its TriggeredDump block). What the buffer holds is reckoned in `sky.ring`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from ovro_alert.sky import ring

HOSTS = tuple(f"lxdlwagpu{n:02d}" for n in range(1, 9))
DUMP_PATHS = {2: "/data0/", 3: "/data1/"}  # by pipeline: the other two of a host hold no buffer


Kind = Literal["cmd", "resp", "mon"]
TRIGGER: Final = "trigger"


class Pipeline(NamedTuple):
    """A pipeline that holds a buffer."""

    host: str
    number: int
    dump_path: str

    @property
    def name(self) -> str:
        """As people read it: `lxdlwagpu01/2`."""
        return f"{self.host}/{self.number}"

    def key(self, kind: Kind) -> str:
        """Where in etcd it is told something, replies, and shows how it is."""
        return f"/{kind}/corr/x/{self.host}/pipeline/{self.number}/TriggeredDump/0"


def pipelines(hosts: tuple[str, ...], dump_paths: Mapping[int, str]) -> tuple[Pipeline, ...]:
    """Those of all hosts that hold a buffer."""
    return tuple(Pipeline(host, number, path) for host in hosts for number, path in dump_paths.items())


PIPELINES = pipelines(HOSTS, DUMP_PATHS)


def order(id: str, at: datetime, command: Literal["trigger", "abort"], **kwargs: Any) -> dict[str, Any]:
    """What is put under a pipeline's key. The reply returns the id, which must be text."""
    val = {
        "block": "TriggeredDump",
        "timestamp": at.timestamp(),
        # Of a null or a fraction where an integer belongs it says −2, and does nothing.
        "kwargs": {"command": command, **kwargs},
    }
    return {"cmd": "update", "val": val, "id": id}


@dataclass(frozen=True)
class DumpPlan:
    """A dump of the same length from every pipeline that holds a buffer, from its oldest sample on."""

    # Each reply returns it. Others number by the clock's µs; ours is the command's id, unique as well, by
    # which the command's own trace can be found in etcd.
    id: str
    at: datetime
    nfile: int
    ntime_per_file: int = ring.FILE_SAMPLES
    pipelines: tuple[Pipeline, ...] = PIPELINES

    @property
    def seconds(self) -> float:
        """How much time the files of a pipeline hold."""
        return self.nfile * self.ntime_per_file / ring.SAMPLE_HZ

    @property
    def bytes_per_pipeline(self) -> int:
        """How much a pipeline writes."""
        return self.nfile * self.ntime_per_file * ring.SAMPLE_BYTES

    @property
    def bytes(self) -> int:
        """How much all of them write."""
        return self.bytes_per_pipeline * len(self.pipelines)

    def puts(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every etcd key with the command to put there; the reply comes under /resp with the same tail."""
        for one in self.pipelines:
            yield (
                one.key("cmd"),
                order(
                    self.id,
                    self.at,
                    TRIGGER,
                    nfile=self.nfile,
                    ntime_per_file=self.ntime_per_file,
                    dump_path=one.dump_path,
                ),
            )
