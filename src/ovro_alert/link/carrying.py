"""One command carried through by a telescope's hands, at most once.

Claim it, look whether it was acted on already, plan it, say that it runs, act, follow it to its end, report.
Whatever dies between two of these steps, the next client to claim the command finds at the telescope whether
it was acted on, and goes on from there.

Three things keep two clients from acting on one command. The relay gives its claim to one of them, for a
lease, and a client acts only while its own clock says that the lease is surely its own. Clients that share a
directory hold a lock from before they look until the command is over: one that is held up keeps it, one that
dies loses it. And the telescope's hands act at most once by its own account.
"""

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from functools import partial
from random import Random
from typing import Any, TypeVar

import httpx2

from ovro_alert.acting import Hands, Later, NotTaken, Outcome, Plan, Trace, Unreachable, refused
from ovro_alert.command import Entry, State, is_over
from ovro_alert.link.alone import alone
from ovro_alert.link.lease import Lease, Lost
from ovro_alert.link.relay import Away, Refused, Relay
from ovro_alert.link.retry import Stopped, backoff, persist
from ovro_alert.link.settings import WorkerSettings
from ovro_alert.link.turns import Turns

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)


class Carrier:
    """Brings commands as far as they go, until `stop`; `step` is told each step of one, which tests die at.

    Of commands that go in one turn, by what `in_turn` says of them, none is planned before the one before it
    was carried out; without it nobody waits.
    """

    def __init__(
        self,
        relay: Relay,
        hands: Hands,
        settings: WorkerSettings,
        stop: threading.Event,
        in_turn: Callable[[Entry], str] | None,
        clock: Callable[[], datetime],
        step: Callable[[str], None],
    ) -> None:
        self._relay = relay
        self._hands = hands
        self._settings = settings
        self._stop = stop
        self._in_turn = in_turn
        self._clock = clock
        self._step = step
        self._locks = settings.directory.resolve() / "locks"
        self._turns: dict[str, Turns] = {}

    def carry_through(self, entry: Entry) -> bool:
        """Bring a command as far as it goes now; whether it is over."""
        what = f"command {entry.id} ({entry.command[:50]}, {entry.slot} {entry.seq})"
        if entry.state is None or is_over(entry.state):
            return True
        lease = Lease(self._relay, entry.id, self._settings.client, self._settings.lease_s)
        try:
            try:
                self._ask(lease.claim)
            except Refused as refusal:
                log.debug("%s: %s", what, refusal)
                return _says_it_is_over(refusal)
            self._step("claimed")
            with lease.kept():
                outcome = self._settle(entry, lease)
                self._step("settled")
                self._ask(partial(self._relay.report, entry.id, lease.token, outcome.state, outcome.detail))
        except Refused as refusal:
            # Cancelled, or claimed by another meanwhile. It is looked at again.
            log.warning("%s: the relay listens to another: %s", what, refusal)
            return False
        except Lost as lost:
            log.warning("%s: left to the next claim: %s", what, lost)
            return False
        except Stopped:
            return False
        self._step("reported")
        log.info("%s: %s: %s", what, outcome.state, outcome.detail.get("message", ""))
        return True

    def _ask(self, question: Callable[[], Answer]) -> Answer:
        """The relay's answer, however long it is away. Raises Refused, and Stopped."""
        return persist(question, self._stop, backoff(Random(), cap=self._settings.lease_s / 2))

    def _settle(self, entry: Entry, lease: Lease) -> Outcome:
        """What became of a command, now or before; any trouble of our own is a failure with its reason."""
        name = f"{entry.slot}-{entry.seq}-{entry.id}"
        try:
            with alone(self._locks / name) as ours:
                if not ours:
                    raise Lost("a client that is held up may still act on it")
                return self._carry_out(entry, lease)
        except (Refused, Lost, Stopped):
            raise
        except NotTaken as error:
            return Outcome(State.FAILED, {"message": str(error)})
        except Exception as error:
            log.exception("command %d", entry.id)
            return Outcome(State.FAILED, {"message": f"{type(error).__name__}: {error}"})

    def _carry_out(self, entry: Entry, lease: Lease) -> Outcome:
        """Act on a command that has left no trace, and follow to its end what has.

        While the telescope gives no answer, or cannot yet, it is asked again; each time it is looked first
        whether an earlier try has left a trace after all.
        """
        word = _Heard(self._relay, entry, lease, self._stop)
        delays, trouble = backoff(Random(), cap=self._settings.lease_s / 3), ""
        while True:
            try:
                found = self._hands.find(entry)
                self._step("looked")
                begun = found or self._act(entry, lease, word)
                return begun if isinstance(begun, Outcome) else self._see_through(entry, begun, word)
            except (Unreachable, Later) as error:
                if str(error) != trouble:
                    trouble = str(error)
                    log.warning("command %d: trying again: %s", entry.id, trouble)
                if (late := self._too_late(entry)) and not self._may_have_begun(entry):
                    return refused(f"{late}; before, {trouble}")
                wait = self._settings.recheck_s if isinstance(error, Later) else next(delays)
            word.wait(wait)

    def _act(self, entry: Entry, lease: Lease, word: "_Heard") -> Trace | Outcome:
        """Carry out a command, if it is still right to."""
        with self._turn(entry):
            if late := self._too_late(entry):
                return refused(late)
            plan = self._hands.plan(entry, self._clock())
            self._step("planned")
            if isinstance(plan, Outcome):
                return plan
            # Also the relay's last word before the act: one that was cancelled meanwhile is refused here.
            self._ask(lambda: word.report(plan.summary))
            self._step("running")
            if wrong := self._not_now(entry, lease):
                return wrong
            plan.before()
            if wrong := self._not_now(entry, lease):
                return wrong
            trace = self._do(entry, plan)
        self._step("acted")
        return trace

    def _not_now(self, entry: Entry, lease: Lease) -> Outcome | None:
        """What speaks against acting at this moment. Raises Lost."""
        if late := self._too_late(entry):
            return refused(late)
        lease.check()
        return None

    def _turn(self, entry: Entry) -> AbstractContextManager[None]:
        if self._in_turn is None:
            return nullcontext()
        turns = self._turns.setdefault(self._in_turn(entry), Turns())
        return turns.turn(entry.priority, entry.seq)

    def _do(self, entry: Entry, plan: Plan) -> Trace:
        try:
            return self._hands.carry_out(entry, plan)
        except (NotTaken, Unreachable, Later):
            raise
        except Exception as error:
            log.exception("command %d", entry.id)
            found = self._hands.find(entry)  # whatever went wrong, the telescope knows whether it took it
            if found is None:
                raise NotTaken(f"{type(error).__name__}: {error}") from error
            return found

    def _see_through(self, entry: Entry, trace: Trace, word: "_Heard") -> Outcome:
        outcome = self._hands.follow(entry, trace, word)
        self._step("followed")
        about = {"trace": trace.name, "submitted": trace.at.isoformat()}
        return Outcome(outcome.state, word.said | about | outcome.detail)

    def _may_have_begun(self, entry: Entry) -> bool:
        """Whether a client has said that it would act: then only the telescope can tell whether it did."""
        return self._ask(lambda: self._relay.command(entry.id)).state is State.RUNNING

    def _too_late(self, entry: Entry) -> str:
        """Why it is; empty where it is not."""
        if entry.deadline is None or self._clock() < entry.deadline:
            return ""
        return f"too late: its deadline was {entry.deadline:%Y-%m-%dT%H:%M:%SZ}"


class _Heard:
    """A `Word` by way of the relay: what it says with each renewal of the claim, and what it is told."""

    def __init__(self, relay: Relay, entry: Entry, lease: Lease, stop: threading.Event) -> None:
        self._relay = relay
        self._entry = entry
        self._lease = lease
        self._stop = stop
        self.said: dict[str, Any] = {}

    @property
    def retracted_by(self) -> str | None:
        return self._lease.retracted_by

    def report(self, detail: dict[str, Any]) -> None:
        """Says that it runs, and how. Raises Away and Refused."""
        self._relay.report(self._entry.id, self._lease.token, State.RUNNING, detail)
        self.said = detail

    def say(self, detail: dict[str, Any]) -> None:
        try:
            self.report(self.said | detail)
        except (Away, Refused) as error:
            log.warning("command %d: how far it is could not be told: %s", self._entry.id, error)

    def wait(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise Stopped
        if self._lease.lost:
            raise Lost(self._lease.lost)


def _says_it_is_over(refusal: Refused) -> bool:
    """Whether a claim was refused for good; else another holds the command, or it awaits approval."""
    if refusal.status == httpx2.codes.NOT_FOUND:
        return True
    state = refusal.body.get("state") if isinstance(refusal.body, dict) else None
    return isinstance(state, str) and state in set(State) and is_over(State(state))
