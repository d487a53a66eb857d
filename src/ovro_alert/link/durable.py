"""Files that are whole or absent, whatever dies when."""

import os
from pathlib import Path

PART = ".part"  # a file under this suffix is half of one; a kill leaves it, nobody reads it


def replace(path: Path, data: bytes) -> None:
    """Write `data` as the file `path`, durably and in place of what was there; OSError where it cannot."""
    part = path.with_name(f".{path.name}{PART}")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable: a file's own fsync does not (fsync(2))."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
