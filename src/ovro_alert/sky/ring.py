"""The voltage buffer: a ring of raw samples, and the dump that saves a window of it while it is still there.

Every pipeline that holds a buffer writes whole files of whole blocks, from its **oldest** sample on: what
lies before the window is written with it. Source of the facts: realtimeradio/caltech-bifrost-dsp
(pipeline-control/ and its TriggeredDump block).
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

SAMPLE_HZ = 196e6 / 8192  # 23925.78125; 24000 is used elsewhere and is 0.3 % off
SAMPLE_BYTES = 67_584  # of one pipeline
BLOCK_SAMPLES = 960  # a file holds whole blocks
FILE_SAMPLES = 1_000_320  # 41.8 s, 67.6 GB
PIPELINES = 16  # two on each of eight hosts hold a buffer
# 256 GB a pipeline at these figures. A ring of 30 minutes is reported too.
LENGTH_S = 158.0
# The memory is rounded up to a power of two (copy_block.py there): 2³⁸ bytes hold so much, which is how old
# the oldest sample may be, where a dump begins.
OLDEST_S = 170.0


@dataclass(frozen=True)
class Window:
    """What the ring still holds of a stretch of time, and the dump that saves it."""

    start: datetime
    end: datetime
    files: int  # of each pipeline

    @property
    def seconds(self) -> float:
        """How much time the files of a pipeline hold."""
        return file_seconds(self.files)

    @property
    def bytes(self) -> int:
        """How much all pipelines write."""
        return file_bytes(self.files) * PIPELINES


def held(start: datetime, end: datetime, now: datetime, length_s: float = LENGTH_S) -> Window | None:
    """What a ring of `length_s` holds at `now`, or will hold, from `start` to `end`; None where all is gone.

    A part of it may have gone: then what is held starts with the oldest sample.
    """
    oldest = now - timedelta(seconds=length_s)
    if not (start <= end and end > oldest):
        return None
    wanted = (end - oldest).total_seconds()
    return Window(max(start, oldest), end, files_for(to_samples(wanted)))


def leaves(start: datetime, length_s: float = LENGTH_S) -> datetime:
    """The moment from which on the ring has no longer what was sampled at `start`."""
    return start + timedelta(seconds=length_s)


def to_samples(seconds: float) -> int:
    """The samples that hold so much time."""
    return math.ceil(seconds * SAMPLE_HZ)


def files_for(samples: int) -> int:
    """How many files of a pipeline hold so many samples: one at least."""
    return max(1, -(-samples // FILE_SAMPLES))


def split(samples: int, longest: int = FILE_SAMPLES) -> tuple[int, int]:
    """The files that hold so many samples, and the samples of each: less than a block a file too many.

    Files are as few as they can be with no more than `longest` samples, a multiple of a block's.
    """
    files = max(1, -(-samples // longest))
    return files, max(1, -(-samples // (files * BLOCK_SAMPLES))) * BLOCK_SAMPLES


def file_seconds(files: int) -> float:
    """How much time so many files hold."""
    return files * FILE_SAMPLES / SAMPLE_HZ


def file_bytes(files: int) -> int:
    """How many bytes so many files of one pipeline hold."""
    return files * FILE_SAMPLES * SAMPLE_BYTES
