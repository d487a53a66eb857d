"""What a command means at OVRO-LWA: a session to observe, a dump to trigger, or a reason why not."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from pydantic import ValidationError

from ovro_alert.command import Entry, to_mjd
from ovro_alert.sky import ring
from ovro_alert.sky.dispersion import dispersion_delay
from ovro_alert.telescopes.lwa import dump, sdf
from ovro_alert.telescopes.lwa.arguments import BeamArguments, DumpArguments, spelled
from ovro_alert.telescopes.lwa.session import BEAMS, Observation, Session, SessionMode, Sessions, overlapping
from ovro_alert.telescopes.lwa.settings import LwaSettings

# What the scheduler does before a session that it runs at its stated start (`buffer`): 20 s for a controller,
# 20 to configure, 10 to point, 5 to record, and 480 where it calibrates [ovro-lwa/lwa-observing].
LEAD = timedelta(seconds=55)
CALIBRATION = timedelta(seconds=480)
SUBMISSION = timedelta(seconds=5)  # so much later may a session begin that is to begin at once
# Targets that the reader takes for the body itself, whatever OBS_MODE says [observing/classes.py].
BODIES = frozenset({"sun", "moon", "jupiter"})


@dataclass(frozen=True)
class Observe:
    """A session to submit: `asap` begins at once, `buffer` at its stated start."""

    kind: ClassVar[str] = "sdf"
    place: ClassVar[str] = "sdf/{}.sdf"
    session: Session
    submission: Literal["asap", "buffer"]

    def document(self) -> str:
        """The session definition file."""
        return sdf.write(self.session)

    def summary(self) -> dict[str, Any]:
        """What to tell people, in JSON."""
        [observation] = self.session.observations
        seconds = observation.duration_ms / 1000
        return {
            "message": f"session {self.session.name}, {self.submission}, {seconds:g} s",
            "session": self.session.name,
            "submission": self.submission,
            "start": observation.start.isoformat(),
            "duration": seconds,
        }


@dataclass(frozen=True)
class Dump:
    """A dump of the voltage buffer to trigger."""

    kind: ClassVar[str] = "dump"
    place: ClassVar[str] = "dumps/{}.json"
    plan: dump.DumpPlan
    metadata: dict[str, Any]

    def document(self) -> str:
        """The dump plan."""
        return dump.document(self.plan, self.metadata)

    def summary(self) -> dict[str, Any]:
        """What to tell people, in JSON."""
        seconds = round(self.plan.seconds, 3)
        return {
            "message": f"dump of {self.plan.nfile} files a pipeline, {seconds:g} s",
            "nfile": self.plan.nfile,
            "seconds": seconds,
        }


@dataclass(frozen=True)
class Nothing:
    """A command that is done without moving anything."""

    message: str


@dataclass(frozen=True)
class Refused:
    """Why a command cannot be carried out; names the field where one is wrong."""

    reason: str


Action = Observe | Dump


def interpret(
    entry: Entry, now: datetime, settings: LwaSettings, sessions: Sessions
) -> Action | Nothing | Refused:
    """What a command asks of the telescope if it is carried out `now`, beside the sessions that it has."""
    try:
        match entry.command.strip().casefold():
            case "powerbeam":
                return _beam(SessionMode.POWER, entry, now, settings, sessions)
            case "voltagebeam":
                return _beam(SessionMode.VOLT, entry, now, settings, sessions)
            case "trigger":
                return _trigger(entry, now, settings)
            case "test":
                return Nothing("a test: nothing was moved")
            case unknown:
                known = "powerbeam, voltagebeam, trigger, test"
                return Refused(f"command: {unknown[:50]!r} is not known here; known are {known}")
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False, include_context=False)
        return Refused("; ".join(f"{'.'.join(['args', *map(str, e['loc'])])}: {e['msg']}" for e in wrong))
    except ValueError as error:
        return Refused(f"args: {error}")


def _beam(
    mode: SessionMode, entry: Entry, now: datetime, settings: LwaSettings, sessions: Sessions
) -> Observe | Refused:
    args = BeamArguments.model_validate(spelled(entry.args))
    if args.beamnum is not None and args.beamnum not in BEAMS[mode]:
        return Refused(f"args.beamnum: {mode} has beam 1 only, not {args.beamnum}")
    if args.duration is not None:
        duration = args.duration
    elif args.dm is not None:
        # Its sweep through the band, for a burst that has only just been seen far above it.
        duration = dispersion_delay(args.dm, settings.low_mhz) + settings.margin_s
    else:
        return Refused("args.duration: missing, and so is args.dm to reckon it from")
    if duration > settings.longest_s:
        return Refused(
            f"args.duration: {duration:.0f} s; no session is longer than {settings.longest_s:.0f} s"
        )
    start = args.start or now
    try:
        end = start + timedelta(seconds=duration)
    except OverflowError:
        return Refused(f"args.start: {start:%Y-%m-%d} is at the end of time")
    if end - now < timedelta(milliseconds=1):
        return Refused(f"too late: args.start and args.duration end at {end:%Y-%m-%dT%H:%M:%SZ}")
    calibrate = settings.do_cal and start - now >= LEAD + CALIBRATION
    submission: Literal["asap", "buffer"] = "buffer" if start - now >= LEAD else "asap"
    if submission == "asap":
        # It begins at once: late, or early where the scheduler would not be ready, and ends when it was to.
        start = now
    beams = settings.beams if mode is SessionMode.POWER else BEAMS[mode]
    wanted = beams if args.beamnum is None else (args.beamnum,)
    occupied = {
        beam: overlapping(sessions, f"{mode}{beam}", to_mjd(start), to_mjd(end + SUBMISSION))
        for beam in wanted
    }
    beam = next((beam for beam, other in occupied.items() if not other), None)
    if beam is None:
        return Refused(f"no beam is free for it: {', '.join(occupied.values())}")
    observation = Observation(
        obs_id=1,
        target=_target(args.name or entry.event_id or f"{entry.slot}-{entry.seq}"),
        start=start,
        duration_ms=max(1, round((end - start) / timedelta(milliseconds=1))),
        int_time_ms=_integration(args.inttime or settings.int_time_ms) if mode is SessionMode.POWER else None,
        ra=args.ra,
        dec=args.dec,
    )
    session = Session(
        session_id=entry.id,  # unique, so that the session in the schedule is the command's own
        mode=mode,
        beam=beam,
        pi_id=settings.pi_id,
        pi_name=settings.pi_name,
        config_file=settings.config_file,
        cal_dir=settings.cal_dir,
        do_cal=calibrate,
        observations=(observation,),
    )
    return Observe(session, submission)


def _integration(wanted_ms: float) -> int:
    """The power of two at or below what is wanted, as the recorder would take it."""
    return 1 << (int(wanted_ms).bit_length() - 1)


def _target(name: str) -> str:
    """A name as one word that files and lines can hold: CHIME's ivorns hold `#`, `:` and `+`."""
    word = re.sub(r"[^A-Za-z0-9.+-]+", "_", name).strip("_")[:64] or "unnamed"
    return f"{word}_field" if word.casefold() in BODIES else word


def _trigger(entry: Entry, now: datetime, settings: LwaSettings) -> Dump | Refused:
    args = DumpArguments.model_validate(spelled(entry.args))
    field = "nsamp" if args.nsamp is not None else "duration"
    seconds = args.duration or settings.buffer_s if args.nsamp is None else args.nsamp / ring.SAMPLE_HZ
    if seconds > settings.longest_dump_s:
        return Refused(
            f"args.{field}: {seconds:.0f} s; no dump is longer than {settings.longest_dump_s:.0f} s"
        )
    samples = ring.to_samples(seconds) if args.nsamp is None else args.nsamp
    return Dump(dump.plan(str(entry.id), now, samples), {"event_id": entry.event_id, **entry.args})
