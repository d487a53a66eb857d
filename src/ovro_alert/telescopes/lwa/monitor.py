"""What the scheduler shows of its sessions in etcd, instead of a reply; and what that says of one of them.

Below /mon/observing/ are [ovro-lwa/lwa-observing observing/schedule.py, cli.py, scripts/executor.py]

- `schedule`: `{"POWER3": {"777_POWER3": [from MJD, to MJD]}}`, those to come, with the lead before their
  start. One that begins leaves it, and so does one that is cancelled.
- `submitted`: the same of what has begun. The public scheduler writes it anew with each that begins, so that
  it shows **only the last**: another that still runs beside it has left it, and one that is over stays.
- `sdfdict`: `{"777_POWER3": {"SESSION": {…}, "OBSERVATIONS": {"OBSERVATION_1": {…}}}}`, the file of every
  session that was ever parsed, also of one that was dropped or cancelled since.

A point that is not there was never written, which the scheduler's own tools read as empty; so do we. A point
that is there and cannot be read says nothing: then nobody can know which beams are free, and nothing may be
submitted, as an overlap is dropped without a word.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from ovro_alert.command import from_mjd
from ovro_alert.telescopes.lwa.wanted import SUBMISSION

POINTS = SCHEDULE, SUBMITTED, FILES = "schedule", "submitted", "sdfdict"


class Garbled(Exception):
    """A monitor point that cannot be read: its name, and what is wrong."""


class Progress(StrEnum):
    """How far a session is, in the words of the scheduler's own database."""

    SCHEDULED = "scheduled"
    OBSERVING = "observing"
    COMPLETED = "completed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


OVER = frozenset({Progress.COMPLETED, Progress.SKIPPED, Progress.CANCELLED})


@dataclass(frozen=True)
class Held:
    """What a session has of the telescope: `POWER3` from `begin` to `end`."""

    name: str
    resource: str
    begin: datetime
    end: datetime

    @property
    def beam(self) -> int | None:
        """Its beam; None of visibilities. POWER1 and VOLT1 are one: two recorders on the same beam."""
        number = re.search(r"\d+$", self.resource)
        return int(number[0]) if number else None

    @property
    def session_id(self) -> str:
        """The SESSION_ID of its file."""
        return self.name.partition("_")[0]

    def overlaps(self, begin: datetime, end: datetime) -> bool:
        """Whether it has it at some time between the two."""
        return self.begin < end and begin < self.end


@dataclass(frozen=True)
class Lead:
    """For how long the scheduler needs a beam before the stated start; without calibration, and with it."""

    plain: timedelta = timedelta()
    calibrating: timedelta = timedelta()


@dataclass(frozen=True)
class Shown:
    """What was shown at one moment, by the sessions' names."""

    scheduled: Mapping[str, Held] = field(default_factory=dict)
    submitted: Mapping[str, Held] = field(default_factory=dict)
    files: Mapping[str, Any] = field(default_factory=dict)
    lead: Lead = field(default=Lead(), compare=False)

    def taken(self, name: str) -> bool:
        """Whether a session is to come, or the last that began."""
        return name in self.scheduled or name in self.submitted

    def has_seen(self, own: Held) -> bool:
        """Whether a session was taken: it shows, or may have left `submitted` as another began since.

        The last cannot be told from one that was parsed and dropped, unless another has its place.
        """
        since = (each for each in self.submitted.values() if each.begin >= own.begin)
        is_hidden = own.name in self.files and any(since) and not self.has_replaced(own)
        return self.taken(own.name) or is_hidden

    def has_replaced(self, own: Held) -> bool:
        """Whether another shows on its mode and beam at its time: of two the scheduler takes only one."""
        shown = (*self.scheduled.values(), *self.submitted.values())
        others = (each for each in shown if each.resource == own.resource and each.name != own.name)
        return any(each.overlaps(own.begin, own.end) for each in others)

    def has_taken(self, session_id: int) -> Held | None:
        """The session of this id, where it is `taken`."""
        taken = (*self.scheduled.values(), *self.submitted.values())
        return next((each for each in taken if each.session_id == str(session_id)), None)

    def find(self, session_id: int) -> Held | None:
        """The session of this id, wherever it shows."""
        if held := self.has_taken(session_id):
            return held
        own = (name for name in self.files if name.startswith(f"{session_id}_"))
        return next((held for name in own if (held := self._held_by_file(name))), None)

    def holding(self, now: datetime) -> list[Held]:
        """All that may hold a beam: to come, begun, or once parsed and by its times under way.

        The last may have been dropped or cancelled instead. That nobody can tell, and a beam that is free is
        rather left alone than one that observes turned away.
        """
        held = [*self.scheduled.values(), *self.submitted.values()]
        hidden = (each for each in self._parsed() if not self.taken(each.name))
        return [each for each in held if now < each.end] + [
            each for each in hidden if each.begin <= now < each.end
        ]

    def _parsed(self) -> Iterable[Held]:
        for name in self.files:
            if held := self._held_by_file(name):
                yield held

    def _held_by_file(self, name: str) -> Held | None:
        """What a session has by its file, as if it had begun at its stated start; None where it says none."""
        file = self.files[name]
        try:
            head = file.get("SESSION") or {}
            lead = self.lead.calibrating if _calibrates(head) else self.lead.plain
            times = []
            for each in file["OBSERVATIONS"].values():
                day, past = int(each["OBS_START_MJD"]), int(each["OBS_START_MPM"])
                begin = from_mjd(day) + timedelta(milliseconds=past)
                times += [begin, begin + timedelta(milliseconds=int(each["OBS_DUR"]))]
            # One that begins at once records, and ends, a second later than it says for each step before.
            return Held(name, name.partition("_")[2], min(times) - lead, max(times) + SUBMISSION)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            return None


def read(points: Mapping[str, bytes], lead: Lead) -> Shown:
    """What the points say, by the last part of their keys. Raises Garbled."""
    return Shown(
        _ranges(SCHEDULE, points.get(SCHEDULE)),
        _ranges(SUBMITTED, points.get(SUBMITTED)),
        _object(FILES, points.get(FILES)),
        lead,
    )


def progress(
    shown: Shown, own: Held, now: datetime, before: Progress | None, grace: timedelta
) -> Progress | None:
    """How far a session is that was to observe as `own` says; None where nothing says that it was ever taken.

    `before` is what was known of it; `grace` is what the scheduler may take to move it from one point to the
    next. How an observation went it does not tell: a session whose commands failed is completed, too.
    """
    if own.name in shown.scheduled:
        return Progress.SCHEDULED if now < own.end else Progress.SKIPPED
    end = max(own.end, shown.submitted[own.name].end) if own.name in shown.submitted else own.end
    running = Progress.OBSERVING if now < end else Progress.COMPLETED
    if own.name in shown.submitted:
        return running
    if before is Progress.OBSERVING:  # another began since; or it was stopped, and forgotten
        stays = own.name in shown.files and not shown.has_replaced(own)
        return running if stays or now >= end else Progress.CANCELLED
    if now < own.begin:
        return Progress.CANCELLED if before else None
    if shown.has_seen(own):
        return running  # another began since, and `submitted` shows the last only
    if now < own.begin + grace:
        return before
    return Progress.SKIPPED if before else None  # it would be the last that began


def _calibrates(head: Mapping[str, Any]) -> bool:
    return "CAL_DIR" in head and head.get("DO_CAL") == "True"


def _object(name: str, value: bytes | None) -> dict[str, Any]:
    if value is None:
        return {}
    try:
        read = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise Garbled(f"{name}: not JSON: {str(error)[:100]}") from error
    if read is None:
        return {}
    if not isinstance(read, dict):
        raise Garbled(f"{name}: not an object")
    return read


def _ranges(name: str, value: bytes | None) -> dict[str, Held]:
    held = {}
    for resource, sessions in _object(name, value).items():
        if not isinstance(sessions, dict):
            raise Garbled(f"{name}: {resource[:50]} is not an object of sessions")
        for session, times in sessions.items():
            try:
                begin, end = (from_mjd(float(each)) for each in times)
            except (TypeError, ValueError, OverflowError) as error:
                raise Garbled(f"{name}: {session[:50]}: not a begin and an end in MJD") from error
            held[session] = Held(session, resource, begin, end)
    return held
