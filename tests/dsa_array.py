"""What the tests of DSA-110 share: its twin on keys in memory; time passes only while somebody waits."""

import json
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ovro_alert.acting import Outcome, Plan, Trace, Unreachable
from ovro_alert.command import Entry, Kind, State
from ovro_alert.keyvalue import Compacted, Found, Put
from ovro_alert.telescopes.dsa.hands import DsaHands
from ovro_alert.telescopes.dsa.settings import DsaSettings
from ovro_alert.telescopes.dsa.twin import DsaTwin

BEGAN = datetime(2026, 3, 1, 6, tzinfo=UTC)  # MJD 61100.25


class MemoryKeys:
    """An etcd in memory: while it `is_away` no answer comes; if `is_lost`, none to the next put."""

    def __init__(self) -> None:
        self.history: list[tuple[str, Put]] = []
        self.revision = 0
        self.compacted = 0
        self.is_away = False
        self.is_lost = False
        self._now: dict[str, Put] = {}

    def get(self, key: str, revision: int = 0) -> Found:
        return Found(self._as_of(revision).get(key), self.revision)

    def get_all(self, prefix: str, revision: int = 0) -> tuple[dict[str, Put], int]:
        then = self._as_of(revision)
        return {key: put for key, put in then.items() if key.startswith(prefix)}, self.revision

    def get_each(self, keys: Iterable[str]) -> dict[str, Put]:
        then = self._as_of(0)
        return {key: then[key] for key in keys if key in then}

    def put(self, key: str, value: bytes) -> int:
        self._put({key: value})
        return self.revision

    def put_once(
        self, mark: str, puts: Mapping[str, bytes], unchanged: Mapping[str, int] | None = None
    ) -> bool:
        assert mark in puts
        now = {key: put.revision for key, put in self._as_of(0).items()}
        if mark in now or any(now.get(key, 0) != seen for key, seen in (unchanged or {}).items()):
            return False
        self._put(puts)
        return True

    @contextmanager
    def watch_all(
        self, prefix: str, start: int = 0, silence_s: float = 0.0
    ) -> Iterator[Iterator[tuple[str, Put]]]:
        self._answer()
        first = bisect_left(self.history, start, key=lambda one: one[1].revision)
        yield ((key, put) for key, put in self.history[first:] if key.startswith(prefix))

    @contextmanager
    def watch(self, key: str, start: int = 0, silence_s: float = 0.0) -> Iterator[Iterator[Put]]:
        with self.watch_all(key, start) as puts:
            yield (put for name, put in puts if name == key)

    def compact(self) -> None:
        """What was before now is forgotten."""
        self.compacted = self.revision

    def _as_of(self, revision: int) -> Mapping[str, Put]:
        self._answer()
        if not revision:
            return self._now
        if revision < self.compacted:
            raise Compacted(self.compacted)
        return {key: put for key, put in self.history if put.revision <= revision}

    def _put(self, puts: Mapping[str, bytes]) -> None:
        self._answer()
        self.revision += 1
        for key, value in puts.items():
            before = self._now.get(key)
            self._now[key] = Put(value, self.revision, before.version + 1 if before else 1)
            self.history.append((key, self._now[key]))
        if self.is_lost:
            self.is_lost = False
            raise Unreachable("the answer was lost")

    def _answer(self) -> None:
        if self.is_away:
            raise Unreachable("nobody answers")


class Array:
    """The twin, hands that are tried on it, and the word of one command: its waiting lets time pass."""

    def __init__(self, folder: Path | None = None, **settings: Any) -> None:
        self.now = BEGAN
        self.keys = MemoryKeys()
        self.twin = DsaTwin(self.keys, self.clock, folder=folder)
        self.settings = DsaSettings(triggers=folder, **settings)
        self.said: list[dict[str, Any]] = []
        self.retracted_by: str | None = None
        self.pass_by(60)

    def clock(self) -> datetime:
        return self.now

    def pass_by(self, seconds: float) -> None:
        """Lets the array live for so long, a second at most at a time."""
        while seconds > 0:
            self.now += timedelta(seconds=min(1.0, seconds))
            seconds -= 1.0
            self.twin.tick()

    def say(self, detail: dict[str, Any]) -> None:
        self.said.append(detail)

    def check(self) -> None: ...

    def wait(self, seconds: float) -> None:
        self.pass_by(seconds)

    @property
    def hands(self) -> DsaHands:
        """New ones each time: what they know of before, the telescope has told them."""
        return DsaHands(self.keys, self.settings, self.clock)

    def plan(self, entry: Entry) -> Plan | Outcome:
        return self.hands.plan(entry, self.now)

    def begin(self, entry: Entry) -> Trace:
        plan = self.plan(entry)
        assert isinstance(plan, Plan), plan
        return self.hands.carry_out(entry, plan)

    def carry_through(self, entry: Entry) -> Outcome:
        """What a worker does with a command that nothing goes wrong with."""
        plan = self.plan(entry)
        if isinstance(plan, Outcome):
            return plan
        return self.hands.follow(entry, self.hands.carry_out(entry, plan), self)

    def refusal(self, entry: Entry) -> str:
        """Why a command is refused; nothing was written."""
        before = len(self.keys.history)
        outcome = self.plan(entry)
        assert isinstance(outcome, Outcome), outcome
        assert outcome.state is State.REFUSED, outcome
        assert len(self.keys.history) == before
        return str(outcome.detail["message"])

    def told(self, key: str) -> list[Any]:
        """Everything that was ever put under a key."""
        return [json.loads(put.value) for name, put in self.keys.history if name == key]


def command(word: str, args: Mapping[str, Any] | None = None, **more: Any) -> Entry:
    """A command of the slot `/dsa`, as the relay hands it out."""
    usual = {"id": 777, "approved_by": "an operator", "event_id": "chime-1", "priority": 5, "deadline": None}
    return Entry(
        **usual | more,
        seq=1,
        slot="dsa",
        kind=Kind.COMMAND,
        command=word,
        args=dict(args or {}),
        command_mjd=61100.2507,
        state=State.QUEUED,
    )
