"""How far a dump is, by what its pipelines show: which of them have ended, and how.

No monitor point names the command that it is about. A pipeline has begun ours when the time of its last
trigger is another than before, and about that of its reply: its own clock, compared with itself.
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

from ovro_alert.acting import Outcome
from ovro_alert.command import State
from ovro_alert.span import say_span
from ovro_alert.telescopes.etcd import Put
from ovro_alert.telescopes.lwa.dump.answers import (
    ACCEPTED,
    COMPLETE,
    ENDS,
    REPLIES,
    REPLY_S,
    WRITING,
    Reply,
    Shown,
    read_shown,
)
from ovro_alert.telescopes.lwa.dump.commands import Pipeline
from ovro_alert.telescopes.lwa.dump.settings import DumpSettings

# A pipeline that is not busy triggers within so long of its reply. Where it was not heard, a clock that
# differs by less than this from ours may still be told by.
TOLERANCE_S = 5.0
UNSEEN = "another dump was triggered before it was seen to be complete"


class Progress:
    """One pipeline's part in a dump that was triggered at `at`, before which it showed `before`, unix s."""

    def __init__(
        self, pipeline: Pipeline, at: datetime, before: float | None, now: datetime, settings: DumpSettings
    ) -> None:
        self.pipeline = pipeline
        self.response: str | None = None
        self.triggered: float | None = None  # by its own clock
        self.status = ""
        self.bytes = 0
        self.files = 0
        self.why = ""  # it has ended before it was complete
        self.is_over = False
        self.clock_off_s = 0.0  # how much its clock is ahead of ours, where that is told
        self._at = at
        self._settings = settings
        self._quiet = timedelta(seconds=settings.quiet_s)
        self._before = before
        self._after = at.timestamp() - TOLERANCE_S if before is None else before
        self._changed = self._heard = now
        self._revision: int | None = None
        self._believed = False
        self.is_recalled = (
            False  # what it showed of ours, before it was told to write another, was looked for
        )
        self._replied: float | None = None
        self._is_idle = False  # by what it showed last, it writes nothing

    @property
    def is_ours(self) -> bool:
        """Whether what it writes, now or before it shows it, can only be ours."""
        return not self.is_over and (self.triggered is not None or self._is_idle)

    def reply(self, reply: Reply, now: datetime) -> None:
        """What it answered to the trigger, which is known `now`."""
        self.response = reply.response
        self._compare(reply.at, now)
        if reply.at is not None and self._at.timestamp() - reply.at > self._settings.clock_s:
            self.clock_off_s = reply.at - self._at.timestamp()  # it answered before it was asked
        if reply.at is not None:
            self._replied, self._after = reply.at, max(self._before or 0.0, reply.at - REPLY_S)
        if reply.response != ACCEPTED:
            said = REPLIES.get(reply.response, "")
            self._end(f"refused: {reply.response[:100]}{said and f', {said}'}")

    def see(self, put: Put | None, now: datetime, *, is_last: bool = True, is_final: bool = False) -> None:
        """Its monitor point as it is `now`; one that shows nothing new for too long has ended.

        `is_last` is False where it was told to write another dump since, and `is_final` True of what it
        showed when it was told that.
        """
        if self.is_over:
            return
        if put and (is_final or put.revision != self._revision):
            self._revision, self._heard = put.revision, now
            if shown := read_shown(put):
                self._is_idle = not shown.is_writing and shown.is_fresh(self._at, self._settings)
                self._believed |= is_final
                self._look(shown, now, is_last)
        if not self.is_over and now - self._changed >= self._quiet:
            self._end(self._stuck(now))

    def _look(self, shown: Shown, now: datetime, is_last: bool) -> None:
        self._compare(shown.at, now)
        if shown.triggered is None or shown.triggered <= self._after:
            return
        if self.triggered is None and self._may_be_ours(shown.triggered, is_last):
            self.triggered, self._changed = shown.triggered, now
        elif shown.triggered != self.triggered:
            self._end(UNSEEN)
            return
        if shown.status in ENDS and not (self._believed or _is_settled(shown)):
            # Until it opens its first file it shows the end of the dump before: a second word is awaited.
            self._believed = True
            return
        self._believed = True
        if (shown.status, shown.bytes, shown.files) != (self.status, self.bytes, self.files):
            self.status, self.bytes, self.files = shown.status, shown.bytes, shown.files
            self._changed = now
        if shown.status == COMPLETE:
            self._end("")
        elif shown.status in ENDS:
            self._end(shown.status)

    def _may_be_ours(self, triggered: float, is_last: bool) -> bool:
        if self._replied is not None:
            return triggered - self._replied < TOLERANCE_S
        return is_last or abs(triggered - self._at.timestamp()) < TOLERANCE_S

    def _compare(self, stamp: float | None, now: datetime) -> None:
        if stamp is not None and stamp - now.timestamp() > self._settings.clock_s:
            self.clock_off_s = stamp - now.timestamp()  # it was written later than now

    def _stuck(self, now: datetime) -> str:
        if self.triggered is None:
            return "accepted, and did not begin" if self.response else "no reply, and it did not begin"
        if now - self._heard >= self._quiet:
            return f"its monitor has been silent for {say_span((now - self._heard).total_seconds())}"
        still = say_span((now - self._changed).total_seconds())
        return f"has written nothing for {still}: it may be out of disk space"

    def _end(self, why: str) -> None:
        self.is_over, self.why = True, why

    @property
    def is_complete(self) -> bool:
        return self.is_over and not self.why

    def detail(self) -> dict[str, Any]:
        """For people, in JSON; its files are called `path`.0, .1 and so on."""
        said: dict[str, Any] = {"status": self.why or self.status or "accepted"}
        if self.triggered is not None and self.status:
            # The block's own name for it [triggered_dump_block.py].
            path = f"{self.pipeline.dump_path.rstrip('/')}/lwa-dump-{self.triggered:.2f}.tbf"
            said |= {"files": self.files, "bytes": self.bytes, "path": path}
        if self.clock_off_s:
            said["clock_off_s"] = round(self.clock_off_s, 1)
        return said


def _is_settled(shown: Shown) -> bool:
    """Whether it had the time to open a file between the trigger and this."""
    return shown.at is not None and shown.triggered is not None and shown.at - shown.triggered > TOLERANCE_S


def so_far(parts: Collection[Progress]) -> dict[str, Any]:
    """How far the dump is, in totals."""
    written, files = sum(one.bytes for one in parts), sum(one.files for one in parts)
    counts = {
        "accepted": sum(one.response == ACCEPTED for one in parts),
        "writing": sum(one.status == WRITING and not one.is_over for one in parts),
        "complete": sum(one.is_complete for one in parts),
        "failed": sum(bool(one.why) for one in parts),
    }
    said = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "no reply yet"
    return {
        "message": f"dump: {said} of {len(parts)} pipelines; {files} files, {written / 1e9:.1f} GB",
        "files": files,
        "bytes": written,
        "pipelines": counts,
    }


def failures(parts: Iterable[Progress]) -> str:
    """Which have not completed, and why, for people."""
    names: dict[str, list[str]] = {}
    for one in parts:
        if not one.is_complete:
            names.setdefault(one.why or "no reply", []).append(one.pipeline.name)
    return "; ".join(f"{why} ({', '.join(those)})" for why, those in names.items())


def ended(parts: Collection[Progress], aborted: str, notes: Iterable[str]) -> Outcome:
    """How the dump ended; `aborted` says why it was, and is empty where it was not."""
    total = so_far(parts)
    complete = sum(one.is_complete for one in parts)
    failed = len(parts) - complete
    written = f"{total['files']} files, {total['bytes'] / 1e9:.1f} GB"
    said = [f"{complete} of {len(parts)} pipelines complete; {written}"]
    if failed:
        said.insert(0, f"{failed} of {len(parts)} pipelines failed: {failures(parts)}")
    if failed and aborted:
        said.insert(0, f"aborted: {aborted}; what was written stays on disk")
    if off := [one.clock_off_s for one in parts if one.clock_off_s]:
        furthest = max(off, key=abs)
        said.append(f"the clocks of {len(off)} pipelines are off ours, by up to {furthest:+.1f} s")
    detail = total | {
        "message": "; ".join([*said, *notes]),
        "pipelines": {one.pipeline.name: one.detail() for one in parts},
        "failed": {one.pipeline.name: one.why for one in parts if not one.is_complete},
    }
    return Outcome(State.FAILED if failed and (aborted or not complete) else State.DONE, detail)
