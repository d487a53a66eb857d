"""Files that others drop in a folder: when to look, and reading none that is half written or a trap."""

import json
import logging
import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from watchfiles import Change, watch

log = logging.getLogger(__name__)


class Unusable(Exception):
    """A directory entry that is no file to read; the text says why."""


def is_whole(raw: bytes) -> bool:
    """Whether this is a JSON object from its first to its last byte, so that nothing can be missing."""
    try:
        return isinstance(json.loads(raw), dict)
    except (ValueError, RecursionError):
        return False


def read_dropped(path: Path, limit: int) -> bytes:
    """The bytes of a file that somebody dropped.

    Raises
        FileNotFoundError: it has been taken away.
        Unusable: it is no regular file, cannot be read, or holds more than `limit` bytes.
    """
    try:
        # Neither through a link out of the folder, nor waiting for the other end of a pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Unusable("it is not a regular file")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                raw = file.read(limit + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise
    except OSError as error:
        why = "it is a symbolic link" if path.is_symlink() else f"it cannot be read: {error.strerror}"
        raise Unusable(why) from error
    if len(raw) > limit:
        raise Unusable(f"it is larger than {limit} bytes")
    return raw


def moments(
    folder: Path, is_wanted: Callable[[str], bool], look_s: float, stop: threading.Event
) -> Iterator[None]:
    """The moments to look, until `stop`: now, when the kernel tells of a change, and every `look_s` seconds.

    It is told of files whose name `is_wanted`; what it does not tell of (network folders) is looked for.
    """

    def of_wanted(_change: Change, path: str) -> bool:
        return is_wanted(Path(path).name)

    while not stop.is_set():
        yield
        try:
            for _ in watch(
                folder,
                watch_filter=of_wanted,
                step=10,
                rust_timeout=round(1000 * look_s),
                yield_on_timeout=True,
                stop_event=stop,
                recursive=False,
            ):
                yield
        except (OSError, RuntimeError) as error:  # the latter is its word on a name that is not UTF-8
            log.warning("watching the folder anew: %s", error)
            stop.wait(look_s)
