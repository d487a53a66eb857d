"""What a command for a beam comes to: its session on a beam, and who gives that up for it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ovro_alert.command import Entry
from ovro_alert.telescopes.lwa import beams, calibration, sdf
from ovro_alert.telescopes.lwa.beams import Choice
from ovro_alert.telescopes.lwa.monitor import Held, Shown
from ovro_alert.telescopes.lwa.scheduler import Mark
from ovro_alert.telescopes.lwa.session import Session
from ovro_alert.telescopes.lwa.settings import LwaSettings
from ovro_alert.telescopes.lwa.wanted import Wanted, occupied, session


@dataclass(frozen=True)
class Telescope:
    """What is known of the telescope at one moment.

    `held` is who may hold a beam, `calibrated` when each was last, as far as it was asked, and `mark` finds
    what was written down of a session that is ours.
    """

    now: datetime
    shown: Shown
    held: list[Held]
    calibrated: Mapping[int, datetime]
    mark: Callable[[Held], Mark | None]

    def file(self, name: str) -> str:
        """The text of the file that a session is cancelled by; empty where none can be made."""
        try:
            return sdf.rewrite(self.shown.files[name])
        except (KeyError, ValueError):
            return ""


@dataclass(frozen=True)
class Submission:
    """A session as it is to be submitted, and what is cancelled for it, each with the file that does it."""

    session: Session
    mark: Mark
    preempted: tuple[tuple[Held, str], ...]


def choose(entry: Entry, asked: Wanted, telescope: Telescope, settings: LwaSettings) -> Choice | None:
    """The beam that it gets: one that is free, or that others have to give up; None where there is none."""

    def due(beam: int) -> bool:
        if not (settings.do_cal and asked.calibratable):
            return False
        return calibration.due(telescope.calibrated.get(beam), asked.start, settings.calibration_max_age_s)

    def rank(each: Held) -> int | None:
        if _stays(each, telescope, settings):
            return None
        if mark := telescope.mark(each):
            return mark.priority if mark.priority < entry.priority else None
        least = settings.preempt_others_at
        return entry.priority if least is not None and entry.priority >= least else None

    def window(calibrate: bool) -> tuple[datetime, datetime]:
        return occupied(asked, calibrate, settings)

    free = beams.choose_free(asked.beams, telescope.held, due, window)
    return free or beams.choose_taken(asked.beams, telescope.held, due, window, telescope.now, rank)


def _stays(each: Held, telescope: Telescope, settings: LwaSettings) -> str:
    """Why nobody can have a session give up its beam, whatever its priority; empty where that can be."""
    if not telescope.shown.taken(each.name):
        return "not shown"  # nobody would see it go
    if each.begin <= telescope.now and not settings.stops_running:
        return "has begun"
    return "" if telescope.file(each.name) else "cannot be cancelled: its file is not shown"


def holders(entry: Entry, asked: Wanted, telescope: Telescope, settings: LwaSettings) -> str:
    """Who has the beams that it may have, until when, and why one of ours of a smaller priority keeps it."""
    window = occupied(asked, False, settings)
    said = []
    for beam in asked.beams:
        for each in beams.overlapping(telescope.held, beam, window):
            own = telescope.mark(each)
            whose = f"priority {own.priority}" if own else "not ours"
            if own and own.priority < entry.priority and (why := _stays(each, telescope, settings)):
                whose += f", {why}"
            said.append(f"beam {beam} is held by {each.name} until {each.end:%H:%M:%SZ} ({whose})")
    return ", ".join(said)


def submission(
    entry: Entry, asked: Wanted, choice: Choice, telescope: Telescope, path: str, settings: LwaSettings
) -> Submission:
    """The session on the beam that was chosen; its file is to be at `path`."""
    its = session(entry, asked, choice.beam, choice.calibrate, settings)
    begin, _ = occupied(asked, choice.calibrate, settings)
    mark = Mark(
        at=telescope.now,
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
        sdf=path,
    )
    files = tuple((each, telescope.file(each.name)) for each in choice.preempted)
    return Submission(its, mark, files)


def summary(submission: Submission, choice: Choice, calibrated: datetime | None) -> dict[str, Any]:
    """What to tell people, in JSON."""
    mark = submission.mark
    seconds = round((mark.end - mark.start).total_seconds(), 3)
    names = [each.name for each, _ in submission.preempted]
    instead = f", in place of {', '.join(names)}" if names else ""
    return {
        "message": f"session {mark.name}, {mark.submission}, {seconds:g} s{instead}",
        "session": mark.name,
        "submission": mark.submission,
        "start": mark.start.isoformat(),
        "duration": seconds,
        "beam": choice.beam,
        "calibrate": choice.calibrate,
        "last_calibrated": calibrated.isoformat() if calibrated else None,
        "sdf": mark.sdf,
        **({"cancelled": names} if names else {}),
    }
