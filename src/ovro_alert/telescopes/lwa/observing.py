"""The hands for powerbeam and voltagebeam: a session is planned, submitted at most once, seen to be taken."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ovro_alert.acting import Later, NotTaken, Outcome, Plan, Trace, Unreachable, Word, refused
from ovro_alert.command import Entry
from ovro_alert.telescopes.etcd import Keys
from ovro_alert.telescopes.lwa import following, planning, sdf, shared
from ovro_alert.telescopes.lwa.beams import overlapping
from ovro_alert.telescopes.lwa.monitor import Garbled, Shown
from ovro_alert.telescopes.lwa.planning import Submission, Telescope
from ovro_alert.telescopes.lwa.scheduler import Look, Mark, Scheduler
from ovro_alert.telescopes.lwa.settings import LwaSettings
from ovro_alert.telescopes.lwa.wanted import Unfit, wanted

# The scheduler looks around twice in a second: what it shows is no older for having been read so long ago.
FRESH = timedelta(milliseconds=50)
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


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
        self._acted = FIRST  # when the last session was submitted and seen

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
        if choice is None:
            return refused(f"no beam is free for it: {planning.holders(asked, telescope, settings)}")
        path = str(self._directory / f"{entry.slot}-{entry.seq}-{entry.id}.sdf")
        submission = planning.submission(entry, asked, choice, telescope, path, settings)
        calibrated = telescope.calibrated.get(choice.beam)
        return Plan(planning.summary(submission, choice, calibrated), submission)

    def forbid(self, entry: Entry, why: str) -> bool:
        """Takes the command's mark, where it has none."""
        return self._scheduler(entry).forbid(entry.id, why)

    def carry_out(self, entry: Entry, plan: Plan) -> Trace:
        """Submits the session in one transaction with its mark, and sees that it is taken.

        One that the scheduler does not show in time is taken back, so that it does not begin when nobody
        follows it any more. Raises NotTaken.
        """
        self._acted = LAST
        try:
            return self._submit(entry, plan.what)
        finally:
            self._acted = self._clock()

    def follow(self, entry: Entry, trace: Trace, word: Word) -> Outcome:
        """Follows the session to its end; cancels it where its event is taken back before it begins."""
        return following.follow(self._scheduler(entry), entry, trace, word, self._settings, self._clock)

    def _submit(self, entry: Entry, submission: Submission) -> Trace:
        mark, scheduler = submission.mark, self._scheduler(entry)
        self._file(Path(mark.sdf), sdf.write(submission.session))
        try:
            for name, text in submission.preempted:
                self._preempt(scheduler, name, text, f"command {entry.id} ({entry.event_id or 'no event'})")
            if not scheduler.submit(entry.id, mark):
                # Another did while this one was held up, on another beam perhaps; or we did, and the answer
                # was lost. Either is followed like one that is found after a restart.
                return self.find(entry) or Trace(mark.name, mark.at)
            shown = scheduler.wait(lambda shown: shown.has_seen(mark.held))
            if shown.has_seen(mark.held):
                return Trace(mark.name, mark.at)
            scheduler.cancel(mark.name, mark.sdf, "its own client: it did not show in time")
        except Garbled as garbled:
            raise Unreachable(f"what became of {mark.name} cannot be known: {garbled}") from garbled
        raise NotTaken(self._why_dropped(mark, shown))

    def _scheduler(self, entry: Entry) -> Scheduler:
        return Scheduler(self._keys, entry.slot, self._settings, self._clock)

    def _look(self, entry: Entry, now: datetime, may_calibrate: bool) -> Telescope:
        scheduler = self._scheduler(entry)
        at, look = self._seen
        try:
            if not self._acted <= at <= now < at + FRESH:  # or it was seen before our own last session
                look = scheduler.look(entry.id)
        except Garbled as garbled:
            raise Later(f"which beams are free cannot be known: {garbled}") from garbled
        shown = look.shown
        # Not who shows in old files alone, and was cancelled by us.
        held = [
            each
            for each in shown.holding(now)
            if shown.taken(each.name) or not scheduler.cancelled_by(each.name)
        ]
        last = scheduler.not_shown_yet(look)
        if last and now - last.at < timedelta(seconds=self._settings.accept_s):
            held.append(last.held)
        calibrated = scheduler.calibrations() if may_calibrate else {}
        return Telescope(now, shown, held, calibrated, scheduler.mark_of)

    def _preempt(self, scheduler: Scheduler, name: str, text: str, by: str) -> None:
        path = self._directory / f"cancel-{name}.sdf"
        self._file(path, text)
        if scheduler.cancel(name, str(path), by).taken(name):
            raise NotTaken(f"{name} was to give up its beam, and is still shown: nothing was submitted")

    def _file(self, path: Path, text: str) -> None:
        try:
            self._write(path, text.encode())
            shared.open_file(path)
        except OSError as error:
            raise NotTaken(f"the session definition file could not be written: {error}") from error

    def _why_dropped(self, mark: Mark, shown: Shown) -> str:
        others = [each for each in shown.holding(mark.at) if each.name != mark.name]
        inside = overlapping(others, mark.held.beam or 0, (mark.begin, mark.end))
        names = ", ".join(each.name for each in inside)
        why = f"its beam is held by {names}" if names else "nothing else holds its beam"
        read = "was read and dropped" if mark.name in shown.files else "was not taken"
        return f"{mark.name} {read} by the scheduler within {self._settings.accept_s:g} s: {why}"
