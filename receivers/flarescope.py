"""Flarescope's requests: JSON files dropped in a folder, each answered by an outcome beside it.

    OVRO_ALERT_FLARESCOPE_FOLDER=/data/requests RELAY_KEY=… flarescope-receiver

`flare.json` is answered by `flare.outcome.json`, which says whether the relay accepted it, or why not, and
then follows the commands that came of it until they are over. New content under an old name is a new request.
"""

import hashlib
import logging
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

import typer
from pydantic import BaseModel, ByteSize, DirectoryPath, PositiveFloat

from ovro_alert.command import State, is_over
from ovro_alert.link.arrival import arrival
from ovro_alert.link.daemon import run
from ovro_alert.link.durable import replace
from ovro_alert.link.folder import Dropped, Folder, Unusable, moments
from ovro_alert.link.pulse import Pulse, beating
from ovro_alert.link.relay import Away, Decision, Receipt, Refused, Relay
from ovro_alert.link.retry import Stopped, persist
from ovro_alert.link.settings import LinkSettings
from ovro_alert.settings import Settings

log = logging.getLogger(__name__)

REQUEST, OUTCOME = ".json", ".outcome.json"


class FlarescopeSettings(Settings, table="flarescope"):
    """Table `[flarescope]`."""

    folder: DirectoryPath
    settle_s: PositiveFloat = 5.0  # after that long without a change, what is no JSON will not become any
    look_s: PositiveFloat = 2.0  # between two looks, for what the kernel does not tell (network folders)
    max_size: ByteSize = ByteSize(1_000_000)


class Outcome(BaseModel):
    """What became of a request; `commands` as the relay tells of them."""

    summary: str
    state: Literal["accepted", "refused"]
    over: bool  # nothing more will be written here
    written: datetime
    sha256: str | None  # of the request; None where it could not be read
    alert_id: str | None = None
    event_id: str | None = None
    duplicate: bool = False
    decisions: list[Decision] = []
    asked: list[int] = []  # the ids of its commands
    commands: list[dict[str, Any]] = []

    @classmethod
    def refused(cls, reason: str, sha256: str | None, now: datetime) -> Self:
        """That nothing will be done, and why."""
        return cls(summary=f"refused: {reason}", state="refused", over=True, written=now, sha256=sha256)

    @classmethod
    def accepted(cls, receipt: Receipt, sha256: str, now: datetime) -> Self:
        """What the relay made of it."""
        n = len(receipt.commands)
        return cls(
            summary=f"accepted: {n} commands" if n else "accepted: no rule asks anything of a telescope",
            state="accepted",
            over=not n,
            written=now,
            sha256=sha256,
            alert_id=receipt.alert_id,
            event_id=receipt.event_id,
            duplicate=receipt.duplicate,
            decisions=receipt.decisions,
            asked=receipt.commands,
        )

    def followed(self, event: dict[str, Any], now: datetime) -> Self:
        """The same with its commands as the relay's event tells of them; ValueError where it does not."""
        try:
            commands = [each for each in event["commands"] if each["id"] in self.asked]
            states = [State(each["state"]) for each in commands]
            said = ", ".join(f"{each['slot']} {each['command']} {each['state']}" for each in commands)
        except (KeyError, TypeError) as error:
            raise ValueError(f"the relay tells of {self.event_id} in a way unknown: {error!r}") from error
        if commands == self.commands:
            return self
        over = len(commands) == len(self.asked) and all(is_over(state) for state in states)
        new = {"summary": f"accepted: {said}", "over": over, "written": now, "commands": commands}
        return self.model_copy(update=new)


def is_request(name: str) -> bool:
    """Whether a file of this name is a request, and not one's outcome or half of one."""
    return name.endswith(REQUEST) and not name.endswith(OUTCOME) and not name.startswith(".")


class Desk:
    """The requests of one folder: which are new, which are answered, which are still under way."""

    def __init__(
        self, settings: FlarescopeSettings, relay: Relay, pulse: Pulse, stop: threading.Event
    ) -> None:
        self._folder = Folder(settings.folder, is_request, settings.settle_s, settings.max_size)
        self._relay = relay
        self._pulse = pulse
        self._stop = stop
        self._under_way: dict[Path, Outcome] = {}

    def look(self, now: float) -> None:
        """Answer what is new in the folder; `now` is monotonic, s.

        Raises
            OSError: the folder cannot be read.
            Stopped: when told so meanwhile.
        """
        try:
            for dropped in self._folder.new(now):
                self._answer(dropped)
        except OSError as error:
            self._pulse.lost(f"the folder cannot be read: {error}")
            raise
        self._pulse.connected()

    def follow(self) -> None:
        """Bring the outcomes of what is under way up to date."""
        for path, outcome in list(self._under_way.items()):
            try:
                event = self._relay.event(str(outcome.event_id))
                newer = outcome.followed(event, datetime.now(UTC))
            except (Away, Refused, ValueError) as error:
                log.debug("%s: %s", path, error)  # the next time will do
                continue
            if newer is not outcome:
                self._write(path, newer)

    def _answer(self, dropped: Dropped) -> None:
        path, raw = dropped.path, dropped.raw
        if isinstance(raw, Unusable):
            self._write(path, Outcome.refused(str(raw), None, datetime.now(UTC)))
            return
        sha256 = hashlib.sha256(raw).hexdigest()
        earlier = _earlier_outcome(path)
        if earlier is None or earlier.sha256 != sha256:
            self._write(path, self._send(dropped.name, raw, sha256))
        elif not earlier.over:
            self._under_way[path] = earlier

    def _send(self, name: str, raw: bytes, sha256: str) -> Outcome:
        about = arrival("file", datetime.now(UTC), file=name)
        self._pulse.heard()
        self._pulse.waiting(1)
        try:
            receipt = persist(lambda: self._relay.post_alert(raw, about), self._stop)
        except Refused as refused:
            return Outcome.refused(refused.reason, sha256, datetime.now(UTC))
        finally:
            self._pulse.waiting(0)
        return Outcome.accepted(receipt, sha256, datetime.now(UTC))

    def _write(self, path: Path, outcome: Outcome) -> None:
        if outcome.over:
            self._under_way.pop(path, None)
        else:
            self._under_way[path] = outcome
        log.info("%s: %s", path.name, outcome.summary)
        try:
            replace(_outcome_path(path), outcome.model_dump_json(indent=2).encode() + b"\n")
        except OSError as error:
            log.error("%s: its outcome cannot be written: %s", path, error)


def _outcome_path(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(REQUEST) + OUTCOME)


def _earlier_outcome(path: Path) -> Outcome | None:
    try:
        return Outcome.model_validate_json(_outcome_path(path).read_bytes())
    except (OSError, ValueError):
        return None  # none, or not ours: the request is sent, which does no harm twice


def serve_folder(settings: FlarescopeSettings, relay: Relay, stop: threading.Event) -> None:
    """Answer requests until `stop`."""
    pulse = Pulse("flarescope.folder", "folder")
    desk = Desk(settings, relay, pulse, stop)
    with beating(relay, [pulse], stop), suppress(Stopped):
        for _ in moments(settings.folder, is_request, settings.look_s, stop):
            try:
                desk.look(time.monotonic())
            except OSError as error:
                log.error("the folder cannot be read: %s", error)
            desk.follow()


def serve() -> None:
    """Hand Flarescope's request files to the relay and write what became of them beside.

    Settings: RELAY_URL, RELAY_KEY, and OVRO_ALERT_FLARESCOPE_FOLDER or the table [flarescope].
    """

    def work(stop: threading.Event) -> None:
        with LinkSettings().relay() as relay:
            serve_folder(FlarescopeSettings(), relay, stop)

    raise typer.Exit(run(work))


def main() -> None:
    """The console script flarescope-receiver."""
    typer.run(serve)


if __name__ == "__main__":
    main()
