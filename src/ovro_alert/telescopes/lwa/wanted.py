"""What a command for a beam asks for: where, when, how long; and the session that this becomes on a beam."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from ovro_alert.command import Entry, from_mjd
from ovro_alert.sky.dispersion import dispersion_delay
from ovro_alert.span import say_span
from ovro_alert.telescopes.arguments import reason, spelled
from ovro_alert.telescopes.lwa.arguments import BeamArguments
from ovro_alert.telescopes.lwa.session import BEAMS, Observation, Session, SessionMode
from ovro_alert.telescopes.lwa.settings import LwaSettings

MODES = {"powerbeam": SessionMode.POWER, "voltagebeam": SessionMode.VOLT}  # by the command's word
SUBMISSION = timedelta(seconds=5)  # so much later may a session begin that is to begin at once
MILLISECOND = timedelta(milliseconds=1)
# Targets that the reader takes for the body itself, whatever OBS_MODE says [observing/classes.py].
BODIES = frozenset({"sun", "moon", "jupiter"})


class Unfit(Exception):
    """Why a command cannot be carried out as it stands; names the field that is wrong."""


@dataclass(frozen=True)
class Wanted:
    """A beam that is asked for, in degrees, from when to when; `asap` begins at once, `buffer` at `start`."""

    mode: SessionMode
    ra: float
    dec: float
    start: datetime
    end: datetime
    submission: Literal["asap", "buffer"]
    calibratable: bool  # whether there is the time for it before the start
    int_time_ms: int | None
    target: str
    beams: tuple[int, ...]  # those that it may have, the first first


def wanted(entry: Entry, now: datetime, settings: LwaSettings) -> Wanted:
    """What a powerbeam or voltagebeam asks of the telescope if it is carried out `now`. Raises Unfit."""
    mode = MODES[entry.word]
    try:
        args = BeamArguments.model_validate(spelled(entry.args))
    except ValueError as error:
        raise Unfit(reason(error)) from error
    start = args.start or now
    end = _end(start, _duration(args, settings))
    if start < _asked(entry, now) - timedelta(seconds=settings.past_s):
        raise Unfit(f"args.start: {start:%Y-%m-%dT%H:%M:%SZ} had passed when it was asked for")
    if start - now > timedelta(seconds=settings.ahead_s):
        raise Unfit(f"args.start: {start:%Y-%m-%dT%H:%M:%SZ} is more than {say_span(settings.ahead_s)} ahead")
    if end - now < MILLISECOND:
        raise Unfit(f"too late: args.start and args.duration end at {end:%Y-%m-%dT%H:%M:%SZ}")
    lead = timedelta(seconds=settings.lead_s + settings.notice_s)
    timely = start - now >= lead
    return Wanted(
        mode=mode,
        ra=args.ra,
        dec=args.dec,
        # It begins at once: late, or early where the scheduler would not be ready, and ends when it was to.
        start=start if timely else now,
        end=end,
        submission="buffer" if timely else "asap",
        calibratable=start - now >= lead + timedelta(seconds=settings.calibration_s),
        int_time_ms=_integration(args.inttime or settings.int_time_ms) if mode is SessionMode.POWER else None,
        target=_target(args.name or entry.event_id or f"{entry.slot}-{entry.seq}"),
        beams=_beams(mode, args.beamnum, settings),
    )


def session(entry: Entry, wanted: Wanted, beam: int, calibrate: bool, settings: LwaSettings) -> Session:
    """The session that it is on one beam.

    The scheduler configures for a session the beam alone, and loads the tables of CAL_DIR into one that has
    none; it restarts the x-engine only where it is called with `full`, which no key of the file asks for
    [mnc_python mnc/control.py, configure_xengine; lwa-observing observing/parsesdf.py]. CONFIG_FILE only
    tells it which hosts, pipelines and recorders there are. DO_CAL forces the tables into a beam that has
    some, in minutes: it is said where they are too old, and nowhere else.
    """
    observation = Observation(
        obs_id=1,
        target=wanted.target,
        start=wanted.start,
        duration_ms=max(1, round((wanted.end - wanted.start) / MILLISECOND)),
        int_time_ms=wanted.int_time_ms,
        ra=wanted.ra,
        dec=wanted.dec,
    )
    return Session(
        session_id=entry.id,  # unique for all time: people number theirs from 1
        mode=wanted.mode,
        beam=beam,
        pi_id=settings.pi_id,
        pi_name=settings.pi_name,
        config_file=settings.config_file,
        cal_dir=settings.cal_dir,
        do_cal=calibrate,
        observations=(observation,),
    )


def occupied(wanted: Wanted, calibrate: bool, settings: LwaSettings) -> tuple[datetime, datetime]:
    """From when to when the scheduler needs the beam for it: its lead before, and a delay after."""
    if wanted.submission == "asap":
        return wanted.start, wanted.end + SUBMISSION
    lead = settings.lead_s + (settings.calibration_s if calibrate else 0)
    return wanted.start - timedelta(seconds=lead), wanted.end + SUBMISSION


def _duration(args: BeamArguments, settings: LwaSettings) -> float:
    if args.duration is not None:
        duration = args.duration
    elif args.dm is not None:
        # Its sweep through the band, for a burst that has only just been seen far above it.
        duration = dispersion_delay(args.dm, settings.low_mhz) + settings.margin_s
    else:
        raise Unfit("args.duration: missing, and so is args.dm to reckon it from")
    if duration > settings.longest_s:
        raise Unfit(f"args.duration: {duration:g} s; no session is longer than {settings.longest_s:g} s")
    if duration < MILLISECOND.total_seconds():
        raise Unfit(f"args.duration: {duration:g} s; no session is shorter than 1 ms")
    return duration


def _end(start: datetime, duration: float) -> datetime:
    try:
        return start + timedelta(seconds=duration)
    except OverflowError as error:
        raise Unfit(f"args.start: {start:%Y-%m-%d} is at the end of time") from error


def _asked(entry: Entry, now: datetime) -> datetime:
    """When it was asked: a command that waited since may find its start in the past, and is still right."""
    try:
        return min(now, from_mjd(entry.command_mjd))
    except (OverflowError, ValueError):
        return now


def _beams(mode: SessionMode, asked: int | None, settings: LwaSettings) -> tuple[int, ...]:
    allowed = settings.beams if mode is SessionMode.POWER else settings.voltage_beams
    if asked is None:
        if not allowed:
            raise Unfit(f"command: no beam is allowed for {mode} here")
        return allowed
    if asked not in BEAMS[mode]:
        raise Unfit(f"args.beamnum: {mode} has beam 1 only, not {asked}")
    if asked not in allowed:
        names = ", ".join(map(str, allowed)) or "none"
        raise Unfit(f"args.beamnum: {asked} is reserved for others; allowed for {mode} are {names}")
    return (asked,)


def _integration(wanted_ms: float) -> int:
    """The power of two at or below what is wanted, as the recorder would take it."""
    return 1 << (int(wanted_ms).bit_length() - 1)


def _target(name: str) -> str:
    """A name as one word that files and lines can hold: CHIME's ivorns hold `#`, `:` and `+`."""
    word = re.sub(r"[^A-Za-z0-9.+-]+", "_", name).strip("_")[:64] or "unnamed"
    return f"{word}_field" if word.casefold() in BODIES else word
