"""Commands of the slot /world, each a sender's: `voevent`, `gcn`, `swift`, `tns`."""

import json
import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ovro_alert.acting import Later, NotTaken, Outcome, Plan, Trace, Unreachable, Word, refused
from ovro_alert.alert import Role
from ovro_alert.announce import detection
from ovro_alert.announce.detection import Detection, Unfit
from ovro_alert.announce.sender import Message, Sender, Unsent
from ovro_alert.announce.tns import Write
from ovro_alert.command import Entry, State

Alone = Callable[[Path], AbstractContextManager[bool]]  # holds a lock, among threads and processes

log = logging.getLogger(__name__)


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _detection(entry: Entry) -> Detection:
    """What a command tells of; a test also where the alert that it answers was one. Raises Unfit."""
    found = detection.read(entry.args)
    return found.model_copy(update={"role": "test"}) if entry.role is Role.TEST else found


class WorldHands:
    """acting.Hands over the senders, by the word of their command.

    In `directory` are kept, after each acknowledgement, a mark by the command's id; and before each try of
    what is not to be sent twice, when it was, by the sender's word and the burst. Where there is no mark,
    what the other side tells is the trace. What was tried, by whichever command, is sent again only when it
    does not show there although it cannot come any more.
    """

    def __init__(
        self,
        senders: Mapping[str, Sender],
        directory: Path,
        write: Write,
        alone: Alone,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        """OSError where the directory cannot be made."""
        self._senders = senders
        self._marks, self._tries, self._locks = (directory / name for name in ("sent", "tried", "locks"))
        self._write = write
        self._alone = alone
        self._clock = clock
        for folder in (self._marks, self._tries):
            folder.mkdir(parents=True, exist_ok=True)

    def find(self, entry: Entry) -> Trace | None:
        mark = _read(self._mark(entry))
        if mark is not None:
            return Trace(mark["name"], datetime.fromisoformat(mark["at"]))
        try:
            sender, message = self._message(entry)
        except Unfit:
            return None  # nobody can have sent it; `plan` says why
        settled = self._settled(entry, message)
        if settled is None and self._too_late(message, self._clock()):
            return None  # and `plan` says so, whether the other side is there or not
        return self._look(sender, message, settled)

    def plan(self, entry: Entry, now: datetime) -> Plan | Outcome:
        if entry.word == "test":
            return Outcome(State.DONE, {"message": "a test: nothing was sent"})
        try:
            _, message = self._message(entry)
        except Unfit as error:
            return refused(str(error))
        if late := self._too_late(message, now):
            return refused(late)
        return Plan(message.summary(now), message)

    def forbid(self, entry: Entry, why: str) -> bool:
        """Whether it was not sent: who sends holds this directory's lock, and no broker bars a message."""
        return self.find(entry) is None

    def carry_out(self, entry: Entry, plan: Plan) -> Trace:
        message: Message = plan.what
        sender, try_ = self._senders[entry.word], self._try(entry)
        with self._alone(self._locks / try_.stem) as ours:
            if not ours:
                raise Later(f"{message.name} is being sent by another command")
            settled = self._settled(entry, message)  # it may be another's, of since we looked
            if settled is not None and (found := self._look(sender, message, settled)):
                return found
            if message.settles is not None:
                self._note_try(try_, entry)
            try:
                said = sender.send(message)
            except (Unsent, NotTaken):
                if message.settles is not None:
                    try_.unlink(missing_ok=True)
                raise
            return self._note_sent(entry, message, said)

    def follow(self, entry: Entry, trace: Trace, word: Word) -> Outcome:
        """There is nothing to wait for: what the other side has acknowledged has happened."""
        mark = _read(self._mark(entry))
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
                would = sender.message(entry, _detection(entry)).raw.decode()
            except (Unfit, Unreachable) as error:
                would = f"nothing: {error}"
            try:
                told[word] = True, sender.reach(), would
            except (Unreachable, NotTaken) as error:
                told[word] = False, f"out of reach: {error}", would
        return told

    def _message(self, entry: Entry) -> tuple[Sender, Message]:
        sender = self._senders.get(entry.word)
        if sender is None:
            known = ", ".join([*self._senders, "test"])
            raise Unfit(f"command: {entry.command[:50]!r} is not known here; known are {known}")
        return sender, sender.message(entry, _detection(entry))

    @staticmethod
    def _too_late(message: Message, now: datetime) -> str:
        """Why it is; empty where it is not."""
        if message.until is None or now < message.until:
            return ""
        return f"too late: {message.why}, since {message.until:%Y-%m-%dT%H:%M:%SZ}"

    def _look(self, sender: Sender, message: Message, settled: datetime | None) -> Trace | None:
        """Whether the other side has it. Raises Unreachable also while what was tried may still come."""
        try:
            found = sender.find(message)
        except NotTaken as error:
            if settled is not None:
                raise Unreachable(
                    f"{message.name} was tried; whether it came is not told: {error}"
                ) from error
            log.warning("%s: the other side does not tell whether it has it: %s", message.name, error)
            return None
        if found is None and settled is not None and self._clock() < settled:
            raise Unreachable(f"{message.name} was tried, and may come there until {settled:%H:%M:%SZ}")
        return found

    def _mark(self, entry: Entry) -> Path:
        return self._marks / f"{entry.slot}-{entry.id}.json"

    def _try(self, entry: Entry) -> Path:
        return self._tries / f"{entry.word}-{_detection(entry).name}.json"

    def _settled(self, entry: Entry, message: Message) -> datetime | None:
        """From when on what was tried cannot come any more; None where nothing was."""
        if message.settles is None:
            return None
        tried = _read(self._try(entry))
        return None if tried is None else datetime.fromisoformat(tried["at"]) + message.settles

    def _note_try(self, path: Path, entry: Entry) -> None:
        note = {"at": self._clock().isoformat(), "command_id": entry.id}
        try:
            self._write(path, json.dumps(note).encode())
        except OSError as error:
            raise Unreachable(f"that it is tried cannot be kept, and so it is not: {error}") from error

    def _note_sent(self, entry: Entry, message: Message, said: dict[str, Any]) -> Trace:
        now = self._clock()
        mark = {
            "name": message.name,
            "at": now.isoformat(),
            "command": entry.command,
            "event_id": entry.event_id,
            "detail": message.summary(now) | said,
        }
        try:
            self._write(self._mark(entry), json.dumps(mark).encode())
        except OSError as error:  # it was sent all the same, and who looks again asks the other side
            log.warning("%s: sent, but no mark of it could be kept: %s", message.name, error)
        return Trace(message.name, now)


def _read(path: Path) -> dict[str, Any] | None:
    """What was kept there; None where nothing was."""
    try:
        kept: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unreachable(f"what was sent cannot be read: {error}") from error
    return kept
