"""Files that others drop in a folder: when to look, and reading none that is half written or a trap."""

import json
import logging
import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from watchfiles import Change, watch

log = logging.getLogger(__name__)


Marks = tuple[int, ...]


class Unusable(Exception):
    """A directory entry that is no file to read; the text says why."""


class Dropped(NamedTuple):
    """A file that somebody dropped: its bytes, or why it cannot be read."""

    path: Path
    raw: bytes | Unusable

    @property
    def name(self) -> str:
        """Its name as text, whatever bytes it is made of."""
        return os.fsencode(self.path.name).decode("utf-8", "replace")


class Folder:
    """The files of one folder whose name `is_wanted`: each is given once, and again when it has changed.

    One that is not a whole JSON object yet is waited for, until it has not changed for `settle_s` seconds:
    what is no JSON then will not become any.
    """

    def __init__(self, path: Path, is_wanted: Callable[[str], bool], settle_s: float, max_size: int) -> None:
        self._path = path
        self._is_wanted = is_wanted
        self._settle_s = settle_s
        self._max_size = max_size
        self._given: dict[str, Marks] = {}
        self._unfinished: dict[str, tuple[Marks, float]] = {}  # since when it is as it is

    def new(self, now: float) -> Iterator[Dropped]:
        """What is there to be given, by name; it counts as given when the next is asked for.

        `now` is monotonic, s. Raises OSError where the folder cannot be read.
        """
        with os.scandir(self._path) as entries:
            names = sorted(entry.name for entry in entries if self._is_wanted(entry.name))
        for gone in (self._given.keys() | self._unfinished.keys()) - set(names):
            self._given.pop(gone, None)
            self._unfinished.pop(gone, None)
        for name in names:
            path = self._path / name
            try:
                found = path.lstat()
                marks = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
                if self._given.get(name) == marks:
                    continue
                raw = self._read(path, marks, now)
            except FileNotFoundError:
                continue  # taken away between two glances
            if raw is not None:
                yield Dropped(path, raw)
                self._given[name] = marks
                self._unfinished.pop(name, None)

    def _read(self, path: Path, marks: Marks, now: float) -> bytes | Unusable | None:
        """None where it is to be waited for."""
        try:
            raw = read_dropped(path, self._max_size)
        except Unusable as unusable:
            return unusable
        before, since = self._unfinished.get(path.name, ((), now))
        if before != marks:
            since = now
        if is_whole(raw) or now - since >= self._settle_s:
            return raw
        self._unfinished[path.name] = marks, since
        return None


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
