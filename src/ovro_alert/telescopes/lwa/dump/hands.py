"""The hands for `trigger`: a dump of the voltage buffer, given through etcd and followed to its end.

All pipelines are told in one transaction with a mark, and not where the mark is there already: etcd itself
sees to it that a command is given once. With the mark is written down all that following it takes.
"""

import json
import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from ovro_alert.acting import Later, NotTaken, Outcome, Plan, Trace, Word, refused
from ovro_alert.command import Entry, from_mjd
from ovro_alert.telescopes import fence
from ovro_alert.telescopes.arguments import reason, spelled
from ovro_alert.telescopes.etcd import Keys, Put
from ovro_alert.telescopes.findings import Finding
from ovro_alert.telescopes.lwa.arguments import DumpArguments
from ovro_alert.telescopes.lwa.dump.answers import (
    ACCEPTED,
    Shown,
    read_reply,
    read_shown,
)
from ovro_alert.telescopes.lwa.dump.buffers import REPLIES, Buffers
from ovro_alert.telescopes.lwa.dump.check import findings
from ovro_alert.telescopes.lwa.dump.commands import Pipeline, order
from ovro_alert.telescopes.lwa.dump.mark import AbortMark, Asked, Mark
from ovro_alert.telescopes.lwa.dump.progress import Progress, ended, failures, so_far
from ovro_alert.telescopes.lwa.dump.settings import DumpSettings
from ovro_alert.telescopes.lwa.dump.window import size

log = logging.getLogger(__name__)

MARKS = "/ovro-alert/"

Parts = dict[Pipeline, Progress]


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Dumping:
    """`Hands` for the word `trigger`; what is written down of each command is below `marks`."""

    def __init__(
        self,
        keys: Keys,
        settings: DumpSettings,
        *,
        marks: str = MARKS,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._keys = keys
        self._settings = settings
        self._marks = marks
        self._clock = clock
        self._buffers = Buffers(keys, settings)

    def check(self, now: datetime) -> list[Finding]:
        """What there is to see of the buffer before anything is done. Raises Unreachable."""
        return list(findings(self._buffers.shown(), now, self._settings))

    def find(self, entry: Entry) -> Trace | None:
        """The command's mark; or the last command or reply of a pipeline that has its id."""
        mark = self._mark(entry)
        return Trace(mark.name, mark.at) if mark else None

    def plan(self, entry: Entry, now: datetime) -> Plan | Outcome:
        """What each pipeline is to write. Raises Later where one writes, or the window has not begun."""
        try:
            args = DumpArguments.model_validate(spelled(entry.args))
        except ValueError as error:
            return refused(reason(error))
        wanted = size(args, now, self._settings, entry.deadline)
        if isinstance(wanted, Outcome):
            return wanted
        pipelines = self._settings.pipelines
        shown = self._buffers.shown()
        if busy := self._buffers.busy(shown, now):
            others = f", and {len(busy) - 1} more" if len(busy) > 1 else ""
            raise Later(f"{busy[0]}{others}: no second one is triggered before it has ended")
        silent = [one for one in shown.values() if not (one and one.is_fresh(now, self._settings))]
        notes = wanted.notes
        if silent:
            notes += (f"the monitors of {len(silent)} of {len(pipelines)} pipelines are silent",)
        mark = Mark(
            name=f"dump {entry.id}",
            at=now,
            id=str(entry.id),
            command=entry.command,
            event_id=entry.event_id,
            priority=entry.priority,
            nfile=wanted.nfile,
            ntime_per_file=wanted.ntime_per_file,
            notes=notes,
            pipelines=tuple(_asked(one, shown[one]) for one in pipelines),
        )
        return Plan(_summary(mark), mark)

    def forbid(self, entry: Entry, why: str) -> bool:
        """Takes the command's mark, where it has none."""
        return fence.forbid(self._keys, self._key(entry), why)

    def carry_out(self, entry: Entry, plan: Plan) -> Trace:
        """Triggers all pipelines at once, and hears which of them will.

        Those that are slow to say so are waited for no longer than another says it will: what became of them
        is seen as the dump is followed.

        Raises
            NotTaken: none will.
        """
        mark = plan.what.model_copy(update={"at": self._clock()})
        puts = {key: _json(value) for key, value in mark.plan.puts()}
        key = self._key(entry)
        puts[key] = mark.model_dump_json().encode()
        start = self._keys.get(key).revision + 1
        parts = self._parts(mark)
        begun = False
        while True:
            with self._keys.watch_all(REPLIES, start, self._settings.answer_s) as heard:
                if not begun and not self._keys.put_once(key, puts):
                    return self.find(entry) or Trace(mark.name, mark.at)
                begun = True
                self._hear(mark, parts, heard)
            taken = sum(one.response == ACCEPTED for one in parts.values())
            late = self._clock() - mark.at >= timedelta(seconds=self._settings.reply_s)
            if taken or late or all(one.response for one in parts.values()):
                break
        if not taken:
            self._see(mark, parts)
            if not any(one.triggered for one in parts.values()):
                raise NotTaken(f"no pipeline took it: {failures(parts.values())}")
        return Trace(f"{mark.name}, taken by {taken} of {len(parts)} pipelines", mark.at)

    def follow(self, entry: Entry, trace: Trace, word: Word) -> Outcome:
        """Waits until each pipeline has ended, or shown nothing new for too long.

        Those that still write when the event is taken back are told to abort. It leaves their files there.
        """
        mark = self._mark(entry)
        if mark is None:
            raise NotTaken(f"{trace.name} has left no trace")
        parts = self._parts(mark)
        abort = AbortMark.read(self._keys.get(self._abort_key(entry)).put)
        said: dict[str, Any] = {}
        said_at = self._clock()
        while True:
            self._see(mark, parts)
            running = [one for one, part in parts.items() if not part.is_over]
            if not running:
                break
            if word.retracted_by and not abort:
                abort = self._abort(entry, mark, running, word.retracted_by)
            detail = so_far(parts.values())
            now = self._clock()
            if not said or (detail != said and now - said_at >= timedelta(seconds=self._settings.say_s)):
                word.say(detail)
                said, said_at = detail, now
            word.wait(self._settings.look_s)
        outcome = ended(parts.values(), f"retracted by {abort.by}" if abort else "", mark.notes)
        log.info("%s: %s", mark.name, outcome.detail["message"])
        return outcome

    def _key(self, entry: Entry) -> str:
        return f"{self._marks}{entry.slot}/{entry.id}"

    def _abort_key(self, entry: Entry) -> str:
        return f"{self._key(entry)}/abort"

    def _mark(self, entry: Entry) -> Mark | None:
        put = self._keys.get(self._key(entry)).put
        fence.check(put)
        return Mark.read(put) or self._remade(entry, is_marked=put is not None)

    def _remade(self, entry: Entry, is_marked: bool) -> Mark | None:
        """The mark as far as the pipelines' own keys tell, where it was lost."""
        id, pipelines = str(entry.id), self._settings.pipelines
        # They were told in one transaction: what one of them was told tells of all.
        replies = {one: reply for one, reply in self._buffers.replies().items() if reply.id == id}
        if not (is_marked or replies or any(self._buffers.told(id, pipelines[:1]))):
            return None
        told = dict(self._buffers.told(id, pipelines))
        since = [*(each.at for each in told.values()), *(each.at for each in replies.values())]
        at = min((each for each in since if each is not None), default=None)
        return Mark(
            name=f"dump {id}",
            at=from_mjd(entry.command_mjd) if at is None else datetime.fromtimestamp(at, UTC),
            id=id,
            pipelines=tuple(_asked(one, None) for one in {**told, **replies} or pipelines),
        )

    def _parts(self, mark: Mark) -> Parts:
        now = self._clock()
        return {
            one.pipeline: Progress(one.pipeline, mark.at, one.before, now, self._settings)
            for one in mark.pipelines
        }

    def _hear(self, mark: Mark, parts: Parts, heard: Iterable[tuple[str, Put]]) -> None:
        """Takes replies until all are there, or nothing more is said."""
        by_key = {one.key("resp"): part for one, part in parts.items()}
        until = mark.at + timedelta(seconds=self._settings.reply_s)
        for key, put in heard:
            reply = read_reply(put)
            if key in by_key and reply and reply.id == mark.id:
                by_key[key].reply(reply, self._clock())
            if all(one.response for one in parts.values()) or self._clock() >= until:
                return

    def _see(self, mark: Mark, parts: Parts) -> None:
        """What the pipelines show and, where they have not been heard yet, reply."""
        running = [one for one, part in parts.items() if not part.is_over]
        for one, put in self._buffers.look("resp", [one for one in running if not parts[one].response]):
            if (reply := read_reply(put)) and reply.id == mark.id:
                parts[one].reply(reply, self._clock())
        for one, put in self._buffers.look("mon", running):
            now = self._clock()
            parts[one].see(put, now)
            if said := read_shown(put):
                self._buffers.unchanged_since(one, said, now)  # the next dump need not wait to know it

    def _abort(self, entry: Entry, mark: Mark, running: Iterable[Pipeline], by: str) -> AbortMark:
        now = self._clock()
        written = AbortMark(name=mark.name, at=now, by=by)
        key = self._abort_key(entry)
        what = _json(order(str(int(now.timestamp() * 1e6)), now, "abort"))
        puts = {key: written.model_dump_json().encode()} | {one.key("cmd"): what for one in running}
        if self._keys.put_once(key, puts):
            log.warning("%s: aborted: retracted by %s", mark.name, by)
            return written
        return AbortMark.read(self._keys.get(key).put) or written


def _asked(one: Pipeline, shown: Shown | None) -> Asked:
    return Asked(
        host=one.host, number=one.number, dump_path=one.dump_path, before=shown.triggered if shown else None
    )


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode()


def _summary(mark: Mark) -> dict[str, Any]:
    plan = mark.plan
    size = f"{plan.nfile} files of {plan.ntime_per_file} samples, {plan.bytes / 1e12:.2f} TB in all"
    said = f"dump of {plan.seconds:.1f} s from {len(plan.pipelines)} pipelines: {size}"
    return {
        "message": "; ".join([said, *mark.notes]),
        "nfile": plan.nfile,
        "ntime_per_file": plan.ntime_per_file,
        "seconds": round(plan.seconds, 3),
        "bytes_planned": plan.bytes,
    }
