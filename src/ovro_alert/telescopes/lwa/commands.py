"""What a command means at OVRO-LWA: a session to observe, a dump to trigger, or a reason why not."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Literal

from ovro_alert.command import Entry, to_mjd
from ovro_alert.sky import ring
from ovro_alert.telescopes.lwa import dump, sdf
from ovro_alert.telescopes.lwa.arguments import DumpArguments, reason, spelled
from ovro_alert.telescopes.lwa.session import Session, Sessions, overlapping
from ovro_alert.telescopes.lwa.settings import LwaSettings
from ovro_alert.telescopes.lwa.wanted import Unfit, occupied, session, wanted


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
            case "powerbeam" | "voltagebeam":
                return _beam(entry, now, settings, sessions)
            case "trigger":
                return _trigger(entry, now, settings)
            case "test":
                return Nothing("a test: nothing was moved")
            case unknown:
                known = "powerbeam, voltagebeam, trigger, test"
                return Refused(f"command: {unknown[:50]!r} is not known here; known are {known}")
    except Unfit as unfit:
        return Refused(str(unfit))
    except ValueError as error:
        return Refused(reason(error))


def _beam(entry: Entry, now: datetime, settings: LwaSettings, sessions: Sessions) -> Observe | Refused:
    asked = wanted(entry, now, settings)
    begin, end = occupied(asked, asked.calibratable, settings)
    held = {
        beam: overlapping(sessions, f"{asked.mode}{beam}", to_mjd(begin), to_mjd(end)) for beam in asked.beams
    }
    beam = next((beam for beam, other in held.items() if not other), None)
    if beam is None:
        return Refused(f"no beam is free for it: {', '.join(held.values())}")
    calibrate = settings.do_cal and asked.calibratable

    return Observe(session(entry, asked, beam, calibrate, settings), asked.submission)


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
