"""The voltage dump: what the correlator is told, and how it is seen that it has written one.

`/cmd/corr/0` {"cmd": "trigger", "val": "<specnum>-<name>-"} goes to every node, which hands `val` to a shell
[dsa110/dsa110-xengine, corr.py]: nothing but figures, letters and the two hyphens may stand in it. Spectra of
65.536 µs are counted from the start of the correlator. The nodes keep them for some 20 s, take one trigger at
a time, and tell nobody of a trigger that came too late [dsaX_trigger.c]. A name is yymmdd and four letters, a
day's triggers in order from aaaa on [dsa110/dsa110-event, names.py]; ours are from naaa on, which no day
reaches.
"""

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from string import ascii_lowercase
from typing import Any

from ovro_alert.acting import Outcome, Plan, Trace, Word, refused
from ovro_alert.command import Entry, State, from_mjd, to_mjd
from ovro_alert.telescopes.dsa.arguments import DumpArguments, spelled
from ovro_alert.telescopes.dsa.marks import Clock, Mark, Marks
from ovro_alert.telescopes.dsa.monitor import SEQUENCE_S, Monitor
from ovro_alert.telescopes.dsa.settings import DsaSettings

COMMAND = "/cmd/corr/0"
ANNOUNCEMENT = "/mon/corr/1/trigger"
SPECTRUM_S = 2 * SEQUENCE_S
# A dump is to begin half a second before its burst: so many spectra [dsa110/dsa110-T2, cluster_heimdall.py].
BEFORE = 1907 * 4
NAME = re.compile(r"[0-9]{6}[a-z]{4}")
OURS = ascii_lowercase[13:]  # the first letter of our names


@dataclass(frozen=True)
class Dump:
    """A dump from a spectrum on, under a name; `about` is what its burst was, for the announcement."""

    specnum: int
    name: str
    about: dict[str, Any]

    @property
    def puts(self) -> dict[str, bytes]:
        """The command, by key."""
        return {COMMAND: _json({"cmd": "trigger", "val": f"{self.specnum}-{self.name}-"})}

    @property
    def announcement(self) -> dict[str, bytes]:
        """What the search would say of it, as of a dump that is triggered by hand."""
        nothing = {"snr": 0.0, "ibox": 0, "dm": 0.0, "ibeam": 0, "cntb": 0, "cntc": 0}
        return {ANNOUNCEMENT: _json({self.name: nothing | self.about | {"specnum": self.specnum}})}


def _json(value: Any) -> bytes:
    return json.dumps(value, allow_nan=False).encode()


def name(entry: Entry, args: DumpArguments) -> str:
    """The name of a command's dump: always the same, so that it is found again.

    Raises
        ValueError: it was given one that is none.
    """
    if args.name is not None:
        if not NAME.fullmatch(args.name):
            raise ValueError(f"name: {args.name[:50]!r} is not yymmdd and four letters, such as 260301aaab")
        return args.name
    day = args.mjds or from_mjd(entry.command_mjd)
    number, letters = entry.id, ""
    for alphabet in (ascii_lowercase, ascii_lowercase, ascii_lowercase, OURS):
        number, place = divmod(number, len(alphabet))
        letters = alphabet[place] + letters
    return f"{day:%y%m%d}{letters}"


class Dumps:
    """Acts on the word `dump`; one of `acting.Hands`."""

    def __init__(self, settings: DsaSettings, monitor: Monitor, marks: Marks, clock: Clock) -> None:
        self._settings = settings
        self._monitor = monitor
        self._marks = marks
        self._clock = clock

    def find(self, entry: Entry) -> Trace | None:
        """Its mark; or, where marks were lost, what the correlator was told last."""
        if mark := self._marks.find(entry):
            return mark.trace
        ours = name(entry, _arguments(entry))
        told = self._monitor.value(COMMAND)
        words = str(told.get("val")).split("-") if isinstance(told, dict) else []
        return Trace(ours, self._clock()) if words[1:2] == [ours] else None

    def plan(self, entry: Entry, now: datetime) -> Plan | Outcome:
        """From which spectrum on, if the correlator still has it."""
        args = _arguments(entry)
        ours = name(entry, args)
        if args.specnum == 0:
            message = f"dump {ours} from the oldest that the correlator keeps"
            return Plan({"message": message, "name": ours}, Dump(0, ours, _about(args, now)))
        field = "mjds" if args.specnum is None else "specnum"
        origin = self._monitor.origin()
        if origin is None:
            return refused(f"args.{field}: the correlator does not say from when it counts spectra")
        specnum = args.specnum
        if specnum is None:
            if args.mjds is None:
                return refused("args.specnum: missing, and so is args.mjds to reckon it from")
            specnum = round((args.mjds - origin).total_seconds() / SPECTRUM_S) - BEFORE
        if specnum <= 0:
            return refused(f"args.{field}: before {origin:%Y-%m-%dT%H:%M:%SZ}, when the first spectrum was")
        age = (now - origin).total_seconds() - specnum * SPECTRUM_S
        if age > self._settings.ring_s:
            keeps = f"the correlator keeps {self._settings.ring_s:.0f} s"
            return refused(f"too late: args.{field} is of {age:.0f} s ago, and {keeps}")
        if age < -self._settings.ahead_s:
            why = "until then the correlator would take no other trigger"
            return refused(f"args.{field}: is {-age:.0f} s ahead, and {why}")
        message = f"dump {ours} from spectrum {specnum} on, of {age:.1f} s ago"
        about = _about(args, now - timedelta(seconds=age))
        return Plan({"message": message, "name": ours, "specnum": specnum}, Dump(specnum, ours, about))

    def forbid(self, entry: Entry, why: str) -> bool:
        """Takes the command's mark, where it has none."""
        return self._marks.forbid(entry, why)

    def carry_out(self, entry: Entry, plan: Plan) -> Trace:
        """Gives the command, and the announcement where the settings say so, in one transaction."""
        dump: Dump = plan.what
        puts = dump.puts | (dump.announcement if self._settings.announce_dumps else {})
        mark = Mark.of(entry, "dump", dump.name, self._clock(), dumps=self._monitor.dumps())
        return self._marks.act(entry, mark, puts).trace

    def follow(self, entry: Entry, trace: Trace, word: Word) -> Outcome:
        """Until every node that counts its dumps has one more, or no longer.

        A trigger that was given cannot be taken back.
        """
        mark = self._marks.find(entry)
        before = mark.dumps if mark else {}
        told: list[int] | None = None
        while True:
            now = self._monitor.dumps() if before else {}
            written = sorted(node for node, count in before.items() if now.get(node, count) > count)
            seen = f"{len(written)} of {len(before)} nodes of the correlator have written it"
            is_over = len(written) == len(before) or self._waited(trace)
            if is_over:
                break
            if written != told:
                told = written
                word.say({"message": f"dump {trace.name}: {seen}"})
            word.wait(self._settings.look_s)
        detail: dict[str, Any] = {"name": trace.name}
        if word.retracted_by:
            detail["retracted_by"] = word.retracted_by
            seen += f"; {word.retracted_by} has taken its event back, and a trigger cannot be"
        if not before:
            seen = "the trigger was given, and no node of the correlator says whether it writes"
            return Outcome(State.DONE, {"message": f"dump {trace.name}: {seen}"} | detail)
        detail |= {"written": written, "not_written": sorted(before.keys() - set(written))}
        state = State.DONE if written else State.FAILED
        return Outcome(state, {"message": f"dump {trace.name}: {seen}"} | detail)

    def _waited(self, trace: Trace) -> bool:
        return (self._clock() - trace.at).total_seconds() >= self._settings.dump_wait_s


def _about(args: DumpArguments, start: datetime) -> dict[str, float]:
    said = {"mjds": to_mjd(args.mjds or start), "dm": args.dm, "ra": args.ra, "dec": args.dec}
    return {name: value for name, value in said.items() if value is not None}


def _arguments(entry: Entry) -> DumpArguments:
    return DumpArguments.model_validate(spelled(entry.args))
