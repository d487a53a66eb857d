"""What a person wants to see of OVRO-LWA before trusting a client with it; it only reads."""

import json
import math
import os
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from ovro_alert.acting import Unreachable
from ovro_alert.span import say_span
from ovro_alert.telescopes.etcd import Keys
from ovro_alert.telescopes.findings import Finding, Level
from ovro_alert.telescopes.lwa import calibration, shared
from ovro_alert.telescopes.lwa.beams import overlapping
from ovro_alert.telescopes.lwa.monitor import Garbled, Shown
from ovro_alert.telescopes.lwa.scheduler import Scheduler
from ovro_alert.telescopes.lwa.settings import LwaSettings

CLOCK_S = 1.0  # clocks may differ by so much
SILENT_S = 60.0  # a recorder that has said nothing for longer may be well no more
RECORDED = range(1, 11)  # dr1 to dr10 exist


def check(
    keys: Keys,
    slot: str,
    settings: LwaSettings,
    directory: Path,
    clock: Callable[[], datetime],
    listen_s: float = 6.0,
) -> list[Finding]:
    """All that is seen of the telescope; listens until each recorder was heard, or for about `listen_s` s."""
    findings = [*_settings(settings, directory)]
    scheduler = Scheduler(keys, slot, settings, clock)
    try:
        findings += _sessions(scheduler, settings, clock())
        findings += _recorders(keys, settings, clock, listen_s)
    except Unreachable as away:
        findings.append(Finding(Level.WRONG, f"etcd does not answer: {away}"))
    else:
        findings.append(Finding(Level.FINE, "etcd answers"))
    return findings


def _settings(settings: LwaSettings, directory: Path) -> Iterator[Finding]:
    for beam in settings.beams:
        if beam not in RECORDED:
            yield Finding(Level.WRONG, f"beams: {beam} has no recorder; dr1 to dr10 exist")
    if len(set(settings.beams)) < len(settings.beams):
        yield Finding(Level.NOTE, "beams: a beam is named twice")
    if settings.lead_s < 55 or settings.calibration_s < 480:
        yield Finding(Level.WRONG, "lead_s, calibration_s: shorter than the scheduler's own, 55 s and 480 s")
    if settings.preempt_others_at is not None:
        yield Finding(
            Level.NOTE, f"preempt_others_at: sessions of others give way from {settings.preempt_others_at} on"
        )
    if not directory.is_dir():
        yield Finding(Level.WRONG, f"directory: {directory} is not there")
    elif not os.access(directory, os.W_OK):
        yield Finding(Level.WRONG, f"directory: {directory} cannot be written to")
    elif barred := shared.closed(directory / "sdf"):
        yield Finding(
            Level.WRONG, f"directory: {barred} is closed to other users; the scheduler's would find no file"
        )
    else:
        yield Finding(Level.FINE, "directory: other users can find what is in it")
    if not directory.is_absolute():
        yield Finding(
            Level.NOTE, f"directory: {directory} is relative; the scheduler's host must find it, too"
        )


def _sessions(scheduler: Scheduler, settings: LwaSettings, now: datetime) -> Iterator[Finding]:
    try:
        shown = scheduler.shown()
    except Garbled as garbled:
        yield Finding(Level.WRONG, f"which beams are free cannot be known: monitor point {garbled}")
        return
    if shown == Shown():
        yield Finding(Level.NOTE, "the scheduler shows no session, and never has: does it run?")
    held = shown.holding(now)
    last = scheduler.calibrations()
    for beam in sorted(
        {*settings.beams, *settings.voltage_beams, *(each.beam for each in held if each.beam)}
    ):
        own = sorted((each for each in held if each.beam == beam), key=lambda each: each.begin)
        is_free = not overlapping(own, beam, (now, now + timedelta(microseconds=1)))
        said = [
            f"{each.name} from {each.begin:%m-%dT%H:%M:%SZ} to {each.end:%m-%dT%H:%M:%SZ}" for each in own
        ]
        since = last.get(beam)
        due = calibration.due(since, now, settings.calibration_max_age_s)
        cal = (
            f"calibrated {since:%Y-%m-%dT%H:%M:%SZ}{', too long ago' if due else ''}"
            if since
            else "not calibrated by us"
        )
        yield Finding(Level.FINE, f"beam {beam}: {'free' if is_free else 'held'}; {'; '.join([*said, cal])}")


def _recorders(
    keys: Keys, settings: LwaSettings, clock: Callable[[], datetime], listen_s: float
) -> Iterator[Finding]:
    """Their health, and how far their clocks are from ours.

    A point's timestamp is when it was written. One that comes while we listen tells the difference of the
    clocks; an old one only where it is from the future.
    """
    offsets: dict[str, float] = {}
    with keys.watch_all(settings.recorder_prefix, silence_s=listen_s) as puts:
        for name in settings.recorders:
            put = keys.get(f"{settings.recorder_prefix}{name}/summary").put
            value, at = _point(put.value) if put else ("", None)
            ahead = 0.0 if at is None else at - clock().timestamp()
            if ahead < -SILENT_S:
                yield Finding(Level.WRONG, f"recorder {name}: last said {value} {say_span(-ahead)} ago")
            else:
                level = Level.FINE if value == "normal" else Level.WRONG
                yield Finding(level, f"recorder {name}: {value or 'says nothing'}")
            if ahead > 0:
                offsets[name] = ahead
        until = clock() + timedelta(seconds=listen_s)
        unheard = set(settings.recorders)
        for key, put in puts:
            _, at = _point(put.value)
            name = key.removeprefix(settings.recorder_prefix).partition("/")[0]
            if at is not None and name in settings.recorders:
                offsets[name] = max(at - clock().timestamp(), offsets.get(name, -math.inf))
                unheard.discard(name)
            if not unheard or clock() >= until:
                break
    worst = max(offsets.items(), key=lambda each: abs(each[1]), default=None)
    if worst is None:
        yield Finding(Level.NOTE, f"nothing with a time came in {listen_s:g} s: the clocks were not compared")
    elif abs(worst[1]) > CLOCK_S:
        way = "ahead of" if worst[1] > 0 else "behind"
        yield Finding(Level.WRONG, f"the clock of {worst[0]} is {abs(worst[1]):.1f} s {way} ours")
    else:
        yield Finding(Level.FINE, f"clocks agree to {abs(worst[1]):.2f} s")


def _point(value: bytes) -> tuple[str, float | None]:
    """The value of a monitor point, and its timestamp where it has one."""
    try:
        read = json.loads(value)
        at = read.get("timestamp")
        is_time = isinstance(at, int | float) and math.isfinite(at)
        return str(read.get("value", ""))[:100], float(at) if is_time else None
    except (ValueError, AttributeError, RecursionError):
        return "what it says cannot be read", None
