"""What a client is asked in a trial, how each command must end, and whether the telescope agrees."""

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ovro_alert.command import State, is_over
from ovro_alert.demo.processes import wait_for
from tests.clients.observatory import Observatory, Place
from torture.audit import whole
from torture.ground import Ground

OPEN, BEAMS = 7, 8  # commands at once: each beam finds one of eight free
KEPT = timedelta(seconds=6)  # so long after its end a session counts as one that may have begun late
LIMIT_S = 120.0
LONGEST_S = 2.0  # a client lives: sometimes not long enough to begin
BEAM = {"ra": 83.633, "dec": 22.014, "duration": 1.5}
DUMP = {"duration": 10}


@dataclass
class Trial:
    """`ends` is how each command must end, `seen` what held, `violations` what did not."""

    ground: Ground
    place: Place
    chance: random.Random = field(default_factory=lambda: random.Random("telescopes"))
    ends: dict[int, State] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    def ask(self, command: str, end: State = State.DONE, **args: Any) -> int:
        """Queues a command; its id."""
        id = self.place.put(command, **args)
        self.ends[id] = end
        return id

    @property
    def open(self) -> int:
        """How many commands are not over."""
        return sum(not is_over(State(one["state"])) for one in whole(self.place.http, self.place.slot))

    def wait(self, open: int = 0) -> None:
        """Until no more commands than so many are not over."""
        wait_for(lambda: self.open <= open, f"all but {open} commands to be over", LIMIT_S)

    def kill(self, times: int, asking: Callable[[], object]) -> None:
        """Kills client after client at random, each time when more was asked; the last one lives."""
        for number in range(1, times + 1):
            asking()
            process = self.place.start()
            time.sleep(self.chance.uniform(0.3, LONGEST_S))
            process.kill()
            process.wait(LIMIT_S)
            self.ground.say(f"{number} of {times} kills, {len(self.ends)} commands")
        self.place.start()

    def expect(self, id: int, *words: str) -> None:
        """Waits until a command has ended, as it must, and with these words."""
        state, detail = self.place.outcome(id)
        says = str(detail.get("message"))
        self.holds(
            state == self.ends[id] and all(word in says for word in words),
            f"not {self.ends[id]} with {words}: {state}: {says}",
        )

    def holds(self, is_so: bool, otherwise: str) -> None:
        """Notes what does not."""
        if not is_so:
            self.violations.append(otherwise)

    def say(self, line: str) -> None:
        """What held."""
        self.seen.append(line)
        self.ground.say(line)


@dataclass
class LwaTrial(Trial):
    """At OVRO-LWA."""

    place: Observatory

    def beam(self, end: State = State.DONE, **args: Any) -> int:
        """Of a second or two, on one that is free unless it is named; and there is one soon."""
        wait_for(lambda: self.open + self._kept < BEAMS, "a beam to be free", LIMIT_S)
        return self.ask("powerbeam", end, **BEAM | args)

    def dump(self, end: State = State.DONE) -> int:
        """Of one file a pipeline."""
        return self.ask("trigger", end, **DUMP)

    def ask_any(self) -> None:
        """A beam, a dump, or what must be refused, by lot."""
        kind = self.chance.random()
        if kind < 0.5:
            self.beam()
        elif kind < 0.85:
            self.dump()
        else:
            self.beam(State.REFUSED, ra=400)

    @property
    def _kept(self) -> int:
        """How many beams count as held, though their sessions are over."""
        since = (datetime.now(UTC) - KEPT).isoformat()
        told = self.place.executor.account()
        return sum(each["did"] == "completed" and each["at"] > since for each in told)

    def once(self, newest: int = 0) -> str:
        """Waits until all is over; what was done, of the newest so many commands or of all.

        By the telescope's own account each was acted on exactly once, or not at all where it was refused.
        """
        self.wait()
        entries = whole(self.place.http, "lwa")[-newest:]
        sessions = Counter(int(name.partition("_")[0]) for name in self.place.submitted())
        dumps = self.place.pipelines.triggered()
        for one in entries:
            id, state, end = one["id"], State(one["state"]), self.ends[one["id"]]
            name = f"{one['command']} {id}"
            each = [sessions[id]] if one["command"] == "powerbeam" else [*dumps.get(str(id), {0: 0}).values()]
            wanted = end is not State.REFUSED
            self.holds(set(each) == {int(wanted)}, f"{name}, to be {end}, was acted on {max(each)} times")
            if state is not end:
                self.violations.append(
                    f"{name} is {state}, not {end}: {self.place.outcome(id)[1]['message']}"
                )
        cancelled = [one for one in self.place.executor.account() if one["did"] == "cancelled"]
        self.holds(not cancelled, f"{len(cancelled)} sessions were cancelled")
        count = Counter(f"{one['state']} {one['command']}s" for one in entries)
        return ", ".join(f"{number} {name}" for name, number in sorted(count.items()))
