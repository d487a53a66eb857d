"""A session followed to its end, by what the scheduler shows and, where it shows nothing, by its times."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ovro_alert.acting import Outcome, Trace, Unreachable, Word
from ovro_alert.command import Entry, State
from ovro_alert.telescopes.lwa.beams import overlapping
from ovro_alert.telescopes.lwa.monitor import OVER, Garbled, Held, Progress, Shown, progress
from ovro_alert.telescopes.lwa.scheduler import Mark, Scheduler
from ovro_alert.telescopes.lwa.settings import LwaSettings


def follow(
    scheduler: Scheduler,
    entry: Entry,
    trace: Trace,
    word: Word,
    settings: LwaSettings,
    clock: Callable[[], datetime],
) -> Outcome:
    """How the session of `trace` ended. Raises Unreachable as long as nothing was seen of it."""
    mark = scheduler.mark(entry.id)
    own = mark.held if mark else _by_file(scheduler, entry, trace)
    its = _Followed(scheduler, own, mark, settings)
    grace = timedelta(seconds=settings.accept_s)
    state: Progress | None = None
    missing: datetime | None = None  # since when it does not show any more, though it did not begin
    silent = stopped = told = ""
    was_shown = is_let_be = False
    try:
        if mark:
            scheduler.wait(lambda shown: shown.has_seen(own), mark.at + grace)
    except Garbled as garbled:
        raise _unknown(own, garbled) from garbled
    while True:
        now = clock()
        try:
            shown = scheduler.shown()
            was_shown |= shown.taken(own.name)
            seen = progress(shown, own, now, state, grace)
            if not shown.taken(own.name) and scheduler.cancelled_by(own.name):
                seen = Progress.CANCELLED
            elif seen is Progress.CANCELLED:  # or it is between two points, about to begin
                missing = missing or now
                seen = seen if now >= missing + grace else state
            else:
                missing = None
            if seen is None and now >= trace.at + grace:
                word.check()
                return its.was_not_taken(shown, trace.at)
            if (by := word.retracted_by) and seen not in OVER and not is_let_be:
                # What is to come is cancelled again and again, until it has gone or begins.
                word.check()
                is_let_be = seen is Progress.OBSERVING
                what, has_gone = its.take_back(by, is_let_be, now)
                if what != stopped:
                    word.say(its.about | {"message": f"{own.name}: its event was retracted by {by}; {what}"})
                stopped = what
                if has_gone:
                    continue
            trouble = ""
        except (Garbled, Unreachable) as error:
            if state is None:
                raise _unknown(own, error) from error
            seen = Progress.COMPLETED if now >= own.end + grace else state
            trouble = str(error)
        if trouble != silent:
            silent = trouble
            how = f"cannot be seen: {silent}" if silent else "is seen again"
            word.say(its.about | {"message": f"{own.name} {how}"})
        if seen in OVER:
            doubt = "" if was_shown else "it was never shown to this client"
            return its.outcome(seen, f"the scheduler could not be asked: {silent}" if silent else doubt)
        if seen and (how := its.how(seen, now)) != told:
            told = how
            word.say(its.about | {"message": f"{own.name} is {how}", "state": seen})
        state = seen
        left = (own.end - clock()).total_seconds()
        word.wait(min(settings.follow_s, left) if left > 0 else min(settings.follow_s, 1.0))


def _unknown(own: Held, why: Exception) -> Unreachable:
    return Unreachable(f"what became of {own.name} cannot be known: {why}")


def _by_file(scheduler: Scheduler, entry: Entry, trace: Trace) -> Held:
    """The times of a session whose mark was lost."""
    try:
        held = scheduler.shown().find(entry.id)
    except Garbled as garbled:
        raise Unreachable(str(garbled)) from garbled
    return held or Held(trace.name, trace.name.partition("_")[2], trace.at, trace.at)


@dataclass(frozen=True)
class _Followed:
    """A session, and how it may end; without a mark where that was lost."""

    scheduler: Scheduler
    own: Held
    mark: Mark | None
    settings: LwaSettings

    @property
    def about(self) -> dict[str, Any]:
        """What people are told with every word: the session, and where its data are."""
        own, mark, settings = self.own, self.mark, self.settings
        path = settings.voltage_path if own.resource.startswith("VOLT") else settings.power_path
        known = (
            {"sdf": mark.sdf, "submitted": mark.at.isoformat(), "calibrate": mark.calibrated} if mark else {}
        )
        return {
            "session": own.name,
            "start": (mark.start if mark else own.begin).isoformat(),
            "end": own.end.isoformat(),
            "products": path.format(beam=own.beam or 0),
            **known,
        }

    def how(self, seen: Progress, now: datetime) -> str:
        """How far it is: in its lead nothing is recorded yet, though the scheduler says that it observes."""
        if seen is Progress.OBSERVING and self.mark and now < self.mark.start:
            return f"making ready, and observes from {self.mark.start:%H:%M:%SZ} on"
        return seen

    def take_back(self, by: str, has_begun: bool, now: datetime) -> tuple[str, bool]:
        """Cancels it if it is to be, as its event was taken back; what came of it, whether it has gone."""
        if has_begun and not self.settings.stop_retracted:
            how = self.how(Progress.OBSERVING, now)
            return "it observes on" if how == Progress.OBSERVING else f"it is {how}", False
        mark = self.mark
        if mark is None:
            return "it cannot be cancelled, as its file is not known any more", False
        has_gone = self.scheduler.cancel(self.own, mark.sdf, f"retracted by {by}")
        return ("it is cancelled" if has_gone else "it was not seen to be cancelled"), has_gone

    def was_not_taken(self, shown: Shown, at: datetime) -> Outcome:
        """As nothing says that it was taken it is cancelled, so that it does not begin; why that may be."""
        own = self.own
        if self.mark:
            self.scheduler.cancel(own, self.mark.sdf, "its own client: it did not show in time")
        others = [each for each in shown.holding(at) if each.name != own.name]
        names = ", ".join(each.name for each in overlapping(others, own.beam or 0, (own.begin, own.end)))
        why = (
            f"its beam is held by {names}" if names else "nothing else holds its beam, or its clock is ahead"
        )
        read = "was read and dropped" if own.name in shown.files else "was not taken"
        message = f"{own.name} {read} by the scheduler within {self.settings.accept_s:g} s: {why}"
        return Outcome(State.FAILED, self.about | {"message": message})

    def outcome(self, how: Progress, doubt: str) -> Outcome:
        """Its end; `doubt` is why that is known from its times alone."""
        own, mark = self.own, self.mark
        if how is not Progress.COMPLETED:
            by = self.scheduler.cancelled_by(own.name) if how is Progress.CANCELLED else ""
            message = f"{own.name} was {how} at the telescope{f': {by}' if by else ''}"
            return Outcome(State.FAILED, self.about | {"message": message, "state": how})
        if mark and mark.calibrated and own.beam is not None and not doubt:
            self.scheduler.calibrated(own.beam, mark.start, own.name)
        message = f"{own.name} is completed{doubt and f' by its times; {doubt}'}"
        return Outcome(State.DONE, self.about | {"message": message, "state": how})
