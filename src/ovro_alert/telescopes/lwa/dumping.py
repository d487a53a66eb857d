"""The hands for `trigger`: a dump of the voltage buffer, given through etcd and followed to its end.

All pipelines are told in one transaction with a mark, and not where the mark is there already: etcd itself
sees to it that a command is given once. With the mark is written down all that following it takes.
"""

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from ovro_alert.acting import Later, NotTaken, Outcome, Plan, Trace, Word, refused
from ovro_alert.command import Entry, from_mjd
from ovro_alert.telescopes.etcd import Keys, Put
from ovro_alert.telescopes.lwa.arguments import DumpArguments, reason, spelled
from ovro_alert.telescopes.lwa.dump import Pipeline, order
from ovro_alert.telescopes.lwa.dump_answers import (
    ACCEPTED,
    REPLY_S,
    Given,
    Reply,
    Shown,
    buffer_seen,
    read_given,
    read_reply,
    read_shown,
)
from ovro_alert.telescopes.lwa.dump_mark import AbortMark, Asked, Mark
from ovro_alert.telescopes.lwa.dump_progress import Progress, ended, failures, so_far
from ovro_alert.telescopes.lwa.dump_settings import DumpSettings
from ovro_alert.telescopes.lwa.dump_window import size

log = logging.getLogger(__name__)

REPLIES = "/resp/corr/x/"
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
        # What each pipeline that writes showed when it was last looked at, and since when it shows just that.
        self._writing: dict[Pipeline, tuple[Shown, datetime]] = {}

    def seen(self, now: datetime) -> dict[str, Any]:
        """What there is to see of the buffer, in JSON, with a `message`. Raises Unreachable."""
        shown = {one: read_shown(put) for one, put in self._look("mon", self._settings.pipelines)}
        return buffer_seen(shown, now, self._settings)

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
        shown = {one: read_shown(put) for one, put in self._look("mon", pipelines)}
        if busy := list(self._busy(shown, now)):
            others = f" and {len(busy) - 1} more pipelines" if len(busy) > 1 else ""
            raise Later(f"{busy[0]}{others}: no second dump is triggered before it has ended")
        silent = [one for one in pipelines if not _is_fresh(shown[one], now, self._settings)]
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

    def _look(
        self, kind: Literal["cmd", "resp", "mon"], pipelines: Iterable[Pipeline]
    ) -> Iterator[tuple[Pipeline, Put | None]]:
        """What is under their keys; not under all below a prefix, where the gains of beams are, too."""
        for one in pipelines:
            yield one, self._keys.get(one.key(kind)).put

    def _mark(self, entry: Entry) -> Mark | None:
        put = self._keys.get(self._key(entry)).put
        return Mark.read(put) or self._remade(entry, is_marked=put is not None)

    def _remade(self, entry: Entry, is_marked: bool) -> Mark | None:
        """The mark as far as the pipelines' own keys tell, where it was lost."""
        id, pipelines = str(entry.id), self._settings.pipelines
        # They were told in one transaction: what one of them was told tells of all.
        replies = {one: reply for one, reply in self._replies().items() if reply.id == id}
        if not (is_marked or replies or any(self._told(id, pipelines[:1]))):
            return None
        told = dict(self._told(id, pipelines))
        since = [*(each.at for each in told.values()), *(each.at for each in replies.values())]
        at = min((each for each in since if each is not None), default=None)
        return Mark(
            name=f"dump {id}",
            at=from_mjd(entry.command_mjd) if at is None else datetime.fromtimestamp(at, UTC),
            id=id,
            pipelines=tuple(_asked(one, None) for one in {**told, **replies} or pipelines),
        )

    def _told(self, id: str, pipelines: Iterable[Pipeline]) -> Iterator[tuple[Pipeline, Given]]:
        """Those whose last command is the trigger of that id."""
        for one, put in self._look("cmd", pipelines):
            if (given := read_given(put)) and given.id == id and given.command == "trigger":
                yield one, given

    def _replies(self) -> dict[Pipeline, Reply]:
        """The last reply of each pipeline, all in one look: below this prefix all is small."""
        puts, _ = self._keys.get_all(REPLIES)
        read = {one: read_reply(puts.get(one.key("resp"))) for one in self._settings.pipelines}
        return {one: reply for one, reply in read.items() if reply}

    def _busy(self, shown: Mapping[Pipeline, Shown | None], now: datetime) -> Iterator[str]:
        """The pipelines that a trigger would not reach: to one that writes it is as if it had not come."""
        replies = self._replies()
        for one, said in shown.items():
            if said and said.is_writing and said.is_fresh(now, self._settings):
                if not self._is_stuck(one, said, now):
                    yield f"{one.name} writes"
            elif (reply := replies.get(one)) and self._is_newer(reply, said, now):
                [(_, put)] = self._look("cmd", [one])
                if (given := read_given(put)) and given.command == "trigger":
                    yield f"{one.name} was told to write the dump {given.id[:50]!r}"

    def _is_stuck(self, one: Pipeline, said: Shown, now: datetime) -> bool:
        """Whether one that says that it writes has written nothing for too long.

        Where the disk is full it says so for ever, though it listens again [triggered_dump_block.py].
        """
        last, since = self._writing.get(one, (said, now))
        if replace(last, at=said.at) != said:
            since = now
        self._writing[one] = (said, since)
        return now - since >= timedelta(seconds=self._settings.quiet_s)

    def _is_newer(self, reply: Reply, said: Shown | None, now: datetime) -> bool:
        """Whether it took a command so lately that its monitor point cannot show yet what came of it."""
        if reply.response != ACCEPTED or reply.at is None:
            return False
        if abs(now.timestamp() - reply.at) > self._settings.fresh_s:
            return False
        return said is None or said.triggered is None or said.triggered < reply.at - REPLY_S

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
        for one, put in self._look("resp", [one for one in running if not parts[one].response]):
            if (reply := read_reply(put)) and reply.id == mark.id:
                parts[one].reply(reply, self._clock())
        for one, put in self._look("mon", running):
            parts[one].see(put, self._clock())

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


def _is_fresh(shown: Shown | None, now: datetime, settings: DumpSettings) -> bool:
    return shown is not None and shown.is_fresh(now, settings)


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
        "bytes": plan.bytes,
    }
