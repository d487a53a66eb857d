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
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import datetime
from functools import partial
from random import Random
from typing import TypeVar

import httpx2

from ovro_alert.acting import Hands, Later, NotTaken, Outcome, Plan, Trace, Unreachable, refused
from ovro_alert.command import Entry, State, is_over
from ovro_alert.link.alone import alone
from ovro_alert.link.daemon import in_background
from ovro_alert.link.heard import Heard, sendable
from ovro_alert.link.lease import Lease, Lost
from ovro_alert.link.relay import Refused, Relay
from ovro_alert.link.retry import Stopped, backoff, persist
from ovro_alert.link.settings import WorkerSettings
from ovro_alert.link.turns import Turns

Answer = TypeVar("Answer")
Look = Future[Trace | None]

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

    def carry_through(self, entry: Entry, is_news: bool) -> bool:
        """Bring a command as far as it goes now; whether it is over.

        Of one that is news a trace is looked for while the relay takes the claim: it mostly gives it, and
        the look is of use. What that may miss, an act just before the claim, the hands do not repeat.
        """
        what = f"command {entry.id} ({entry.command[:50]}, {entry.slot} {entry.seq})"
        if entry.state is None or is_over(entry.state):
            return True
        lease = Lease(self._relay, entry.id, self._settings.client, self._settings.lease_s)
        first = in_background(partial(self._hands.find, entry), f"look for {entry.id}") if is_news else None
        try:
            try:
                self._ask(lease.claim)
            except Refused as refusal:
                log.debug("%s: %s", what, refusal)
                return _says_it_is_over(refusal)
            self._step("claimed")
            with lease.kept():
                outcome = self._settle(entry, lease, first)
                self._step("settled")
                detail = sendable(outcome.detail)
                self._ask(partial(self._relay.report, entry.id, lease.token, outcome.state, detail))
        except Refused as refusal:
            # Cancelled, or claimed by another meanwhile. It is looked at again.
            log.warning("%s: the relay listens to another: %s", what, refusal)
            return False
        except Lost as lost:
            log.warning("%s: left to the next claim: %s", what, lost)
            return False
        except Stopped:
            return False
        except Exception:  # a fault of ours must not end the others' way
            log.exception("%s: it is looked at again", what)
            return False
        self._step("reported")
        log.info("%s: %s: %s", what, outcome.state, outcome.detail.get("message", ""))
        return True

    def _ask(self, question: Callable[[], Answer]) -> Answer:
        """The relay's answer, however long it is away. Raises Refused, and Stopped."""
        return persist(question, self._stop, backoff(Random(), cap=self._settings.lease_s / 2))

    def _settle(self, entry: Entry, lease: Lease, first: Look | None) -> Outcome:
        """What became of a command, now or before; any trouble of our own is a failure with its reason."""
        name = f"{entry.slot}-{entry.seq}-{entry.id}"
        try:
            with alone(self._locks / name) as ours:
                if not ours:
                    raise Lost("a client that is held up may still act on it")
                return self._carry_out(entry, lease, first)
        except (Refused, Lost, Stopped):
            raise
        except NotTaken as error:
            message = str(error)
        except Exception as error:
            log.exception("command %d", entry.id)
            message = f"{type(error).__name__}: {error}"
        with suppress(Exception):  # for one who was held up; it has failed either way
            self._hands.forbid(entry, message)
        return Outcome(State.FAILED, {"message": message})

    def _carry_out(self, entry: Entry, lease: Lease, first: Look | None) -> Outcome:
        """Act on a command that has left no trace, and follow to its end what has.

        While the telescope gives no answer, or cannot yet, it is asked again; each time it is looked first
        whether an earlier try has left a trace after all.
        """
        word = Heard(self._relay, entry, lease, self._stop)
        delays, trouble = backoff(Random(), cap=self._settings.lease_s / 3), ""
        while True:
            try:
                look, first = first, None
                found = look.result() if look else self._hands.find(entry)
                self._step("looked")
                begun = found or self._act(entry, lease, word)
                if isinstance(begun, Trace):
                    return self._see_through(entry, begun, word)
                return self._without(entry, begun, trouble)
            except (Unreachable, Later) as error:
                if str(error) != trouble:
                    trouble = str(error)
                    log.warning("command %d: trying again: %s", entry.id, trouble)
                if (late := self._too_late(entry)) and not self._may_have_begun(entry):
                    return _after(refused(late), trouble)
                wait = self._settings.recheck_s if isinstance(error, Later) else next(delays)
            word.wait(wait)

    def _act(self, entry: Entry, lease: Lease, word: Heard) -> Trace | Outcome:
        """Carry out a command, if it is still right to."""
        with self._turn(entry):
            if why := self._no_more(entry, lease):
                return refused(why)
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
        if why := self._no_more(entry, lease):
            return refused(why)
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

    def _see_through(self, entry: Entry, trace: Trace, word: Heard) -> Outcome:
        outcome = self._hands.follow(entry, trace, word)
        self._step("followed")
        about = {"trace": trace.name, "submitted": trace.at.isoformat()}
        return Outcome(outcome.state, word.said | about | outcome.detail)

    def _without(self, entry: Entry, outcome: Outcome, trouble: str) -> Outcome:
        """The end of a command that has left no trace, which from now on nobody can leave any more.

        One who said that it would act and was held up may be about to: so the telescope is told first.
        """
        if self._may_have_begun(entry) and not self._hands.forbid(entry, outcome.detail["message"]):
            raise Later("a client that was held up has acted on it after all")
        return _after(outcome, trouble)

    def _may_have_begun(self, entry: Entry) -> bool:
        """Whether a client has said that it would act: then only the telescope can tell whether it did."""
        return self._ask(lambda: self._relay.command(entry.id)).state is State.RUNNING

    def _no_more(self, entry: Entry, lease: Lease) -> str:
        """Why it is not to be begun any more; empty where it is."""
        if lease.retracted_by is not None:
            return f"its event was retracted by alert {lease.retracted_by}"
        return self._too_late(entry)

    def _too_late(self, entry: Entry) -> str:
        """Why it is; empty where it is not."""
        if entry.deadline is None or self._clock() < entry.deadline:
            return ""
        return f"too late: its deadline was {entry.deadline:%Y-%m-%dT%H:%M:%SZ}"


def _after(outcome: Outcome, trouble: str) -> Outcome:
    """An outcome and, of one that is refused, what it was tried against in vain."""
    if not trouble or outcome.state is not State.REFUSED:
        return outcome
    return Outcome(
        outcome.state, {**outcome.detail, "message": f"{outcome.detail['message']}; before, {trouble}"}
    )


def _says_it_is_over(refusal: Refused) -> bool:
    """Whether a claim was refused for good; else another holds the command, or it awaits approval."""
    if refusal.status == httpx2.codes.NOT_FOUND:
        return True
    state = refusal.body.get("state") if isinstance(refusal.body, dict) else None
    return isinstance(state, str) and state in set(State) and is_over(State(state))
