"""A twin of OVRO-LWA on a directory: it answers as the telescope does and writes down what it was told.

Several processes may share one directory, and it outlives them: all that it knows is the journal.
"""

import fcntl
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Literal

from ovro_alert.command import Entry, to_mjd
from ovro_alert.sky import ring
from ovro_alert.telescopes.lwa import sdf
from ovro_alert.telescopes.lwa.commands import Action, Observe
from ovro_alert.telescopes.lwa.dump import DUMP_PATHS, DumpPlan
from ovro_alert.telescopes.lwa.session import Session, Sessions, overlapping
from ovro_alert.telescopes.lwa.telescope import NotTaken, Trace

NOTICE = timedelta(seconds=30)  # without it a session that waits for its own start is too late for it
MILLISECOND = timedelta(milliseconds=1)


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _no_fault(point: str) -> None:
    """Nothing goes wrong."""


class SimulatedTelescope:
    """A `Telescope`; `fault` may raise, wait or kill at the points `before` and `after` a submission."""

    def __init__(
        self,
        directory: Path,
        *,
        clock: Callable[[], datetime] = _utc_now,
        fault: Callable[[str], None] = _no_fault,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._path = directory / "journal.jsonl"
        self._path.touch()
        self._clock = clock
        self._fault = fault

    def find(self, entry: Entry) -> Trace | None:
        """The trace of a session or dump that was taken; a dropped one leaves none."""
        for record in self.journal():
            if record["id"] == str(entry.id) and record["taken"]:
                return Trace(record["name"], datetime.fromisoformat(record["at"]))
        return None

    def carry_out(self, action: Action, document: Path) -> Trace:
        """Submit or trigger, and look whether it was taken, as one must with the real one."""
        at = self._clock()
        self._fault("before")
        if isinstance(action, Observe):
            self.submit_session(document, action.submission)
        else:
            replies = self.trigger_dump(action.plan)
        self._fault("after")
        if isinstance(action, Observe):
            name, there = action.session.name, self.sessions().get(action.session.resource, {})
            if name not in there:
                raise NotTaken(f"the telescope does not show {name} but {', '.join(there) or 'nothing'}")
        else:
            name = f"dump {action.plan.id}"
            if refused := {
                key: reply["val"] for key, reply in replies.items() if reply["val"]["response"] != "0"
            }:
                raise NotTaken(f"the correlator refused: {json.dumps(refused)}")
        return Trace(name, at)

    def submit_session(self, path: Path, mode: Literal["asap", "buffer"]) -> None:
        """Take a session definition file, or drop it; there is no reply to either.

        It is dropped where it cannot be read, comes too late for its start, or overlaps another session of
        the same mode and beam.
        """
        with self._path.open("r+b") as file:
            records = _lock_and_read(file)
            now = self._clock()
            record: dict[str, Any] = {
                "kind": "session",
                "at": now.isoformat(),
                "document": str(path),
                "submission": mode,
            }
            try:
                session = sdf.parse(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                _append(file, record | {"id": "", "name": "", "taken": False, "reason": str(error)})
                return
            begin, end = _span(session, now if mode == "asap" else None)
            reason = ""
            if mode == "buffer" and begin - now < NOTICE:
                reason = f"given {(begin - now).total_seconds():.0f} s before its start"
            if other := overlapping(_shown(records), session.resource, to_mjd(begin), to_mjd(end)):
                reason = f"overlaps {other}"
            record |= {
                "id": str(session.session_id),
                "name": session.name,
                "resource": session.resource,
                "mjd": [to_mjd(begin), to_mjd(end)],
                "taken": not reason,
                "reason": reason,
            }
            _append(file, record)

    def sessions(self) -> Sessions:
        """What it shows of the sessions taken; nothing of those dropped."""
        return _shown(self.journal())

    def trigger_dump(self, plan: DumpPlan) -> dict[str, dict[str, Any]]:
        """The replies by etcd key; `0` is accepted, and a negative number says what was wrong."""
        with self._path.open("r+b") as file:
            _lock_and_read(file)
            now = self._clock()
            replies = {key: _reply(command, now) for key, command in plan.puts()}
            record = {
                "kind": "dump",
                "at": now.isoformat(),
                "id": plan.id,
                "name": f"dump {plan.id}",
                "nfile": plan.nfile,
                "pipelines": len(replies),
                "taken": all(reply["val"]["response"] == "0" for reply in replies.values()),
            }
            _append(file, record)
        return replies

    def journal(self) -> list[dict[str, Any]]:
        """Everything that it was ever told, in order, taken or not."""
        return _records(self._path.read_bytes())


def _records(data: bytes) -> list[dict[str, Any]]:
    """The whole lines; what follows the last of them is half a record that a kill left."""
    return [json.loads(line) for line in data.split(b"\n")[:-1]]


def _shown(records: list[dict[str, Any]]) -> Sessions:
    shown: dict[str, dict[str, list[float]]] = {}
    for record in records:
        if record["kind"] == "session" and record["taken"]:
            shown.setdefault(record["resource"], {})[record["name"]] = record["mjd"]
    return shown


def _lock_and_read(file: BinaryIO) -> list[dict[str, Any]]:
    """Keep other processes out until the file is closed, and leave it at the end of its last whole line."""
    fcntl.flock(file, fcntl.LOCK_EX)
    data = file.read()
    file.seek(data.rfind(b"\n") + 1)
    file.truncate()
    return _records(data)


def _append(file: BinaryIO, record: dict[str, Any]) -> None:
    file.write(json.dumps(record).encode() + b"\n")
    file.flush()
    os.fsync(file.fileno())


def _span(session: Session, begin: datetime | None) -> tuple[datetime, datetime]:
    """From when to when it observes, if it is made to begin at another moment than its own."""
    first, last = session.observations[0], session.observations[-1]
    later = begin - first.start if begin else timedelta()
    return first.start + later, last.start + last.duration_ms * MILLISECOND + later


def _reply(command: dict[str, Any], now: datetime) -> dict[str, Any]:
    """What a pipeline answers: −1 an unknown key, −2 a wrong type, −3 a value that cannot be."""
    kwargs = command["val"]["kwargs"]
    types = {"command": str, "nfile": int, "ntime_per_file": int, "dump_path": str}
    if kwargs.keys() - types:
        response = -1
    elif any(type(kwargs.get(key)) is not kind for key, kind in types.items()):
        response = -2
    elif (
        kwargs["command"] not in ("trigger", "abort", "stop")
        or kwargs["nfile"] < 1
        or kwargs["ntime_per_file"] < 1
        or kwargs["ntime_per_file"] % ring.BLOCK_SAMPLES
        or kwargs["dump_path"] not in DUMP_PATHS.values()
    ):
        response = -3
    else:
        response = 0
    status = "error" if response else "normal"
    val = {"status": status, "response": str(response), "timestamp": now.timestamp()}
    return {"id": command["id"], "val": val}
