"""`python -m torture [name…] [--quick]`: tries faults, prints what was found, fails on a broken promise."""

import argparse
import importlib
import logging
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from torture.ground import Ground, Outcome, Skipped

# One module a fault: TRIES says in a line what it does, `run` does it.
FAULTS = (
    "kills",
    "disk",
    "database",
    "postgres",
    "clock",
    "silent",
    "cuts",
    "keys",
    "schema",
    "fuzz",
    "dsa110",
    "flarescope",
    "broker",
    "comet",
    "telescopes",
)
LIMIT_S = 1800  # for one fault: a harness that hangs proves nothing


def main() -> int:
    parser = argparse.ArgumentParser(prog="torture", description=__doc__)
    parser.add_argument("name", nargs="*", help=f"of {', '.join(FAULTS)}; all of them where none is named")
    parser.add_argument("--quick", action="store_true", help="a few rounds of each, in some minutes")
    wanted = parser.parse_args()
    if unknown := set(wanted.name) - set(FAULTS):
        parser.error(f"there is no {', '.join(sorted(unknown))}: there are {', '.join(FAULTS)}")
    signal.signal(signal.SIGALRM, _too_long)
    logging.disable()  # the clients' word that the relay is away is no news here
    rows = [_try(name, wanted.quick) for name in wanted.name or FAULTS]
    print(_table(rows))
    return int(any(verdict == "BROKEN" for *_, verdict in rows))


def _try(name: str, quick: bool) -> tuple[str, str, str, str]:
    """One row of the table: what was tried, how often, what was found, the verdict."""
    fault = importlib.import_module(f"torture.{name}")
    start = time.monotonic()

    def say(line: str) -> None:
        _show(f"{name} ({time.monotonic() - start:.0f} s): {line}")

    say(fault.TRIES)
    signal.alarm(LIMIT_S)
    run: Callable[[Ground], Outcome] = fault.run
    try:
        with tempfile.TemporaryDirectory(prefix=f"torture-{name}-") as directory:
            outcome = run(Ground(Path(directory), quick, say))
    except Skipped as skipped:
        _show(f"{name}: skipped: {skipped}", end="\n")
        return fault.TRIES, "—", str(skipped), "skipped"
    except Exception as error:  # a fault that cannot be tried to its end is no proof
        outcome = Outcome("—", "", [f"{type(error).__name__}: {error}"])
    finally:
        signal.alarm(0)
    for line in outcome.violations:
        _show(f"{name}: BROKEN: {line}", end="\n")
    verdict = "BROKEN" if outcome.violations else "held"
    _show(f"{name} ({time.monotonic() - start:.0f} s): {verdict}", end="\n")
    return fault.TRIES, outcome.times, "; ".join(outcome.violations) or outcome.seen, verdict


def _too_long(number: int, frame: FrameType | None) -> None:
    raise TimeoutError(f"not done after {LIMIT_S} s")


def _show(line: str, end: str = "") -> None:
    """On a terminal one line that changes, elsewhere a line each."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{line}", end=end, file=sys.stderr, flush=True)
    else:
        print(line, file=sys.stderr, flush=True)


def _table(rows: list[tuple[str, str, str, str]]) -> str:
    """The rows as Markdown, as docs/torture.md has them."""
    head = [("tried", "how often", "found", "verdict"), ("---", "---", "---", "---")]
    return "\n".join(f"| {' | '.join(row)} |" for row in [*head, *rows])


if __name__ == "__main__":
    sys.exit(main())
