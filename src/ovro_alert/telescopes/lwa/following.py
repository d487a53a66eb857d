"""A session followed to its end, by what the scheduler shows and, where it shows nothing, by its times."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from ovro_alert.acting import Outcome, Trace, Unreachable, Word
from ovro_alert.command import Entry, State
from ovro_alert.telescopes.lwa.monitor import OVER, Garbled, Held, Progress, progress
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
    """How the session of `trace` ended. Raises Unreachable only where its times cannot be read."""
    mark = scheduler.mark(entry.id)
    own = mark.held if mark else _by_file(scheduler, entry, trace, settings)
    about = _about(own, mark, settings)
    grace = timedelta(seconds=settings.accept_s)
    state: Progress | None = None
    silent = stopped = ""
    while True:
        now = clock()
        try:
            shown = scheduler.shown()
            gone = not shown.taken(own.name) and scheduler.cancelled_by(own.name)
            seen = Progress.CANCELLED if gone else progress(shown, own, now, state, grace)
            trouble = ""
            if (by := word.retracted_by) and not stopped and seen not in OVER:
                stopped = _take_back(scheduler, seen, own, mark, by, settings)
                word.say(about | {"message": f"{own.name}: {stopped}"})
                continue
        except (Garbled, Unreachable) as error:
            seen = Progress.COMPLETED if now >= own.end + grace else state
            trouble = str(error)
        if trouble != silent:
            silent = trouble
            word.say(
                about
                | {"message": f"{own.name} {f'cannot be seen: {silent}' if silent else 'is seen again'}"}
            )
        if seen is None and now >= trace.at + grace:
            return _outcome(scheduler, own, mark, about, "was not taken by the scheduler")
        if seen in OVER:
            return _outcome(scheduler, own, mark, about, seen, silent)
        if seen is not state:
            word.say(about | {"message": f"{own.name} is {seen}", "state": seen})
        state = seen
        left = (own.end - clock()).total_seconds()
        word.wait(min(settings.follow_s, left) if left > 0 else min(settings.follow_s, 1.0))


def _take_back(
    scheduler: Scheduler,
    seen: Progress | None,
    own: Held,
    mark: Mark | None,
    by: str,
    settings: LwaSettings,
) -> str:
    """Cancels a session whose event was taken back, if it is to be; what came of it."""
    if seen is Progress.OBSERVING and not settings.stop_retracted:
        return f"its event was retracted by {by}; it observes on"
    if mark is None:
        return f"its event was retracted by {by}; it cannot be cancelled, as its file is not known any more"
    shown = scheduler.cancel(own.name, mark.sdf, f"retracted by {by}")
    still = "the scheduler still shows it" if shown.taken(own.name) else "it is cancelled"
    return f"its event was retracted by {by}; {still}"


def _outcome(
    scheduler: Scheduler, own: Held, mark: Mark | None, about: dict[str, Any], how: str, silent: str = ""
) -> Outcome:
    if how != Progress.COMPLETED:
        by = scheduler.cancelled_by(own.name) if how == Progress.CANCELLED else ""
        said = f"was {how} at the telescope{f': {by}' if by else ''}" if how in OVER else how
        return Outcome(State.FAILED, about | {"message": f"{own.name} {said}", "state": how})
    if mark and mark.calibrated and own.beam is not None and not silent:
        scheduler.calibrated(own.beam, mark.start, own.name)
    doubt = f" by its times; the scheduler could not be asked: {silent}" if silent else ""
    return Outcome(State.DONE, about | {"message": f"{own.name} is completed{doubt}", "state": how})


def _by_file(scheduler: Scheduler, entry: Entry, trace: Trace, settings: LwaSettings) -> Held:
    """The times of a session whose mark was lost."""
    try:
        held = scheduler.shown().find(entry.id)
    except Garbled as garbled:
        raise Unreachable(str(garbled)) from garbled
    return held or Held(trace.name, trace.name.partition("_")[2], trace.at, trace.at)


def _about(own: Held, mark: Mark | None, settings: LwaSettings) -> dict[str, Any]:
    """What people are told with every word: the session, and where its data are."""
    path = settings.voltage_path if own.resource.startswith("VOLT") else settings.power_path
    known = {"sdf": mark.sdf, "submitted": mark.at.isoformat(), "calibrate": mark.calibrated} if mark else {}
    return {
        "session": own.name,
        "start": (mark.start if mark else own.begin).isoformat(),
        "end": own.end.isoformat(),
        "products": path.format(beam=own.beam or 0),
        **known,
    }
