"""How much of the voltage buffer a trigger asks for: only the samples that its event needs, and can be kept.

A dump begins at the oldest sample that is buffered when it is triggered, and goes on recording beyond that
moment. What lies before the window is written with it, so that a window that has not begun is waited for.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from ovro_alert.acting import Later, Outcome, refused
from ovro_alert.sky import ring
from ovro_alert.telescopes.lwa.arguments import DumpArguments
from ovro_alert.telescopes.lwa.dump.settings import DumpSettings

AHEAD = timedelta(days=1)  # of a window that is waited for


@dataclass(frozen=True)
class Size:
    """What each pipeline is to write, and for people what is missing in it."""

    nfile: int
    ntime_per_file: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Window:
    """From when to when; `start` is None for the oldest sample. The fields that say so."""

    start: datetime | None
    end: datetime
    start_field: str
    end_field: str


def size(
    args: DumpArguments, now: datetime, settings: DumpSettings, deadline: datetime | None = None
) -> Size | Outcome:
    """What to write of what the ring holds `now`; or why nothing of it.

    Raises
        Later: the window has not begun, and will before the deadline.
    """
    try:
        window = _window(args, now, settings)
    except OverflowError:
        return refused("args: the window is at the end of time")
    if isinstance(window, Outcome):
        return window
    if isinstance(window, int):
        fitting = _fitting(window, settings)
        return fitting or refused(f"the disk budget, {_gb(settings.budget_bytes)}, holds not one block")
    return _of_window(window, now, settings, deadline)


def _window(args: DumpArguments, now: datetime, settings: DumpSettings) -> _Window | int | Outcome:
    """The window that is meant; samples where it is said how many, from the oldest on."""
    before, after = timedelta(seconds=settings.before_s), timedelta(seconds=settings.after_s)
    lasts = None if args.duration is None else timedelta(seconds=args.duration)
    if args.nsamp is not None:
        if beside := [
            name for name in ("start", "end", "toa", "duration") if getattr(args, name) is not None
        ]:
            return refused(f"args.nsamp: is counted from the oldest sample on; not beside args.{beside[0]}")
        return args.nsamp
    if args.start and args.end:
        if lasts:
            return refused("args.duration: args.start and args.end say already how long")
        if args.end <= args.start:
            return refused(f"args.end: {_say(args.end)} is not after args.start, {_say(args.start)}")
        return _Window(args.start, args.end, "args.start", "args.end")
    if args.end:
        if lasts:
            return _Window(args.end - lasts, args.end, "args.end - args.duration", "args.end")
        return _Window(None, args.end, "the oldest sample", "args.end")
    if args.start:
        if lasts:
            return _Window(args.start, args.start + lasts, "args.start", "args.start + args.duration")
        return refused("args.end: missing, and so is args.duration to reckon it from")
    if args.toa:
        if lasts:
            return _Window(args.toa - before, args.toa + lasts, "args.toa", "args.toa + args.duration")
        return _Window(args.toa - before, args.toa + after, "args.toa", "args.toa")
    if args.duration is not None:
        return ring.to_samples(args.duration)
    return _Window(None, now, "the oldest sample", "now")


def _of_window(
    window: _Window, now: datetime, settings: DumpSettings, deadline: datetime | None
) -> Size | Outcome:
    held = now - timedelta(seconds=settings.ring_s)
    if window.end <= held:
        late = (held - window.end).total_seconds()
        return refused(
            f"too late by {late:.0f} s: {window.end_field} ends the window at {_say(window.end)}, and the"
            f" ring holds {settings.ring_s:g} s"
        )
    start = window.start or held
    for field, moment in ((window.start_field, start), (window.end_field, window.end)):
        if moment - now > AHEAD:
            return refused(f"{field}: {_say(moment)} is more than a day ahead")
    if start > now and not (deadline and deadline <= start):
        raise Later(f"its window begins at {_say(start)}")
    begins = now - timedelta(seconds=settings.oldest_s)
    fitting = _fitting(ring.to_samples((window.end - begins).total_seconds()), settings)
    reaches = begins
    if fitting:
        reaches += timedelta(seconds=fitting.nfile * fitting.ntime_per_file / ring.SAMPLE_HZ)
    budget = f"the disk budget, {_gb(settings.budget_bytes)} a pipeline"
    if fitting is None or reaches <= max(start, held):
        return refused(f"{window.start_field}: a dump up to there is more than {budget}")
    notes = []
    if start < held:
        notes.append(f"its first {(held - start).total_seconds():.0f} s have left the ring")
    if fitting.notes:
        notes.append(f"its last {(window.end - reaches).total_seconds():.0f} s are cut by {budget}")
    return Size(fitting.nfile, fitting.ntime_per_file, tuple(notes))


def _fitting(samples: int, settings: DumpSettings) -> Size | None:
    """The files of so many samples, or of those that the budget holds; None where it holds no block."""
    most = settings.budget_bytes // ring.SAMPLE_BYTES
    files, of_each = ring.split(samples, settings.file_samples)
    if files * of_each <= most:
        return Size(files, of_each)
    files, _ = ring.split(most, settings.file_samples)
    of_each = most // (files * ring.BLOCK_SAMPLES) * ring.BLOCK_SAMPLES
    note = f"cut to {files * of_each} of {samples} samples by the disk budget, {_gb(settings.budget_bytes)}"
    return Size(files, of_each, (f"{note} a pipeline",)) if of_each else None


def _gb(size: int) -> str:
    return f"{size / 1e9:.4g} GB"


def _say(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
