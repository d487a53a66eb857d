"""What a fault is tried on: a directory, relays that end with it, and a line that says how far it is."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support import RunningRelay


class Skipped(Exception):
    """The fault cannot be tried on this machine; the message says what is missing."""


@dataclass(frozen=True)
class Outcome:
    """What came of a fault: how often it was tried, what was seen, and each promise that was broken."""

    times: str
    seen: str
    violations: Sequence[str]


@dataclass(frozen=True)
class Ground:
    """`quick` asks for a few rounds only; `say` shows how far a fault is."""

    directory: Path
    quick: bool
    say: Callable[[str], None]

    @contextmanager
    def relay(
        self, changes: Mapping[str, str] | None = None, within: Sequence[str] = ()
    ) -> Iterator[RunningRelay]:
        """A relay on a database of its own (see RunningRelay), which ends with the block."""
        directory = self.directory / "relay"
        directory.mkdir()
        running = RunningRelay(directory, changes, within)
        try:
            running.start()
            yield running
        finally:
            running.kill()
