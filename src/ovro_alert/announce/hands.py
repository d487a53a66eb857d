"""Commands of the slot /world, each a sender's: `voevent`, `gcn`, `swift`, `tns`."""

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ovro_alert.acting import NotTaken, Outcome, Plan, Trace, Unreachable, Word, refused
from ovro_alert.announce import detection
from ovro_alert.announce.detection import Unfit
from ovro_alert.announce.sender import Message, Sender
from ovro_alert.announce.tns import Write
from ovro_alert.command import Entry, State

log = logging.getLogger(__name__)


class WorldHands:
    """acting.Hands over the senders, by the word of their command.

    After each acknowledgement a mark is kept in `directory`, by the command's id; where there is none, what
    the other side tells is the trace: it may have taken the last try though its answer was lost.
    """

    def __init__(self, senders: Mapping[str, Sender], directory: Path, write: Write) -> None:
        """OSError where the directory cannot be made."""
        self._senders = senders
        self._marks = directory / "sent"
        self._write = write
        self._marks.mkdir(parents=True, exist_ok=True)

    def find(self, entry: Entry) -> Trace | None:
        mark = self._mark(entry)
        if mark is not None:
            return Trace(mark["name"], datetime.fromisoformat(mark["at"]))
        try:
            sender, message = self._message(entry)
        except Unfit:
            return None  # nobody can have sent it; `plan` says why
        try:
            return sender.find(message)
        except NotTaken as error:
            log.warning("%s: the other side does not tell whether it has it: %s", message.name, error)
            return None

    def plan(self, entry: Entry, now: datetime) -> Plan | Outcome:
        if _word(entry) == "test":
            return Outcome(State.DONE, {"message": "a test: nothing was sent"})
        try:
            _, message = self._message(entry)
        except Unfit as error:
            return refused(str(error))
        if message.until is not None and now >= message.until:
            return refused(f"too late: {message.why}, since {message.until:%Y-%m-%dT%H:%M:%SZ}")
        return Plan(message.summary(now), message)

    def forbid(self, entry: Entry, why: str) -> bool:
        """Whether it was not sent: who sends holds this directory's lock, and no broker bars a message."""
        return self.find(entry) is None

    def carry_out(self, entry: Entry, plan: Plan) -> Trace:
        message: Message = plan.what
        said = self._senders[_word(entry)].send(message)
        now = datetime.now(UTC)
        mark = {
            "name": message.name,
            "at": now.isoformat(),
            "command": entry.command,
            "event_id": entry.event_id,
            "detail": message.summary(now) | said,
        }
        try:
            self._write(self._path(entry), json.dumps(mark).encode())
        except OSError as error:  # it was sent all the same, and who looks again asks the other side
            log.warning("%s: sent, but no mark of it could be kept: %s", message.name, error)
        return Trace(message.name, now)

    def follow(self, entry: Entry, trace: Trace, word: Word) -> Outcome:
        """There is nothing to wait for: what the other side has acknowledged has happened."""
        mark = self._mark(entry)
        detail = dict(mark["detail"]) if mark else {"message": trace.name, "said": "there already"}
        detail["message"] += f": {detail['said']}"
        if word.retracted_by is not None:
            detail["message"] += (
                f"; its event was taken back since, by {word.retracted_by}: the world is to be told"
            )
        return Outcome(State.DONE, detail)

    def seen(self, entry: Entry) -> dict[str, tuple[bool, str, str]]:
        """Of each sender: whether the other side is seen, what of it, and what would be sent. Sends none."""
        told = {}
        for word, sender in self._senders.items():
            try:
                would = sender.message(entry, detection.read(entry.args)).raw.decode()
            except Unfit as error:
                would = f"nothing: {error}"
            try:
                told[word] = True, sender.reach(), would
            except (Unreachable, NotTaken) as error:
                told[word] = False, f"out of reach: {error}", would
        return told

    def _message(self, entry: Entry) -> tuple[Sender, Message]:
        sender = self._senders.get(_word(entry))
        if sender is None:
            known = ", ".join([*self._senders, "test"])
            raise Unfit(f"command: {entry.command[:50]!r} is not known here; known are {known}")
        return sender, sender.message(entry, detection.read(entry.args))

    def _path(self, entry: Entry) -> Path:
        return self._marks / f"{entry.slot}-{entry.id}.json"

    def _mark(self, entry: Entry) -> dict[str, Any] | None:
        try:
            mark: dict[str, Any] = json.loads(self._path(entry).read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unreachable(f"what was sent cannot be read: {error}") from error
        return mark


def _word(entry: Entry) -> str:
    return entry.command.strip().casefold()
