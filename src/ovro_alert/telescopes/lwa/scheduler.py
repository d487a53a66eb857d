"""OVRO-LWA's scheduler over etcd: it is told of files by one key, and answers none; what it took, it shows.

`/cmd/observing/submitsdf` takes `{"filename": …, "mode": "asap" | "buffer" | "cancel"}`
[ovro-lwa/lwa-observing observing/cli.py, scripts/executor.py]. What it shows is read by `monitor`.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from ovro_alert.acting import Later, Unreachable
from ovro_alert.alert import Utc
from ovro_alert.telescopes import fence
from ovro_alert.telescopes.etcd import Keys, Put
from ovro_alert.telescopes.lwa import calibration, monitor
from ovro_alert.telescopes.lwa.monitor import Garbled, Held, Lead, Shown
from ovro_alert.telescopes.lwa.settings import LwaSettings

CLOCKS = timedelta(seconds=5)  # so far at the most its clock may be from ours: 3 s have been seen


class Mark(BaseModel):
    """What is written down of a session as it is submitted, in one transaction: all that `follow` needs."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    at: Utc
    name: str
    kind: Literal["session"] = "session"
    command: str
    event_id: str | None
    priority: int
    resource: str
    submission: str
    begin: Utc  # it holds its beam from here on: with the lead
    start: Utc
    end: Utc
    calibrated: bool  # whether the scheduler was told to, before
    sdf: str

    @property
    def held(self) -> Held:
        """What it has of the telescope."""
        return Held(self.name, self.resource, self.begin, self.end)


class Look(NamedTuple):
    """What is seen at one moment: a command's mark, what is shown, and what the scheduler was told last."""

    mark: Mark | None = None
    shown: Shown = Shown()
    told: bytes = b"{}"


class Scheduler:
    """The keys of the scheduler, and ours beside them; every method raises Unreachable."""

    def __init__(self, keys: Keys, slot: str, settings: LwaSettings, clock: Callable[[], datetime]) -> None:
        self._keys = keys
        self._slot = f"{settings.marks_prefix}{slot}/"
        self._settings = settings
        self._clock = clock
        plain, calibration = timedelta(seconds=settings.lead_s), timedelta(seconds=settings.calibration_s)
        self._lead = Lead(plain, plain + calibration)

    def shown(self) -> Shown:
        """What it shows now. Raises Garbled."""
        return self._read(self._points()[0])

    def look(self, command: int) -> Look:
        """All in one question; where there is a mark, nothing else is read. Raises Garbled and NotTaken."""
        key, tells, prefix = (
            f"{self._slot}{command}",
            self._settings.submit_key,
            self._settings.observing_prefix,
        )
        puts = self._keys.get_each([key, tells, *(prefix + point for point in monitor.POINTS)])
        if key in puts:
            fence.check(puts[key])
            return Look(self._mark(key, puts[key]))
        shown = self._read({name.removeprefix(prefix): put.value for name, put in puts.items()})
        return Look(None, shown, puts[tells].value) if tells in puts else Look(None, shown)

    def mark(self, command: int) -> Mark | None:
        """What was written down of a command when it was submitted."""
        key = f"{self._slot}{command}"
        put = self._keys.get(key).put
        return None if put is None or fence.why_ended(put) is not None else self._mark(key, put)

    def _mark(self, key: str, put: Put) -> Mark:
        try:
            return Mark.model_validate_json(put.value)
        except ValidationError as error:
            # It exists: the command was acted on, and there is nobody but a person to say how.
            raise Unreachable(f"{key}: cannot be read: {error.error_count()} errors") from error

    def mark_of(self, held: Held) -> Mark | None:
        """What was written down of a session that is ours; None of one that is not."""
        if not held.session_id.isdecimal():
            return None
        mark = self.mark(int(held.session_id))
        return mark if mark and mark.name == held.name else None

    def not_shown_yet(self, look: Look, known: Mapping[int, Mark]) -> list[Mark]:
        """What was written down of sessions of ours that the scheduler may yet take, as it has `accept_s` to.

        `known` is what the client itself has submitted of late, by command; and the session that was
        submitted last may be another's, which was killed, say, before the scheduler had it.
        """
        marks = dict(known)
        with suppress(ValueError, KeyError, TypeError):
            told = json.loads(look.told)
            command = re.search(r"-([0-9]+)\.sdf$", told["filename"])
            id = int(command[1]) if command and told["mode"] != "cancel" else None
            if id is not None and id not in marks and not look.shown.has_taken(id):
                mark = self.mark(id)
                if mark and mark.sdf == told["filename"]:
                    marks[id] = mark
        since = self._clock() - timedelta(seconds=self._settings.accept_s)
        return [mark for mark in marks.values() if mark.at > since and not look.shown.taken(mark.name)]

    def submit(self, command: int, mark: Mark) -> bool:
        """Submits a session, unless its command was acted on before by anybody; whether it was done now."""
        key = f"{self._slot}{command}"
        told = {self._settings.submit_key: _told(mark.sdf, mark.submission)}
        return self._keys.put_once(key, {key: mark.model_dump_json().encode(), **told})

    def forbid(self, command: int, why: str) -> bool:
        """Sees that a command is not acted on any more; False where it was."""
        return fence.forbid(self._keys, f"{self._slot}{command}", why)

    def make_room(self, command: int, held: Held, sdf: str, by: str) -> bool:
        """As `cancel`, for a command that was neither acted on nor ended; else nothing. Raises Later."""

        def tell(told: bytes) -> None:
            # Each try is another: etcd only compares together with what is put once.
            once = f"{self._slot}{command}/room/{held.name}/{self._clock():%H%M%S%f}"
            puts = {once: b"{}", self._settings.submit_key: told}
            if not self._keys.put_once(once, puts, {f"{self._slot}{command}": 0}):
                raise Later(f"{held.name} keeps its beam: by now the command was acted on, or ended")

        return self._cancel(held, sdf, by, tell)

    def cancel(self, held: Held, sdf: str, by: str) -> bool:
        """Cancels a session; whether it was seen to go within `accept_s`. Raises Garbled.

        The public scheduler takes back what is to come, and leaves alone what has begun. It may be asked
        again. By whom it was done is written down when it is done: who is killed before that leaves one of
        which nobody knows why it went, and its beam alone for its time. Written before, the beam of one that
        observes on would count as free.
        """
        return self._cancel(held, sdf, by, partial(self._keys.put, self._settings.submit_key))

    def _cancel(self, held: Held, sdf: str, by: str, tell: Callable[[bytes], object]) -> bool:
        before = self.shown()
        tell(_told(sdf, "cancel"))
        if not before.taken(held.name):
            return False  # nobody can see it go

        def has_gone(shown: Shown) -> bool:
            return not shown.taken(held.name) and not shown.has_seen(held)

        def surely(shown: Shown) -> bool:
            # One that begins leaves `schedule` before `submitted` has it.
            may_begin = held.name in before.scheduled and self._clock() >= held.begin - CLOCKS
            return has_gone(shown) and not may_begin

        limit = self._clock() + timedelta(seconds=self._settings.accept_s)
        if gone := has_gone(self.wait(surely, limit)):
            record = json.dumps({"at": self._clock().isoformat(), "by": by}).encode()
            self._keys.put(self._cancelled(held.name), record)
        return gone

    def cancelled_by(self, name: str) -> str:
        """By whom a session was cancelled, where it was one of us."""
        put = self._keys.get(self._cancelled(name)).put
        try:
            return str(json.loads(put.value)["by"]) if put else ""
        except (ValueError, KeyError, TypeError):
            return "somebody"

    def cancelled(self, names: Sequence[str]) -> set[str]:
        """Those of the sessions that one of us cancelled, in one question."""
        keys = {self._cancelled(name): name for name in names[:128]}
        return {keys[key] for key in self._keys.get_each(keys)} if keys else set()

    def wait(self, done: Callable[[Shown], bool], limit: datetime) -> Shown:
        """What is shown as soon as `done` holds of it, or at `limit`. Raises Garbled."""
        while True:
            points, revision = self._points()
            with suppress(Garbled):  # the next put may mend it
                if done(shown := self._read(points)):
                    return shown
            left = (limit - self._clock()).total_seconds()
            if left <= 0:
                return self._read(points)
            # What is put after what was just read: nothing in between is missed.
            prefix = self._settings.observing_prefix
            with self._keys.watch_all(prefix, start=revision + 1, silence_s=left) as puts:
                if next(puts, None) is None:
                    return self.shown()

    def calibrations(self) -> dict[int, datetime]:
        """When each beam was last calibrated, as far as it is known."""
        prefix = f"{self._slot}calibrated/"
        puts, _ = self._keys.get_all(prefix)
        by_beam = {key.removeprefix(prefix): calibration.last(put.value) for key, put in puts.items()}
        return {int(beam): at for beam, at in by_beam.items() if at and beam.isdecimal()}

    def calibrated(self, beam: int, at: datetime, session: str) -> None:
        """Writes down that a beam was calibrated."""
        self._keys.put(f"{self._slot}calibrated/{beam}", calibration.record(at, session))

    def _cancelled(self, name: str) -> str:
        return f"{self._slot}cancelled/{name}"

    def _read(self, points: Mapping[str, bytes]) -> Shown:
        return monitor.read(points, self._lead)

    def _points(self) -> tuple[dict[str, bytes], int]:
        prefix = self._settings.observing_prefix
        puts, revision = self._keys.get_all(prefix)
        return {key.removeprefix(prefix): put.value for key, put in puts.items()}, revision


def _told(filename: str, mode: str) -> bytes:
    return json.dumps({"filename": filename, "mode": mode}).encode()
