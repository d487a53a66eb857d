"""Which beam a session gets: a free one of those that it may have, or one that somebody has to give up."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ovro_alert.telescopes.lwa.monitor import Held

Window = tuple[datetime, datetime]


@dataclass(frozen=True)
class Choice:
    """A beam; whether it is calibrated before; and who gives it up."""

    beam: int
    calibrate: bool
    preempted: tuple[Held, ...] = ()


def overlapping(held: Iterable[Held], beam: int, window: Window) -> list[Held]:
    """Who has a beam at some time of the window.

    The scheduler looks at mode and beam, so that it would take a VOLT1 beside a POWER1. But it is one beam of
    the beamformer, and the later session would turn it away from under the other.
    """
    begin, end = window
    return [each for each in held if each.beam == beam and each.overlaps(begin, end)]


def choose_free(
    beams: Sequence[int], held: Sequence[Held], due: Callable[[int], bool], window: Callable[[bool], Window]
) -> Choice | None:
    """The first that is free and is calibrated, or has the time for it; where there is none, the first free.

    `due` says whether a beam is to be calibrated, `window` for how long it is needed, with that and without.
    """
    for may_calibrate in (True, False):
        for beam in beams:
            calibrate = may_calibrate and due(beam)
            if not overlapping(held, beam, window(calibrate)):
                return Choice(beam, calibrate)
    return None


def choose_taken(
    beams: Sequence[int],
    held: Sequence[Held],
    due: Callable[[int], bool],
    window: Callable[[bool], Window],
    now: datetime,
    rank: Callable[[Held], int | None],
) -> Choice | None:
    """The beam that is given up at the least loss; None where none may be taken.

    `rank` is the priority of a session that must yield, None of one that need not. One that has not begun is
    rather cancelled than one that observes, then those of the lowest priority, then the fewest. It is
    calibrated before where that is due and takes no more from anybody. They yield in the order in which they
    begin: one that observes may stay, and then the others need not go.
    """
    options = []
    for place, beam in enumerate(beams):
        inside = overlapping(held, beam, window(False))
        ranks = [rank(each) for each in inside]
        known = [each for each in ranks if each is not None]
        if inside and len(known) == len(ranks):
            begun = any(each.begin <= now for each in inside)
            calibrate = due(beam) and overlapping(held, beam, window(True)) == inside
            choice = Choice(beam, calibrate, tuple(sorted(inside, key=lambda each: each.begin)))
            options.append((begun, max(known), len(inside), place, choice))
    return min(options, key=lambda option: option[:4])[-1] if options else None
