"""Follows a slot, and has each of its commands carried through: many at a time, the most urgent first."""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from datetime import UTC, datetime
from functools import partial
from random import Random

from ovro_alert.acting import Hands
from ovro_alert.command import Entry, Kind
from ovro_alert.link.alone import alone
from ovro_alert.link.carrying import Carrier
from ovro_alert.link.cursor import Cursor
from ovro_alert.link.daemon import in_background
from ovro_alert.link.relay import Away, Refused, Relay
from ovro_alert.link.retry import Stopped, backoff, persist
from ovro_alert.link.settings import WorkerSettings

log = logging.getLogger(__name__)


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _one_after_the_other(entry: Entry) -> str:
    return ""


def _no_step(name: str) -> None:
    """Nobody watches."""


class Worker:
    """Follows the slot until `stop`; what else it is given is its `Carrier`'s."""

    def __init__(
        self,
        relay: Relay,
        hands: Hands,
        settings: WorkerSettings,
        stop: threading.Event,
        *,
        in_turn: Callable[[Entry], str] | None = _one_after_the_other,
        clock: Callable[[], datetime] = _utc_now,
        step: Callable[[str], None] = _no_step,
    ) -> None:
        self._relay = relay
        self._settings = settings
        self._stop = stop
        self._directory = settings.directory.resolve()
        self._carrier = Carrier(relay, hands, settings, stop, in_turn, clock, step)
        self._turn = in_turn or _one_after_the_other
        self._was_away = False  # the relay, since its log was last seen to reach where we are
        self._kept_waiting: set[int] = set()

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
        position = self._reached(cursor.read())
        log.info("following /%s after entry %d", self._settings.slot, position)
        waiting: dict[int, Entry] = {}  # by id: seen, and not over
        in_hand: dict[int, Future[bool]] = {}
        while not self._stop.is_set():
            for id in [id for id, future in in_hand.items() if future.done()]:
                if in_hand.pop(id).result():
                    del waiting[id]
            is_idle = waiting.keys() <= in_hand.keys()
            wait = self._settings.wait_s if is_idle else min(self._settings.wait_s, self._settings.recheck_s)
            news, position = self._news(position, wait)
            if self._was_away and not news:
                position = self._reached(position)
            waiting |= {entry.id: entry for entry in news if entry.kind is Kind.COMMAND}
            for entry in self._next(waiting, in_hand.keys()):
                work = partial(self._carrier.carry_through, entry, is_news=entry in news)
                in_hand[entry.id] = in_background(work, f"command {entry.id}")
            if news:
                continue  # who acts on it is not to wait for the disk
            over = min((entry.seq for entry in waiting.values()), default=position + 1) - 1
            try:
                if over != cursor.read():
                    cursor.write(over)
            except OSError as error:  # it only spares a restart the looking at what is over
                log.warning("the cursor could not be kept: %s", error)

    def _next(self, waiting: Mapping[int, Entry], in_hand: Collection[int]) -> list[Entry]:
        """What to take in hand now: so many of each turn at once, that beams to come keep no dump waiting."""
        room = Counter(dict.fromkeys(map(self._turn, waiting.values()), self._settings.at_once))
        room.subtract(self._turn(waiting[id]) for id in in_hand)
        idle = (entry for id, entry in waiting.items() if id not in in_hand)
        taken = []
        for entry in sorted(idle, key=lambda one: (-one.priority, one.seq)):
            if room[turn := self._turn(entry)] > 0:
                room[turn] -= 1
                taken.append(entry)
            elif entry.id not in self._kept_waiting:
                self._kept_waiting.add(entry.id)
                log.warning("command %d waits: %d are in hand", entry.id, self._settings.at_once)
        return taken

    def _reached(self, position: int) -> int:
        """Where to go on from: there, unless the relay's log began anew and does not reach so far."""
        self._was_away = False
        if position and not self._news(position - 1, 0)[0]:
            log.warning("the relay's log does not reach entry %d any more: beginning at its start", position)
            return 0
        return position

    def _news(self, after: int, wait: float) -> tuple[list[Entry], int]:
        def question() -> tuple[list[Entry], int]:
            try:
                return self._relay.commands(self._settings.slot, after, wait)
            except Away:
                self._was_away = True
                raise

        try:
            return persist(question, self._stop, backoff(Random(), cap=self._settings.lease_s / 2))
        except Refused as refusal:
            raise ValueError(
                f"the relay does not let us follow /{self._settings.slot}: {refusal}"
            ) from refusal
