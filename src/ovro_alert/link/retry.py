"""Trying until the relay is there, in the one place where daemons do it."""

import logging
import threading
from collections.abc import Callable, Iterator
from random import Random
from typing import TypeVar

from ovro_alert.link.relay import Away, Refused

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)


class Stopped(Exception):
    """The daemon was told to stop before the relay answered; nothing was acknowledged."""


def backoff(random: Random, first: float = 0.2, cap: float = 30.0) -> Iterator[float]:
    """Delays in seconds, for ever: uniform between 0 and a ceiling that doubles from `first` up to `cap`.

    Full jitter, so that daemons which lost the relay together do not all come back together.
    """
    ceiling = first
    while True:
        yield random.uniform(0, ceiling)
        ceiling = min(2 * ceiling, cap)


def persist(
    attempt: Callable[[], Answer], stop: threading.Event, delays: Iterator[float] | None = None
) -> Answer:
    """The answer of `attempt`, tried again while the relay is away or refuses the key.

    A key is mended by an operator while the daemon waits; any other refusal is the caller's and is raised.
    The same trouble is logged once, not at every try.

    Raises
        Refused: the relay said no, and would again.
        Stopped: `stop` was set first.
    """
    delays = delays or backoff(Random())
    trouble = ""
    while not stop.is_set():
        try:
            answer = attempt()
        except Away as away:
            level, now = logging.WARNING, f"the relay is away, trying again: {away}"
        except Refused as refused:
            if not refused.about_the_key:
                raise
            level, now = logging.ERROR, f"the relay refuses the key, trying again: {refused}"
        else:
            if trouble:
                log.info("the relay is there again")
            return answer
        if now != trouble:
            log.log(level, "%s", now)
            trouble = now
        stop.wait(next(delays))
    raise Stopped
