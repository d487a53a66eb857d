"""Messages of every format, damaged: each is an alert or refused with its reasons, within time and memory."""

import json
import resource
import subprocess
import sys
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ovro_alert.formats import FORMATS
from tests.formats import mutants
from torture.ground import Ground, Outcome

TRIES = "damaged messages of every format, and bombs"
EXAMPLES, QUICK = 10_000, 500  # of each format
SLOWEST_S = 2.0
GROWTH_MIB = 256  # with one kind of message; hypothesis remembers what it has tried, too


def run(ground: Ground) -> Outcome:
    """In a process of its own, whose greatest memory is that of reading."""
    command = [sys.executable, "-m", "torture.fuzz", str(QUICK if ground.quick else EXAMPLES)]
    rows: list[dict[str, Any]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        try:
            for line in child.stdout:
                rows.append(json.loads(line))
                ground.say(f"{sum(row['read'] for row in rows)} read, last {rows[-1]['what']}")
            trouble = child.stderr.read().strip().splitlines()[-1:]
        finally:
            child.kill()
    violations = [row["broken"] for row in rows if row["broken"]]
    if child.returncode:
        violations.append(f"the reader ended with {child.returncode}: {' '.join(trouble)}")
    if not rows:
        return Outcome("—", "", violations or ["nothing was tried"])
    read, alerts = (sum(row[name] for row in rows) for name in ("read", "alerts"))
    slowest = max(rows, key=lambda row: float(row["slowest_s"]))
    largest = max(rows, key=lambda row: float(row["growth_mib"]))
    if slowest["slowest_s"] > SLOWEST_S:
        violations.append(f"one of {slowest['what']} took {slowest['slowest_s']:.1f} s")
    if largest["growth_mib"] > GROWTH_MIB:
        violations.append(f"memory grew by {largest['growth_mib']:.0f} MiB with {largest['what']}")
    seen = (
        f"{alerts} were alerts all the same, the others refused with reasons; the slowest took "
        f"{slowest['slowest_s'] * 1e3:.0f} ms ({slowest['what']}); memory at most "
        f"{rows[-1]['memory_mib']:.0f} MiB, of which {largest['growth_mib']:.0f} with {largest['what']}"
    )
    return Outcome(f"{read} messages", seen, violations)


@dataclass
class Tally:
    """How one kind of message fared."""

    outcomes: Counter[bool] = field(default_factory=Counter)
    slowest_s: float = 0.0

    def read(self, raw: bytes, format: str | None = None) -> None:
        start = time.perf_counter()
        self.outcomes[mutants.alert_or_unreadable(raw, format)] += 1
        self.slowest_s = max(self.slowest_s, time.perf_counter() - start)


def main(examples: int) -> None:
    """Tries them and says, a line of JSON for each kind, what came of it."""
    warnings.simplefilter("error")  # of numpy, for numbers that were not checked
    many = settings(
        max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    for name in FORMATS:
        _kind(name, many, st.tuples(mutants.damaged(name), st.none()))
        _kind(f"{name}, by name", many, st.tuples(mutants.damaged(name), st.just(name)))
    wrongly = st.tuples(
        st.sampled_from(sorted(FORMATS)).flatmap(mutants.damaged), st.sampled_from(sorted(FORMATS))
    )
    _kind("those under a wrong name", many, wrongly)
    _kind("any bytes", many, mutants.ANY)
    for name, made in mutants.BOMBS.items():
        _kind(f"a bomb: {name}", settings(many, max_examples=1), st.just((made(), None)))


def _kind(what: str, some: settings, messages: st.SearchStrategy[tuple[bytes, str | None]]) -> None:
    tally, broken, before = Tally(), "", _memory_mib()

    @some
    @given(messages)
    def try_them(message: tuple[bytes, str | None]) -> None:
        tally.read(*message)

    try:
        try_them()
    except Exception as error:  # whatever it is, it is what must not be
        told = " ".join(str(line) for line in getattr(error, "__notes__", []))
        broken = f"{what}: {type(error).__name__}: {error} {told}"[:1000]
    row = {
        "what": what,
        "read": tally.outcomes.total(),
        "alerts": tally.outcomes[True],
        "slowest_s": tally.slowest_s,
        "growth_mib": _memory_mib() - before,
        "memory_mib": _memory_mib(),
        "broken": broken,
    }
    print(json.dumps(row), flush=True)


def _memory_mib() -> float:
    """The greatest that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(int(sys.argv[1]))
