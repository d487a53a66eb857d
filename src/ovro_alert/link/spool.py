"""A receiver's disk queue: what it has taken from its sender, and the relay does not have yet."""

import errno
import fcntl
import json
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ovro_alert.link.durable import PART, replace
from ovro_alert.link.relay import Refused
from ovro_alert.link.retry import Stopped, persist

log = logging.getLogger(__name__)

MESSAGE = ".message"
WAKE_S = 0.5  # how late an idle queue may see that it is to stop


def reason_of(refused: Refused) -> dict[str, Any]:
    """Why the relay will never take a message, for the person who finds it."""
    return {"reason": refused.reason, "status": refused.status, "answer": refused.body}


def write_reason(kept: Path, reason: Mapping[str, Any]) -> None:
    """Write the reason beside a message that was refused; OSError where the disk refuses."""
    replace(kept.with_suffix(".reason.json"), json.dumps(dict(reason), indent=2).encode() + b"\n")


def pack(raw: bytes, about: Mapping[str, Any]) -> bytes:
    """A message as one file: a line of JSON (`about`, and the `size` of what follows), then the raw bytes."""
    return json.dumps({"about": dict(about), "size": len(raw)}, allow_nan=False).encode() + b"\n" + raw


def unpack(message: bytes) -> tuple[bytes, dict[str, Any]]:
    """The raw bytes and what is known about them; ValueError where the file is not such a message."""
    head, newline, raw = message.partition(b"\n")
    known = json.loads(head)
    if not (newline and isinstance(known, dict) and isinstance(known.get("about"), dict)):
        raise ValueError("it has no head")
    if known.get("size") != len(raw):
        raise ValueError(f"it holds {len(raw)} bytes where its head says {known.get('size')}")
    return raw, known["about"]


class Spool:
    """Messages in the order of their coming, one file each, in a directory of one process's own.

    `limit` is the most that may wait, in bytes. What the relay refuses for good goes to `refused/`.

    Raises
        OSError: the directory cannot be made or read, or another process uses it.
    """

    def __init__(self, directory: Path, limit: int) -> None:
        self.directory = directory.absolute()  # a daemon may change its working directory
        self.refused = self.directory / "refused"
        self._limit = limit
        self._lock = threading.Lock()
        self._news = threading.Event()
        self.refused.mkdir(parents=True, exist_ok=True)
        self._hold = os.open(self.directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._hold, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._hold)
            raise OSError(error.errno, "another process uses this spool", str(self.directory)) from error
        for half in self.directory.glob(f".*{PART}"):
            half.unlink()
        waiting = sorted(self.directory.glob(f"*{MESSAGE}"))
        self._waiting = deque((path, path.stat().st_size) for path in waiting)
        self._bytes = sum(size for _, size in self._waiting)
        used = [path.stem for path in (*waiting, *self.refused.glob(f"*{MESSAGE}"))]
        self._number = max((int(stem) for stem in used if stem.isdigit()), default=0)

    def __len__(self) -> int:
        return len(self._waiting)

    def close(self) -> None:
        """Leave the directory to another process."""
        os.close(self._hold)

    def put(self, raw: bytes, about: Mapping[str, Any]) -> None:
        """Add a message, on disk when this returns; OSError where the disk or the limit has no room."""
        message = pack(raw, about)
        with self._lock:
            if self._bytes + len(message) > self._limit:
                raise OSError(
                    errno.ENOSPC,
                    f"the spool may hold {self._limit} bytes, and {self._bytes} are waiting",
                    str(self.directory),
                )
            path = self.directory / f"{self._number + 1:020}{MESSAGE}"
            replace(path, message)
            self._number += 1
            self._bytes += len(message)
            self._waiting.append((path, len(message)))
        self._news.set()

    def drain(self, send: Callable[[bytes, Mapping[str, Any]], object], stop: threading.Event) -> None:
        """Send what waits and what will come, oldest first, until `stop`; gone only when `send` has returned.

        `send` raises as Relay.post_alert does.
        """
        while not stop.is_set():
            self._news.clear()
            if not self._waiting:
                self._news.wait(WAKE_S)
                continue
            path, size = self._waiting[0]
            try:
                self._hand_over(path, send, stop)
            except Stopped:
                return
            except OSError as error:
                log.error("%s: %s", path, error)
                stop.wait(WAKE_S)
            else:
                with self._lock:
                    self._waiting.popleft()
                    self._bytes -= size

    def _hand_over(
        self, path: Path, send: Callable[[bytes, Mapping[str, Any]], object], stop: threading.Event
    ) -> None:
        try:
            raw, about = unpack(path.read_bytes())
        except FileNotFoundError:
            log.warning("%s was taken out of the spool by somebody else", path)
            return
        except ValueError as error:
            self._refuse(path, {"reason": f"damaged in the spool: {error}"})
            return
        try:
            persist(lambda: send(raw, about), stop)
        except Refused as refused:
            self._refuse(path, reason_of(refused))
            return
        # Not made durable: what comes back after a power cut is sent again, and known by the relay.
        path.unlink(missing_ok=True)

    def _refuse(self, path: Path, reason: Mapping[str, Any]) -> None:
        kept = self.refused / path.name
        log.error("refused for good, kept as %s: %s", kept, reason["reason"])
        try:
            write_reason(kept, reason)
        except OSError as error:  # a full disk; the log has the reason, and a move needs no room
            log.error("%s: %s", kept, error)
        path.replace(kept)
