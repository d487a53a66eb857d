"""What a receiver of files has handed over, kept across restarts without touching them."""

import errno
import hashlib
import os
from pathlib import Path

from ovro_alert.link.durable import replace

DIGEST = hashlib.sha256().digest_size


class Ledger:
    """Messages, told by their bytes, in a file that only grows: 32 bytes each.

    Half a digest at its end, which a power cut or a full disk may leave, counts for nothing. OSError where
    the file cannot be made or read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            replace(path, b"")
        data = path.read_bytes()
        self._end = len(data) - len(data) % DIGEST
        self._digests = {data[n : n + DIGEST] for n in range(0, self._end, DIGEST)}

    def __contains__(self, raw: bytes) -> bool:
        return hashlib.sha256(raw).digest() in self._digests

    def add(self, raw: bytes) -> None:
        """Keep durably that this message is handed over; OSError where the disk refuses."""
        digest = hashlib.sha256(raw).digest()
        self._digests.add(digest)
        with self._path.open("r+b", buffering=0) as file:
            file.seek(self._end)
            if file.write(digest) < DIGEST:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
            os.fsync(file.fileno())
        self._end += DIGEST
