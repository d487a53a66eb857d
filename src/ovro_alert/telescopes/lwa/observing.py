"""The hands for powerbeam and voltagebeam: a session is planned, submitted at most once, seen to be taken."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ovro_alert.acting import Later, NotTaken, Outcome, Plan, Trace, Unreachable, Word, refused
from ovro_alert.command import Entry
from ovro_alert.telescopes.etcd import Keys
from ovro_alert.telescopes.lwa import beams, calibration, following, sdf
from ovro_alert.telescopes.lwa.beams import Choice
from ovro_alert.telescopes.lwa.monitor import Garbled, Held, Shown
from ovro_alert.telescopes.lwa.scheduler import Mark, Scheduler
from ovro_alert.telescopes.lwa.session import Session
from ovro_alert.telescopes.lwa.settings import LwaSettings
from ovro_alert.telescopes.lwa.wanted import Unfit, Wanted, occupied, session, wanted

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Submission:
    """A session as it is to be submitted, and the files of those that are cancelled for it."""

    session: Session
    mark: Mark
    preempted: tuple[tuple[str, str], ...]  # name and text of each


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Observing:
    """`acting.Hands` for the beams of OVRO-LWA.

    `directory` must be there for the scheduler's host under the same path; `write` writes a file there whole
    or not at all, durably, and raises OSError where it cannot.
    """

    def __init__(
        self,
        keys: Keys,
        settings: LwaSettings,
        directory: Path,
        write: Callable[[Path, bytes], None],
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._keys = keys
        self._settings = settings
        self._directory = directory.resolve() / "sdf"
        self._directory.mkdir(parents=True, exist_ok=True)
        self._write = write
        self._clock = clock

    def find(self, entry: Entry) -> Trace | None:
        """The command's mark, or a session of its id in the monitor points, where marks were lost."""
        scheduler = self._scheduler(entry)
        if mark := scheduler.mark(entry.id):
            return Trace(mark.name, mark.at)
        try:
            held = scheduler.shown().find(entry.id)
        except Garbled as garbled:
            raise Unreachable(f"whether it was submitted cannot be known: {garbled}") from garbled
        return Trace(held.name, held.begin) if held else None

    def plan(self, entry: Entry, now: datetime) -> Plan | Outcome:
        """The session on a beam that is free, or given up for it; refused with the reason where none is.

        Raises Later where the monitor points cannot be read: nobody knows then which beams are free.
        """
        try:
            asked = wanted(entry, now, self._settings)
        except Unfit as unfit:
            return refused(str(unfit))
        scheduler = self._scheduler(entry)
        try:
            shown = scheduler.shown()
        except Garbled as garbled:
            raise Later(f"which beams are free cannot be known: {garbled}") from garbled
        held = self._holding(scheduler, shown, now)
        last = scheduler.calibrations()
        choice = self._choose(asked, held, last, entry, scheduler, shown, now)
        if choice is None:
            return refused(f"no beam is free for it: {self._holders(asked, held, scheduler)}")
        submission = self._submission(entry, asked, choice, shown, now)
        return Plan(self._summary(submission, choice, last.get(choice.beam)), submission)

    def carry_out(self, entry: Entry, plan: Plan) -> Trace:
        """Submits the session in one transaction with its mark, and sees that it is taken.

        One that the scheduler does not show in time is taken back, so that it does not begin when nobody
        follows it any more. Raises NotTaken.
        """
        submission: Submission = plan.what
        mark, scheduler = submission.mark, self._scheduler(entry)
        try:
            self._write(Path(mark.sdf), sdf.write(submission.session).encode())
        except OSError as error:
            raise NotTaken(f"the session definition file could not be written: {error}") from error
        for name, text in submission.preempted:
            self._preempt(scheduler, name, text, f"command {entry.id} ({entry.event_id or 'no event'})")
        try:
            shown = scheduler.wait(
                lambda shown: shown.taken(mark.name), lambda: scheduler.submit(entry.id, mark)
            )
            if shown.taken(mark.name):
                return Trace(mark.name, mark.at)
            scheduler.cancel(mark.name, mark.sdf, "its own client: it did not show in time")
        except Garbled as garbled:
            raise Unreachable(f"whether {mark.name} was taken cannot be known: {garbled}") from garbled
        raise NotTaken(self._why_dropped(mark, shown))

    def follow(self, entry: Entry, trace: Trace, word: Word) -> Outcome:
        """Follows the session to its end; cancels it where its event is taken back before it begins."""
        return following.follow(self._scheduler(entry), entry, trace, word, self._settings, self._clock)

    def _scheduler(self, entry: Entry) -> Scheduler:
        return Scheduler(self._keys, entry.slot, self._settings, self._clock)

    def _holding(self, scheduler: Scheduler, shown: Shown, now: datetime) -> list[Held]:
        """Who holds a beam; not who shows in old files alone, and was cancelled by us."""
        return [
            each
            for each in shown.holding(now)
            if shown.taken(each.name) or not scheduler.cancelled_by(each.name)
        ]

    def _choose(
        self,
        asked: Wanted,
        held: list[Held],
        last: dict[int, datetime],
        entry: Entry,
        scheduler: Scheduler,
        shown: Shown,
        now: datetime,
    ) -> Choice | None:
        settings = self._settings

        def due(beam: int) -> bool:
            wished = settings.do_cal and asked.calibratable
            return wished and calibration.due(last.get(beam), asked.start, settings.calibration_max_age_s)

        def rank(each: Held) -> int | None:
            if each.name not in shown.files:
                return None  # it has no file to be cancelled by
            if mark := _own(scheduler, each):
                return mark.priority if mark.priority < entry.priority else None
            if not shown.taken(each.name):
                return None  # nobody would see it go
            least = settings.preempt_others_at
            return entry.priority if least is not None and entry.priority >= least else None

        free = beams.choose_free(
            asked.beams, held, due, lambda calibrate: occupied(asked, calibrate, settings)
        )
        return free or beams.choose_taken(asked.beams, held, occupied(asked, False, settings), now, rank)

    def _holders(self, asked: Wanted, held: Iterable[Held], scheduler: Scheduler) -> str:
        window = occupied(asked, False, self._settings)
        said = []
        for beam in asked.beams:
            for each in beams.overlapping(held, beam, window):
                own = _own(scheduler, each)
                whose = f"priority {own.priority}" if own else "not ours"
                said.append(f"beam {beam} is held by {each.name} until {each.end:%H:%M:%SZ} ({whose})")
        return ", ".join(said)

    def _submission(
        self, entry: Entry, asked: Wanted, choice: Choice, shown: Shown, now: datetime
    ) -> Submission:
        its = session(entry, asked, choice.beam, choice.calibrate, self._settings)
        begin, _ = occupied(asked, choice.calibrate, self._settings)
        mark = Mark(
            at=now,
            name=its.name,
            command=entry.command,
            event_id=entry.event_id,
            priority=entry.priority,
            resource=its.resource,
            submission=asked.submission,
            begin=begin,
            start=asked.start,
            end=asked.end,
            calibrated=choice.calibrate,
            sdf=str(self._directory / f"{entry.slot}-{entry.seq}-{entry.id}.sdf"),
        )
        files = tuple((each.name, sdf.rewrite(shown.files[each.name])) for each in choice.preempted)
        return Submission(its, mark, files)

    def _summary(self, submission: Submission, choice: Choice, last: datetime | None) -> dict[str, Any]:
        mark = submission.mark
        seconds = round((mark.end - mark.start).total_seconds(), 3)
        names = [each.name for each in choice.preempted]
        instead = f", in place of {', '.join(names)}" if names else ""
        return {
            "message": f"session {mark.name}, {mark.submission}, {seconds:g} s{instead}",
            "session": mark.name,
            "submission": mark.submission,
            "start": mark.start.isoformat(),
            "duration": seconds,
            "beam": choice.beam,
            "calibrate": choice.calibrate,
            "last_calibrated": last.isoformat() if last else None,
            "sdf": mark.sdf,
            **({"cancelled": names} if names else {}),
        }

    def _preempt(self, scheduler: Scheduler, name: str, text: str, by: str) -> None:
        path = self._directory / f"cancel-{name}.sdf"
        try:
            self._write(path, text.encode())
            shown = scheduler.cancel(name, path, by)
        except OSError as error:
            raise NotTaken(f"the file that cancels {name} could not be written: {error}") from error
        except Garbled as garbled:
            raise Unreachable(f"whether {name} was cancelled cannot be known: {garbled}") from garbled
        if shown.taken(name):
            raise NotTaken(f"{name} was to give up its beam, and is still shown: nothing was submitted")

    def _why_dropped(self, mark: Mark, shown: Shown) -> str:
        beam = mark.held.beam
        window = (mark.begin, mark.end)
        others = [each for each in shown.holding(mark.at) if each.name != mark.name]
        names = ", ".join(each.name for each in beams.overlapping(others, beam, window)) if beam else ""
        why = f"its beam is held by {names}" if names else "nothing else holds its beam"
        read = "was read and dropped" if mark.name in shown.files else "was not taken"
        return f"{mark.name} {read} by the scheduler within {self._settings.accept_s:g} s: {why}"


def _own(scheduler: Scheduler, held: Held) -> Mark | None:
    """The mark of a session that is ours."""
    mark = scheduler.mark(held.session_id) if held.session_id.isdecimal() else None
    return mark if mark and mark.name == held.name else None
