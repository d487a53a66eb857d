"""The right to act on one thing, among processes that share a directory."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Hold the lock `path`; gives whether this process got it, at once.

    The kernel lets go of it when its holder dies, and only then: a process that is merely held up keeps it.
    That is how a successor tells one that will never act from one that still may, which a file that exists
    (O_EXCL) cannot say. The file is there only while the lock is held, or after a kill.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The holder before us may have removed the file between our open and our lock.
            ours = os.path.samestat(os.fstat(file.fileno()), path.stat())
        except (BlockingIOError, FileNotFoundError):
            ours = False
        try:
            yield ours
        finally:
            if ours:
                path.unlink(missing_ok=True)
