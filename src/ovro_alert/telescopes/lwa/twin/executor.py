"""A twin of OVRO-LWA's scheduler on its etcd: it takes session definition files as that does, without a word.

It knows nothing of who submits, judges a file by the format alone, shows what it took in the monitor points,
and keeps an account of all that it was told and did. `Faults` are how it misbehaves on request.
"""

import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ovro_alert.acting import Unreachable
from ovro_alert.command import to_mjd
from ovro_alert.telescopes.etcd import Compacted, Keys
from ovro_alert.telescopes.lwa import sdf
from ovro_alert.telescopes.lwa.session import Session

SUBMIT = "/cmd/observing/submitsdf"
OBSERVING = "/mon/observing/"
RECORDERS = (*(f"dr{n}" for n in range(1, 11)), "drt1")
# What comes before a session that begins at its stated start [lwa-observing observing/parsesdf.py]: a
# controller, the configuration, pointing and recording; and the calibration where it is asked for.
LEAD = timedelta(seconds=20 + 20 + 10 + 5)
CALIBRATION = timedelta(seconds=480)
NOTICE = timedelta(seconds=30)
MILLISECOND = timedelta(milliseconds=1)
SUMMARIES = timedelta(seconds=5)  # between two of the recorders' summaries

log = logging.getLogger(__name__)


@dataclass
class Faults:
    """How it misbehaves; may be changed while it runs."""

    silent: bool = False  # it hears nothing
    refuses: bool = False  # it can read no file
    drop: int = 0  # so many of the next sessions are dropped
    slow_s: float = 0.0  # it looks at what it was told so much later
    clock_s: float = 0.0  # its clock is ahead
    stops_running: bool = False  # cancelling ends one that has begun; the public scheduler leaves it
    garbage: set[str] = field(default_factory=set)  # monitor points that cannot be read
    unwell: set[str] = field(default_factory=set)  # recorders whose summary is not normal


@dataclass
class _Session:
    session: Session
    file: dict[str, Any]
    begin: datetime  # with the lead
    end: datetime
    state: str = "scheduled"

    @property
    def mjd(self) -> list[float]:
        return [to_mjd(self.begin), to_mjd(self.end)]


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Executor:
    """Watches the key on `keys` from now on; `tick` does what is due, `run` does so until it is told to stop.

    `has` says whether a CAL_DIR is there on its host.
    """

    def __init__(
        self,
        keys: Keys,
        clock: Callable[[], datetime] = _utc_now,
        faults: Faults | None = None,
        has: Callable[[str], bool] = lambda path: path.startswith("/"),
    ) -> None:
        self.faults = faults or Faults()
        self._keys = keys
        self._clock = clock
        self._has = has
        self._sessions: dict[str, _Session] = {}
        self._files: dict[str, Any] = {}
        self._last = ""  # that began
        self._heard: list[tuple[datetime, bytes]] = []  # and not yet looked at
        self._account: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._summed_up: datetime | None = None
        self._published: dict[str, bytes] = {}
        self._revision = keys.get(SUBMIT).revision
        self._publish()

    def run(self, stop: threading.Event, step_s: float = 0.49) -> None:
        """Until `stop`; looks around twice in a second, as the scheduler does."""
        while not stop.is_set():
            try:
                self.tick(step_s)
            except Compacted as forgotten:
                self._revision = forgotten.revision - 1
            except Unreachable as away:
                log.warning("the twin has no etcd: %s", away)
                stop.wait(step_s)

    def tick(self, wait_s: float = 0.01) -> None:
        """Hears what was put, waiting so long for more, and does what is due by its clock."""
        with self._keys.watch(SUBMIT, start=self._revision + 1, silence_s=wait_s) as puts:
            for put in puts:
                self._revision = put.revision
                if self.faults.silent:
                    self._note("heard nothing", told=put.value.decode(errors="replace"))
                else:
                    self._heard.append((self._now(), put.value))
                    self._advance()
        self._advance()

    def account(self) -> list[dict[str, Any]]:
        """Everything that it was told and did, in order, in JSON."""
        with self._lock:
            return list(self._account)

    def begun(self) -> list[str]:
        """The names of the sessions that it began to observe, in order."""
        return [each["session"] for each in self.account() if each["did"] == "began"]

    def states(self) -> dict[str, str]:
        """How far each session is that it ever took or skipped: the states of the scheduler's database."""
        return {name: each.state for name, each in self._sessions.items()}

    def _now(self) -> datetime:
        return self._clock() + timedelta(seconds=self.faults.clock_s)

    def _advance(self) -> None:
        due = self._now() - timedelta(seconds=self.faults.slow_s)
        while self._heard and self._heard[0][0] <= due:
            self._take(self._heard.pop(0)[1])
        now = self._now()
        for each in self._sessions.values():
            if each.state == "scheduled" and each.begin <= now:
                each.state, self._last = "observing", each.session.name
                self._note("began", each.session)
            if each.state == "observing" and each.end <= now:
                each.state = "completed"
                self._note("completed", each.session)
        self._publish()

    def _take(self, value: bytes) -> None:
        told = value.decode(errors="replace")
        try:
            event = json.loads(value)
            mode, filename = event["mode"], event["filename"]
        except (ValueError, KeyError, TypeError) as error:
            self._note("could not read", told=told, why=f"{type(error).__name__}: {error}")
            return
        if mode == "reset":
            self._reset(told)
            return
        if mode not in ("asap", "buffer", "cancel"):
            self._note("could not read", told=told, why=f"no mode {mode!r}")
            return
        try:
            if self.faults.refuses:
                raise ValueError("it refuses all")
            text = Path(filename).read_text(encoding="utf-8")
            session = sdf.parse(text)
        except (OSError, TypeError, ValueError) as error:
            self._note("could not read", told=told, why=str(error))
            return
        if mode == "cancel":
            self._cancel(session, told)
        else:
            self._submit(session, text, mode, told)

    def _submit(self, session: Session, text: str, mode: str, told: str) -> None:
        now = self._now()
        first, last = session.observations[0], session.observations[-1]
        shift = now - first.start if mode == "asap" else timedelta()
        lead = LEAD + (CALIBRATION if session.do_cal and session.cal_dir else timedelta())
        begin = now if mode == "asap" else first.start - lead
        new = _Session(
            session, sdf.as_shown(text), begin, last.start + last.duration_ms * MILLISECOND + shift
        )
        if session.cal_dir is not None and not self._has(session.cal_dir):
            self._note("could not read", session, told=told, why=f"CAL_DIR: {session.cal_dir} is not there")
            return
        self._files[session.name] = new.file  # what was parsed is shown, whether it is taken or not
        if session.name in self._sessions:
            self._note("dropped", session, told=told, why="it was submitted before")
        elif self.faults.drop > 0:
            self.faults.drop -= 1
            self._note("dropped", session, told=told, why="it was told to")
        elif other := self._overlapping(new):
            self._note("dropped", session, told=told, why=f"overlaps {other}")
        elif mode == "buffer" and (begin < now or first.start - now < NOTICE):
            new.state = "skipped"
            self._sessions[session.name] = new
            self._note("skipped", session, told=told, why=f"needs {lead} before its start")
        else:
            self._sessions[session.name] = new
            self._note("took", session, told=told, mjd=new.mjd)

    def _overlapping(self, new: _Session) -> str:
        for name, each in self._sessions.items():
            if (
                each.session.resource == new.session.resource
                and each.state in ("scheduled", "observing")
                and each.begin < new.end
                and new.begin < each.end
            ):
                return name
        return ""

    def _cancel(self, session: Session, told: str) -> None:
        for each in self._sessions.values():
            if each.session.session_id != session.session_id:
                continue
            stops = each.state == "observing" and self.faults.stops_running
            if each.state == "scheduled" or stops:
                each.state = "cancelled"
                self._last = "" if self._last == each.session.name else self._last
                self._note("cancelled", each.session, told=told)
                return
        self._note("had nothing to cancel", session, told=told)

    def _reset(self, told: str) -> None:
        """What is to come is forgotten; what has begun goes on."""
        for each in self._sessions.values():
            if each.state == "scheduled":
                each.state = "cancelled"
        self._last = ""
        self._note("reset", told=told)

    def _note(self, did: str, session: Session | None = None, **more: Any) -> None:
        named = {"session": session.name} if session else {}
        with self._lock:
            self._account.append({"at": self._now().isoformat(), "did": did, **named, **more})

    def _publish(self) -> None:
        """Writes the monitor points that have changed; `submitted` is only the last that began."""
        scheduled: dict[str, dict[str, list[float]]] = {}
        for name, each in self._sessions.items():
            if each.state == "scheduled":
                scheduled.setdefault(each.session.resource, {})[name] = each.mjd
        last = self._sessions.get(self._last)
        submitted = {last.session.resource: {self._last: last.mjd}} if last else {}
        points = {"sdfdict": self._files, "submitted": submitted, "schedule": scheduled}
        for point, shown in points.items():
            value = (
                b'{"POWER3": {"1_POWER3": [' if point in self.faults.garbage else json.dumps(shown).encode()
            )
            if self._published.get(point) != value:
                self._keys.put(OBSERVING + point, value)
                self._published[point] = value
        now = self._now()
        if self._summed_up is None or now - self._summed_up >= SUMMARIES:
            self._summed_up = now
            for recorder in RECORDERS:
                summary = "error" if recorder in self.faults.unwell else "normal"
                shown = {"timestamp": now.timestamp(), "value": summary, "unit": ""}
                self._keys.put(f"/mon/{recorder}/summary", json.dumps(shown).encode())
