"""lwa-alert: carries out the commands of the relay's slot `/lwa` at OVRO-LWA, each at most once.

For each command: claim it, look whether it was acted on already, decide what it means, say that it runs, act,
report. Whatever dies between two of these steps, the next client to claim the command finds at the telescope
whether it was acted on, and goes on from there.

Three things keep two clients from acting on one command. The relay gives its claim to one of them, for a
lease, and a client acts only while its own clock says that the lease is surely its own. Clients that share a
directory hold a lock from before they look until after they have acted: one that is held up keeps it, one
that dies loses it. And within the lock they look for the command's trace at the telescope.
"""

import logging
import socket
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import httpx2
import typer
from pydantic import Field

from ovro_alert.alert import Positive
from ovro_alert.command import Entry, Kind, State, is_over
from ovro_alert.link.alone import alone
from ovro_alert.link.cursor import Cursor
from ovro_alert.link.daemon import run
from ovro_alert.link.durable import replace
from ovro_alert.link.lease import Lease, Lost
from ovro_alert.link.relay import Refused, Relay
from ovro_alert.link.retry import Stopped, backoff, persist
from ovro_alert.link.settings import LinkSettings
from ovro_alert.settings import Settings
from ovro_alert.telescopes.lwa import commands
from ovro_alert.telescopes.lwa.settings import LwaSettings
from ovro_alert.telescopes.lwa.simulated import SimulatedTelescope
from ovro_alert.telescopes.lwa.telescope import NotTaken, Telescope, Trace, Unreachable

Answer = TypeVar("Answer")
Outcome = tuple[State, dict[str, Any]]
ACTIONS = (commands.Observe, commands.Dump)

log = logging.getLogger("lwa_alert")


class LwaAlertSettings(Settings, table="lwa_alert"):
    """Table `[lwa_alert]`; the environment names them OVRO_ALERT_LWA_ALERT_DIRECTORY and so on."""

    slot: str = "lwa"
    # Its name at the relay, and of its cursor: another for each of several clients on one directory.
    client: str = Field(default_factory=socket.gethostname, pattern=r"^[\w.-]{1,100}$")
    directory: Path = Path("lwa")  # session definition files, dump plans, locks, cursors
    lease_s: float = Field(
        10.0, ge=0.5, le=3600
    )  # so long a command waits for the next client if this one dies
    wait_s: float = Field(1.5, gt=0, le=60)  # of one request for news, and of a clean end
    recheck_s: Positive = 1.0  # between two tries of a command that another holds or that awaits approval


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _no_step(name: str) -> None:
    """Nobody watches."""


class Client:
    """Follows the slot until `stop`; `step` is told each step of a command, which tests die at."""

    def __init__(
        self,
        relay: Relay,
        telescope: Telescope,
        settings: LwaAlertSettings,
        lwa: LwaSettings,
        stop: threading.Event,
        *,
        clock: Callable[[], datetime] = _utc_now,
        step: Callable[[str], None] = _no_step,
    ) -> None:
        self._relay = relay
        self._telescope = telescope
        self._settings = settings
        self._lwa = lwa
        self._stop = stop
        self._clock = clock
        self._step = step
        self._directory = settings.directory.resolve()  # the telescope's scheduler must find them too
        for action in ACTIONS:
            (self._directory / action.place).parent.mkdir(parents=True, exist_ok=True)

    def follow(self) -> None:
        """Carry out command after command, until `stop`. ValueError where another has this client's name."""
        name = self._settings.client
        with alone(self._directory / "locks" / f"client {name}") as ours:
            if not ours:
                raise ValueError(f"another client named {name!r} runs on {self._directory}: name this one")
            try:
                self._follow(Cursor(self._directory / f"{name}.cursor"))
            except Stopped:
                log.info("stopped")

    def _follow(self, cursor: Cursor) -> None:
        position = self._resume(cursor)
        log.info("following /%s after entry %d", self._settings.slot, position)
        waiting: dict[int, Entry] = {}  # by place in the slot: seen, and not over
        while not self._stop.is_set():
            wait = min(self._settings.wait_s, self._settings.recheck_s) if waiting else self._settings.wait_s
            news, position = self._news(position, wait)
            old = sorted(waiting)
            asked = {entry.seq: entry for entry in news if entry.kind is Kind.COMMAND}
            waiting |= asked
            for seq in [*asked, *old]:
                if self._carry_through(waiting[seq]):
                    del waiting[seq]
            over = min(waiting, default=position + 1) - 1
            try:
                if over != cursor.read():
                    cursor.write(over)
            except OSError as error:  # it only spares a restart the looking at what is over
                log.warning("the cursor could not be kept: %s", error)

    def _resume(self, cursor: Cursor) -> int:
        """Where to go on from: the cursor, unless the relay's log began anew and does not reach it."""
        position = cursor.read()
        if position and not self._news(position - 1, 0)[0]:
            log.warning("the relay's log does not reach entry %d any more: beginning at its start", position)
            return 0
        return position

    def _news(self, after: int, wait: float) -> tuple[list[Entry], int]:
        slot = self._settings.slot
        try:
            return self._ask(lambda: self._relay.commands(slot, after, wait))
        except Refused as refused:
            raise ValueError(f"the relay does not let us follow /{slot}: {refused}") from refused

    def _ask(self, question: Callable[[], Answer]) -> Answer:
        """The relay's answer, however long it is away. Raises Refused, and Stopped."""
        return persist(question, self._stop, backoff(Random(), cap=self._settings.lease_s / 2))

    def _carry_through(self, entry: Entry) -> bool:
        """Bring a command as far as it goes now; whether it is over."""
        what = f"command {entry.id} ({entry.command[:50]}, {entry.slot} {entry.seq})"
        if entry.state is None or is_over(entry.state):
            return True
        lease = Lease(self._relay, entry.id, self._settings.client, self._settings.lease_s)
        try:
            self._ask(lease.claim)
        except Refused as refused:
            log.debug("%s: %s", what, refused)
            return _says_it_is_over(refused)
        self._step("claimed")
        try:
            state, detail = self._settle(entry, lease)
            self._step("settled")
            self._ask(lambda: self._relay.report(entry.id, lease.token, state, detail))
        except Refused as refused:
            # Cancelled, or claimed by another meanwhile. It is looked at again.
            log.warning("%s: the relay listens to another: %s", what, refused)
            return False
        except Lost as lost:
            log.warning("%s: left to the next claim: %s", what, lost)
            return False
        self._step("reported")
        log.info("%s: %s: %s", what, state, detail["message"])
        return True

    def _settle(self, entry: Entry, lease: Lease) -> Outcome:
        """What became of a command, now or before; any trouble of our own is a failure with its reason."""
        name = f"{entry.slot}-{entry.seq}-{entry.id}"
        try:
            with alone(self._directory / "locks" / name) as ours:
                if not ours:
                    raise Lost("a client that is held up may still act on it")
                trace = self._look(entry, lease)
                self._step("looked")
                return self._found(name, trace) if trace else self._act(entry, name, lease)
        except (Refused, Lost, Stopped):
            raise
        except Exception as error:
            log.exception("command %d", entry.id)
            return State.FAILED, {"message": f"{type(error).__name__}: {error}"}

    def _ask_telescope(self, entry: Entry, lease: Lease, question: Callable[[], Answer]) -> Answer:
        """The telescope's answer; while it gives none, nothing is done and the claim is kept."""
        delays = backoff(Random(), cap=self._settings.lease_s / 3)
        while True:
            try:
                return question()
            except Unreachable as error:
                log.warning("command %d: the telescope cannot be asked, trying again: %s", entry.id, error)
            self._stop.wait(next(delays))
            self._ask(lease.claim)

    def _look(self, entry: Entry, lease: Lease) -> Trace | None:
        return self._ask_telescope(entry, lease, lambda: self._telescope.find(entry))

    def _act(self, entry: Entry, name: str, lease: Lease) -> Outcome:
        """Carry out a command that left no trace, if it is still right to."""
        if late := self._too_late(entry):
            return late
        sessions = self._ask_telescope(entry, lease, self._telescope.sessions)
        action = commands.interpret(entry, self._clock(), self._lwa, sessions)
        if isinstance(action, commands.Refused):
            return State.REFUSED, {"message": action.reason}
        if isinstance(action, commands.Nothing):
            return State.DONE, {"message": action.message}
        # Also the relay's last word before the act: a command that was cancelled meanwhile is refused here.
        self._ask(lambda: self._relay.report(entry.id, lease.token, State.RUNNING, action.summary()))
        self._step("running")
        path = self._directory / action.place.format(name)
        replace(path, action.document().encode())
        self._step("written")
        if late := self._too_late(entry):
            return late
        lease.check()
        about = action.summary() | {action.kind: str(path)}
        try:
            with lease.kept():
                trace = self._telescope.carry_out(action, path)
        except NotTaken as error:
            return State.FAILED, about | {"message": str(error)}
        except Exception as error:
            log.warning("command %d: %s: %s", entry.id, type(error).__name__, error)
            found = self._look(entry, lease)  # whatever went wrong, the telescope knows whether it took it
            if found is None:
                return State.FAILED, about | {"message": f"{type(error).__name__}: {error}"}
            trace = found
        self._step("acted")
        return State.DONE, about | {"submitted": trace.at.isoformat()}

    def _found(self, name: str, trace: Trace) -> Outcome:
        """A command that was acted on in a try that was cut off before its report."""
        paths = {each.kind: self._directory / each.place.format(name) for each in ACTIONS}
        return State.DONE, {
            "message": f"{trace.name}, submitted before",
            "submitted": trace.at.isoformat(),
            **{kind: str(path) for kind, path in paths.items() if path.exists()},
        }

    def _too_late(self, entry: Entry) -> Outcome | None:
        if entry.deadline is None or self._clock() < entry.deadline:
            return None
        return State.REFUSED, {"message": f"too late: its deadline was {entry.deadline:%Y-%m-%dT%H:%M:%SZ}"}


def _says_it_is_over(refused: Refused) -> bool:
    """Whether a claim was refused for good; else another holds the command, or it awaits approval."""
    if refused.status == httpx2.codes.NOT_FOUND:
        return True
    state = refused.body.get("state") if isinstance(refused.body, dict) else None
    return isinstance(state, str) and state in set(State) and is_over(State(state))


def main() -> None:
    """Console script `lwa-alert`."""
    typer.run(_main)


def _main() -> None:
    """Carry out the commands of the relay's slot /lwa, each at most once, on the simulated telescope.

    Settings: the tables lwa_alert (directory, client, lease_s …) and lwa (beam, pi_name …) of the settings
    file, or the environment; RELAY_URL and RELAY_KEY say where the relay is.
    """

    def work(stop: threading.Event) -> None:
        settings, lwa = LwaAlertSettings(), LwaSettings()
        with LinkSettings().relay() as relay:
            telescope = SimulatedTelescope(settings.directory / "telescope")
            Client(relay, telescope, settings, lwa, stop).follow()

    sys.exit(run(work))


if __name__ == "__main__":
    main()
