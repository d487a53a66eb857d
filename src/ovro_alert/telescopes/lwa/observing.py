"""The hands for powerbeam and voltagebeam: a session is planned, submitted at most once, and followed."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from ovro_alert.acting import Later, NotTaken, Outcome, Plan, Trace, Unreachable, Word, refused
from ovro_alert.command import Entry
from ovro_alert.telescopes.etcd import Keys
from ovro_alert.telescopes.lwa import following, planning, sdf, shared
from ovro_alert.telescopes.lwa.monitor import Garbled, Held
from ovro_alert.telescopes.lwa.planning import Submission, Telescope
from ovro_alert.telescopes.lwa.scheduler import Look, Mark, Scheduler
from ovro_alert.telescopes.lwa.settings import LwaSettings
from ovro_alert.telescopes.lwa.wanted import SUBMISSION, Unfit, wanted

# The scheduler looks around twice in a second: what it shows is no older for having been read so long ago.
FRESH = timedelta(milliseconds=50)
FIRST = datetime.min.replace(tzinfo=UTC)


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
        shared.make_folder(self._directory)
        self._write = write
        self._clock = clock
        self._seen = FIRST, Look()  # when it was last asked whether a command has a trace
        # What was submitted of late and may not show yet; in a turn, the next is planned by it.
        self._submitted: Mapping[int, Mark] = {}

    def find(self, entry: Entry) -> Trace | None:
        """The command's mark, or a session of its id in the monitor points, where marks were lost."""
        asked = self._clock()
        try:
            look = self._scheduler(entry).look(entry.id)
        except Garbled as garbled:
            raise Unreachable(f"whether it was submitted cannot be known: {garbled}") from garbled
        if look.mark:
            return Trace(look.mark.name, look.mark.at)
        self._seen = asked, look
        held = look.shown.find(entry.id)
        return Trace(held.name, held.begin) if held else None

    def plan(self, entry: Entry, now: datetime) -> Plan | Outcome:
        """The session on a beam that is free, or given up for it; refused with the reason where none is.

        Raises Later where the monitor points cannot be read: nobody knows then which beams are free.
        """
        settings = self._settings
        try:
            asked = wanted(entry, now, settings)
        except Unfit as unfit:
            return refused(str(unfit))
        telescope = self._look(entry, now, settings.do_cal and asked.calibratable)
        choice = planning.choose(entry, asked, telescope, settings)
        if choice is None or choice.preempted:  # only then is it worth a question who has gone
            telescope = replace(telescope, held=self._not_cancelled(entry, telescope))
            choice = planning.choose(entry, asked, telescope, settings)
        if choice is None:
            return refused(f"no beam is free for it: {planning.holders(entry, asked, telescope, settings)}")
        path = str(self._directory / f"{entry.slot}-{entry.seq}-{entry.id}.sdf")
        submission = planning.submission(entry, asked, choice, telescope, path, settings)
        calibrated = telescope.calibrated.get(choice.beam)
        before = partial(self._make_room, entry, submission)
        return Plan(planning.summary(submission, choice, calibrated), submission, before)

    def forbid(self, entry: Entry, why: str) -> bool:
        """Takes the command's mark, where it has none."""
        return self._scheduler(entry).forbid(entry.id, why)

    def carry_out(self, entry: Entry, plan: Plan) -> Trace:
        """Submits the session in one transaction with its mark. Raises NotTaken."""
        submission: Submission = plan.what
        now = self._clock()
        mark = submission.mark.model_copy(update={"at": now})
        self._file(Path(mark.sdf), sdf.write(submission.session))
        since = now - timedelta(seconds=self._settings.accept_s)
        fresh = {command: other for command, other in self._submitted.items() if other.at > since}
        self._submitted = {**fresh, entry.id: mark}
        if self._scheduler(entry).submit(entry.id, mark):
            return Trace(mark.name, mark.at)
        # Another did while this one was held up, on another beam perhaps; or we did, and the answer was lost.
        # Either is followed like one that is found after a restart.
        return self.find(entry) or Trace(mark.name, mark.at)

    def follow(self, entry: Entry, trace: Trace, word: Word) -> Outcome:
        """Sees that the session is taken, and follows it to its end.

        One that the scheduler does not show in time is cancelled, so that it does not begin when nobody
        follows it any more; and so is one whose event is taken back before it begins.
        """
        return following.follow(self._scheduler(entry), entry, trace, word, self._settings, self._clock)

    def _scheduler(self, entry: Entry) -> Scheduler:
        return Scheduler(self._keys, entry.slot, self._settings, self._clock)

    def _look(self, entry: Entry, now: datetime, may_calibrate: bool) -> Telescope:
        scheduler = self._scheduler(entry)
        at, look = self._seen
        try:
            if not at <= now < at + FRESH:
                look = scheduler.look(entry.id)
        except Garbled as garbled:
            raise Later(f"which beams are free cannot be known: {garbled}") from garbled
        others = {command: mark for command, mark in self._submitted.items() if command != entry.id}
        unseen = scheduler.not_shown_yet(look, others)
        held = look.shown.holding(now)
        held += [replace(mark.held, end=mark.end + SUBMISSION) for mark in unseen]
        calibrated = scheduler.calibrations() if may_calibrate else {}
        return Telescope(now, look.shown, held, calibrated, scheduler.mark_of)

    def _not_cancelled(self, entry: Entry, telescope: Telescope) -> list[Held]:
        """Who may hold a beam, but for those who show in old files alone, and were cancelled by us."""
        hidden = [each.name for each in telescope.held if not telescope.shown.taken(each.name)]
        gone = self._scheduler(entry).cancelled(hidden)
        return [each for each in telescope.held if each.name not in gone]

    def _make_room(self, entry: Entry, submission: Submission) -> None:
        """Has those give up the beam that have to. Raises NotTaken where one stays."""
        scheduler, by = self._scheduler(entry), f"command {entry.id} ({entry.event_id or 'no event'})"
        for held, text in submission.preempted:
            path = self._directory / f"cancel-{held.name}.sdf"
            self._file(path, text)
            try:
                gone = scheduler.make_room(entry.id, held, str(path), by)
            except Garbled as garbled:
                raise Unreachable(f"whether {held.name} has gone cannot be known: {garbled}") from garbled
            if not gone:
                raise NotTaken(f"{held.name} was to give up its beam, and stays: nothing was submitted")

    def _file(self, path: Path, text: str) -> None:
        try:
            self._write(path, text.encode())
            shared.open_file(path)
        except OSError as error:
            raise NotTaken(f"the session definition file could not be written: {error}") from error
