"""OVRO-LWA's scheduler over etcd: it is told of files by one key, and answers none; what it took, it shows.

`/cmd/observing/submitsdf` takes `{"filename": …, "mode": "asap" | "buffer" | "cancel"}`
[ovro-lwa/lwa-observing observing/cli.py, scripts/executor.py]. What it shows is read by `monitor`.
"""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ovro_alert.acting import Unreachable
from ovro_alert.alert import Utc
from ovro_alert.telescopes.etcd import Keys, Put
from ovro_alert.telescopes.lwa import calibration, monitor
from ovro_alert.telescopes.lwa.monitor import Garbled, Held, Shown
from ovro_alert.telescopes.lwa.settings import LwaSettings


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


class Scheduler:
    """The keys of the scheduler, and ours beside them; every method raises Unreachable."""

    def __init__(self, keys: Keys, slot: str, settings: LwaSettings, clock: Callable[[], datetime]) -> None:
        self._keys = keys
        self._slot = f"{settings.marks_prefix}{slot}/"
        self._settings = settings
        self._clock = clock

    def shown(self) -> Shown:
        """What it shows now. Raises Garbled."""
        return monitor.read(self._points()[0])

    def look(self, command: int) -> tuple[Mark | None, Shown]:
        """As `mark` and `shown`, in one question; where there is a mark, nothing else is read."""
        key, prefix = f"{self._slot}{command}", self._settings.observing_prefix
        puts = self._keys.get_each([key, *(prefix + point for point in monitor.POINTS)])
        if key in puts:
            return self._mark(key, puts[key]), Shown()
        return None, monitor.read({name.removeprefix(prefix): put.value for name, put in puts.items()})

    def mark(self, command: int) -> Mark | None:
        """What was written down of a command when it was submitted."""
        key = f"{self._slot}{command}"
        put = self._keys.get(key).put
        return self._mark(key, put) if put else None

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

    def last_submitted(self) -> Mark | None:
        """What was written down of the session that was submitted last, where it is ours.

        By a client that was killed, say, before the scheduler had it.
        """
        put = self._keys.get(self._settings.submit_key).put
        with suppress(ValueError, KeyError, TypeError):
            told = json.loads(put.value) if put else {}
            command = re.search(r"-([0-9]+)\.sdf$", told["filename"])
            mark = self.mark(int(command[1])) if command and told["mode"] != "cancel" else None
            return mark if mark and mark.sdf == told["filename"] else None
        return None

    def submit(self, command: int, mark: Mark) -> bool:
        """Submits a session, unless its command was acted on before by anybody; whether it was done now."""
        key = f"{self._slot}{command}"
        told = {self._settings.submit_key: _told(mark.sdf, mark.submission)}
        return self._keys.put_once(key, {key: mark.model_dump_json().encode(), **told})

    def cancel(self, name: str, sdf: str, by: str) -> Shown:
        """Cancels a session, and what is shown when it has gone or `accept_s` have passed.

        The public scheduler takes back what is to come, and leaves alone what has begun. It may be asked
        again. Raises Garbled.
        """
        record = json.dumps({"at": self._clock().isoformat(), "by": by}).encode()
        self._keys.put(self._cancelled(name), record)
        self._keys.put(self._settings.submit_key, _told(sdf, "cancel"))
        return self.wait(lambda shown: not shown.taken(name))

    def cancelled_by(self, name: str) -> str:
        """By whom a session was cancelled, where it was one of us."""
        put = self._keys.get(self._cancelled(name)).put
        try:
            return str(json.loads(put.value)["by"]) if put else ""
        except (ValueError, KeyError, TypeError):
            return "somebody"

    def wait(self, done: Callable[[Shown], bool]) -> Shown:
        """What is shown as soon as `done` holds of it, or when `accept_s` have passed. Raises Garbled."""
        limit = self._clock() + timedelta(seconds=self._settings.accept_s)
        while True:
            points, revision = self._points()
            with suppress(Garbled):  # the next put may mend it
                if done(shown := monitor.read(points)):
                    return shown
            left = (limit - self._clock()).total_seconds()
            if left <= 0:
                return monitor.read(points)
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

    def _points(self) -> tuple[dict[str, bytes], int]:
        prefix = self._settings.observing_prefix
        puts, revision = self._keys.get_all(prefix)
        return {key.removeprefix(prefix): put.value for key, put in puts.items()}, revision


def _told(filename: str, mode: str) -> bytes:
    return json.dumps({"filename": filename, "mode": mode}).encode()
