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
from ovro_alert.command import Entry
from ovro_alert.telescopes import fence
from ovro_alert.telescopes.arguments import reason, spelled
from ovro_alert.telescopes.etcd import Keys, Put
from ovro_alert.telescopes.findings import Finding
from ovro_alert.telescopes.lwa.arguments import DumpArguments
from ovro_alert.telescopes.lwa.dump.answers import ACCEPTED, read_given, read_reply, read_shown
from ovro_alert.telescopes.lwa.dump.buffers import REPLIES, Buffers
from ovro_alert.telescopes.lwa.dump.check import findings
from ovro_alert.telescopes.lwa.dump.commands import TRIGGER, Kind, Pipeline, order
from ovro_alert.telescopes.lwa.dump.mark import AbortMark, Mark
from ovro_alert.telescopes.lwa.dump.marks import Marks, asked
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
        self._clock = clock
        self._buffers = Buffers(keys, settings)
        self._marks = Marks(keys, self._buffers, settings.pipelines, marks)

    def check(self, now: datetime) -> list[Finding]:
        """What there is to see of the buffer before anything is done. Raises Unreachable."""
        return list(findings(self._buffers.shown(), now, self._settings))

    def find(self, entry: Entry) -> Trace | None:
        """The command's mark; or the last command or reply of a pipeline that has its id."""
        mark = self._marks.of(entry)
        return Trace(mark.name, mark.at) if mark else None

    def plan(self, entry: Entry, now: datetime) -> Plan | Outcome:
        """What each pipeline is to write. Raises Later where one writes, or the window has not begun."""
        # What it means to keep is what there was when it was said, however long the command has waited since.
        context = {"now": entry.command_mjd}
        try:
            args = DumpArguments.model_validate(spelled(entry.args), context=context)
        except ValueError as error:
            return refused(reason(error))
        wanted = size(args, now, self._settings, entry.deadline)
        if isinstance(wanted, Outcome):
            return wanted
        pipelines = self._settings.pipelines
        seen = self._buffers.look(dict.fromkeys(pipelines, ("mon", "cmd")))
        if busy := self._buffers.busy(seen, now):
            others = f", and {len(busy) - 1} more" if len(busy) > 1 else ""
            raise Later(f"{busy[0]}{others}: no second one is triggered before it has ended")
        shown = [read_shown(puts.get("mon")) for puts in seen.values()]
        silent = [one for one in shown if not (one and one.is_fresh(now, self._settings))]
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
            pipelines=tuple(asked(one, puts) for one, puts in seen.items()),
        )
        return Plan(_summary(mark), mark)

    def forbid(self, entry: Entry, why: str) -> bool:
        """Takes the command's mark, where it has none."""
        return fence.forbid(self._keys, self._marks.key(entry), why)

    def carry_out(self, entry: Entry, plan: Plan) -> Trace:
        """Triggers all pipelines at once, and hears which of them will.

        Those that are slow to say so are waited for no longer than another says it will: what became of them
        is seen as the dump is followed.

        Raises
            Later: somebody has told one something since the plan was made.
            NotTaken: all say that they will not.
        """
        mark = plan.what.model_copy(update={"at": self._clock()})
        puts = {key: _json(value) for key, value in mark.plan.puts()}
        # What was busy at the plan, or is not, is so still: nobody has told a pipeline anything since.
        unchanged = {one.pipeline.key("cmd"): one.told for one in mark.pipelines}
        key = self._marks.key(entry)
        puts[key] = mark.model_dump_json().encode()
        start = self._keys.get(key).revision + 1
        parts = self._parts(mark)
        begun = False
        while True:
            with self._keys.watch_all(REPLIES, start, self._settings.answer_s) as heard:
                if not begun and not self._keys.put_once(key, puts, unchanged):
                    if trace := self.find(entry):
                        return trace
                    raise Later("a pipeline was told something since it was looked at")
                begun = True
                self._hear(mark, parts, heard)
            taken = sum(one.response == ACCEPTED for one in parts.values())
            late = self._clock() - mark.at >= timedelta(seconds=self._settings.reply_s)
            if taken or late or all(one.response for one in parts.values()):
                break
        if all(one.response not in (None, ACCEPTED) for one in parts.values()):
            raise NotTaken(f"no pipeline took it: {failures(parts.values())}")
        return Trace(f"{mark.name}, taken by {taken} of {len(parts)} pipelines", mark.at)

    def follow(self, entry: Entry, trace: Trace, word: Word) -> Outcome:
        """Waits until each pipeline has ended, or shown nothing new for too long.

        Those that still write it when the event is taken back are told to abort. It leaves their files there.
        """
        mark = self._marks.of(entry)
        if mark is None:
            raise NotTaken(f"{trace.name} has left no trace")
        parts = self._parts(mark)
        abort = self._marks.abort(entry)
        said: dict[str, Any] = {}
        said_at = self._clock()
        while True:
            self._see(mark, parts)
            running = [one for one, part in parts.items() if not part.is_over]
            if not running:
                break
            if word.retracted_by:
                ours = [one for one in running if parts[one].is_ours]
                abort = self._abort(entry, mark, ours, word.retracted_by) or abort
            detail = so_far(parts.values())
            now = self._clock()
            if not said or (detail != said and now - said_at >= timedelta(seconds=self._settings.say_s)):
                word.say(detail)
                said, said_at = detail, now
            word.wait(self._settings.look_s)
        outcome = ended(parts.values(), f"retracted by {abort.by}" if abort else "", mark.notes)
        log.info("%s: %s", mark.name, outcome.detail["message"])
        return outcome

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
        """What the pipelines show and, where they have not been heard yet, reply and were told since."""
        wanted: dict[Pipeline, tuple[Kind, ...]] = {
            one: ("mon", "cmd") if part.response else ("mon", "resp", "cmd")
            for one, part in parts.items()
            if not part.is_over
        }
        for one, puts in self._buffers.look(wanted).items():
            now, part, put = self._clock(), parts[one], puts.get("mon")
            if (reply := read_reply(puts.get("resp"))) and reply.id == mark.id:
                part.reply(reply, now)
            given = read_given(puts.get("cmd"))
            is_last = not given or given.id == mark.id or given.command != TRIGGER
            if not is_last and not part.is_recalled:
                part.is_recalled = True
                part.see(self._buffers.as_the_next_was_told(one, mark.id), now, is_final=True)
            part.see(put, now, is_last=is_last)
            if said := read_shown(put):
                self._buffers.unchanged_since(one, said, now)  # the next dump need not wait to know it

    def _abort(self, entry: Entry, mark: Mark, ours: Iterable[Pipeline], by: str) -> AbortMark | None:
        """Tells those to abort that were told nothing since ours: each once, and nobody else's dump.

        None where there are none of these.
        """
        told = self._buffers.told(mark.id, ours)
        if not told:
            return None
        now = self._clock()
        written = AbortMark(name=mark.name, at=now, by=by)
        key = self._marks.abort_key(entry, next(iter(told)))
        what = _json(order(str(int(now.timestamp() * 1e6)), now, "abort"))
        puts = {key: written.model_dump_json().encode()} | {one.key("cmd"): what for one in told}
        if not self._keys.put_once(key, puts, {one.key("cmd"): last for one, (_, last) in told.items()}):
            return None  # told something this moment, or by another client of ours: it is looked at again
        log.warning("%s: aborted on %d pipelines: retracted by %s", mark.name, len(told), by)
        return written


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
