"""A receiver's disk queue: what it has taken from its sender, and the relay does not have yet."""

import errno
import fcntl
import json
import logging
import os
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from ovro_alert.link.durable import PART, replace
from ovro_alert.link.relay import Refused, Relay
from ovro_alert.link.retry import Stopped, persist

log = logging.getLogger(__name__)

MESSAGE = ".message"
NAME = re.compile(rf"([0-9]{{20}})\{MESSAGE}")
WAKE_S = 0.5  # how late an idle queue may see that it is to stop
BATCH = 100  # messages of a backlog in one request
BATCH_BYTES = 1_000_000
MEMORY = 16_000_000  # bytes that may wait there while the disk has no room


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


class _File(NamedTuple):
    """A message on disk, and all of it that is in memory: there may be hundreds of thousands."""

    number: int
    size: int


class _Held(NamedTuple):
    """A message in the hand: `place` is its file, or itself packed where it has none."""

    place: _File | bytes
    raw: bytes
    about: dict[str, Any]


class Spool:
    """Messages in the order of their coming, one file each, in a directory of one process's own.

    `limit` is the most that may wait there, in bytes. What finds no room waits in memory (MEMORY bytes), and
    is written down as soon as there is room. What the relay has refused for good and not kept goes to
    `refused/`. `on_change` is told how many wait, whenever that changes, in the thread that changes it.

    Raises
        OSError: the directory cannot be made or read, or another process uses it.
    """

    def __init__(
        self, directory: Path, limit: int, on_change: Callable[[int], None] = lambda waiting: None
    ) -> None:
        self.directory = directory.absolute()  # a daemon may change its working directory
        self.refused = self.directory / "refused"
        self._limit = limit
        self._on_change = on_change
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
        self._files = deque(sorted(_files(self.directory)))
        self._bytes = sum(file.size for file in self._files)
        self._number = max((file.number for file in (*self._files, *_files(self.refused))), default=0)
        self._unwritten: deque[bytes] = deque()  # packed; all of them came after the files
        self._unwritten_bytes = 0
        on_change(len(self))

    def __len__(self) -> int:
        return len(self._files) + len(self._unwritten)

    def close(self) -> None:
        """Leave the directory to another process."""
        os.close(self._hold)

    def put(self, raw: bytes, about: Mapping[str, Any]) -> None:
        """Add a message: on disk when this returns, or in memory where the disk or the limit has no room.

        Raises
            OSError: nor has memory; the message is not kept.
        """
        message = pack(raw, about)
        with self._lock:
            try:
                self._write_down_the_unwritten()
                self._write(message)
            except OSError as error:
                if self._unwritten_bytes + len(message) > MEMORY:
                    raise
                if not self._unwritten:
                    log.error("what comes waits in memory, where a kill would lose it: %s", error)
                self._unwritten.append(message)
                self._unwritten_bytes += len(message)
        self._on_change(len(self))
        self._news.set()

    def drain(self, relay: Relay, stop: threading.Event) -> None:
        """Send what waits and what will come, oldest first, until `stop`; gone only when acknowledged.

        What waits together goes together; a message that comes alone waits for no other.
        """
        while not stop.is_set():
            self._news.clear()
            if not len(self):
                self._news.wait(WAKE_S)
                continue
            try:
                persist(lambda: self._hand_over(relay), stop)
            except Stopped:
                break
            except OSError as error:
                log.error("the spool is not drained: %s", error)
                stop.wait(WAKE_S)
        for message in self._unwritten:
            log.error("the disk had no room for a message, which is lost: %r", message)

    def _write_down_the_unwritten(self) -> None:
        while self._unwritten:
            self._write(self._unwritten[0])
            self._unwritten_bytes -= len(self._unwritten.popleft())

    def _write(self, message: bytes) -> None:
        if self._bytes + len(message) > self._limit:
            said = f"the spool may hold {self._limit} bytes, and {self._bytes} are waiting"
            raise OSError(errno.ENOSPC, said, str(self.directory))
        file = _File(self._number + 1, len(message))
        replace(self._path(file), message)
        self._number = file.number
        self._bytes += file.size
        self._files.append(file)

    def _path(self, file: _File) -> Path:
        return self.directory / f"{file.number:020}{MESSAGE}"

    def _hand_over(self, relay: Relay) -> None:
        """Send the oldest, as many as make one request; raises as Relay does where it has taken none."""
        if self._unwritten:
            with self._lock, suppress(OSError):
                self._write_down_the_unwritten()
        held = self._oldest()
        answers = _answers(relay, [(each.raw, each.about) for each in held]) if held else []
        for each, answer in zip(held, answers, strict=False):
            if isinstance(answer, Refused):
                log.error("refused for good: %s", answer)
                if not answer.set_aside:
                    self._keep(each.place, reason_of(answer))
            self._let_go(each.place)
        self._on_change(len(self))

    def _oldest(self) -> list[_Held]:
        """What goes into one request; of a first file that is no message nothing, it is set apart."""
        with self._lock:
            places: list[_File | bytes] = list(islice(self._files or self._unwritten, BATCH))
        held: list[_Held] = []
        size = 0
        for place in places:
            try:
                message = place if isinstance(place, bytes) else self._path(place).read_bytes()
                each = _Held(place, *unpack(message))
            except (FileNotFoundError, ValueError) as error:
                if not held:
                    log.error("message %s: %s", place, error)
                    if isinstance(error, ValueError):  # otherwise somebody else has taken it out
                        self._keep(place, {"reason": f"damaged in the spool: {error}"})
                    self._let_go(place)
                break
            size += len(message)
            if held and size > BATCH_BYTES:
                break
            held.append(each)
        return held

    def _keep(self, place: _File | bytes, reason: Mapping[str, Any]) -> None:
        """Keep what will never be the relay's beside its reason; a file is moved, which needs no room."""
        if isinstance(place, bytes):
            log.error("there is no room to keep it: %r", place)
            return
        path = self._path(place)
        kept = self.refused / path.name
        log.error("kept as %s", kept)
        try:
            write_reason(kept, reason)
        except OSError as error:  # a full disk; the log has the reason
            log.error("%s: %s", kept, error)
        path.replace(kept)

    def _let_go(self, place: _File | bytes) -> None:
        with self._lock:
            if isinstance(place, _File):
                # Not made durable: what comes back after a power cut is sent again, and known by the relay.
                self._path(place).unlink(missing_ok=True)
                self._files.popleft()
                self._bytes -= place.size
            elif self._unwritten and self._unwritten[0] is place:  # and not written down meanwhile
                self._unwritten_bytes -= len(self._unwritten.popleft())


def _files(directory: Path) -> Iterator[_File]:
    with os.scandir(directory) as entries:
        for entry in entries:
            if found := NAME.fullmatch(entry.name):
                yield _File(int(found[1]), entry.stat().st_size)


def _answers(relay: Relay, messages: Sequence[tuple[bytes, Mapping[str, Any]]]) -> Sequence[object]:
    """What the relay says of the first messages, of one at least; Refused as an answer is for good."""
    if len(messages) > 1:
        try:
            return relay.post_alerts(messages)
        except Refused:  # for the sake of one of them, or by a relay that takes no batches: one at a time
            pass
    raw, about = messages[0]
    try:
        return [relay.post_alert(raw, about)]
    except Refused as refused:
        if refused.about_the_key:
            raise
        return [refused]
