"""The voltage dump: what the correlator is told, and how it is seen that it has written one.

`/cmd/corr/0` {"cmd": "trigger", "val": "<specnum>-<name>-"} goes to every node, which hands `val` to a shell
[dsa110/dsa110-xengine, corr.py]: nothing but figures, letters and the two hyphens may stand in it. Spectra of
65.536 µs are counted from the start of the correlator. The nodes keep them for some 20 s, take one trigger at
a time, and tell nobody of one that came too late, or while another was waited for [dsaX_trigger.c]. A name is
yymmdd and four letters, a day's triggers in order from aaaa on [dsa110/dsa110-event, names.py]; ours are from
naaa on, which no day reaches.
"""

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from string import ascii_lowercase
from typing import Any

from ovro_alert.acting import Later, Outcome, Plan, Trace, Word, refused
from ovro_alert.command import Entry, State, from_mjd, to_mjd
from ovro_alert.telescopes.dsa.arguments import DumpArguments, spelled
from ovro_alert.telescopes.dsa.correlator import COMMAND, SPECTRUM_S, Correlator, Nodes, told
from ovro_alert.telescopes.dsa.marks import Clock, Mark, Marks
from ovro_alert.telescopes.dsa.settings import DsaSettings
from ovro_alert.telescopes.dsa.trigger import ANNOUNCEMENT
from ovro_alert.telescopes.etcd import Keys
from ovro_alert.telescopes.history import history

# A dump is to begin half a second before its burst: so many spectra [dsa110/dsa110-T2, cluster_heimdall.py].
BEFORE = 1907 * 4
NAME = re.compile(r"[0-9]{6}[a-z]{4}")
MOST_NAMES = 50  # a day's, and more
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


@dataclass(frozen=True)
class _Planned:
    """A dump; the nodes, and the revision of the correlator's last command, by which it was planned."""

    dump: Dump
    nodes: Nodes
    revision: int


def _json(value: Any) -> bytes:
    return json.dumps(value, allow_nan=False).encode()


def name(entry: Entry, args: DumpArguments) -> str:
    """The name of a command's dump: always the same, so that it is found again.

    Raises
        ValueError: it was given one that is none.
    """
    if args.name is not None:
        if not _is_name(args.name):
            raise ValueError(f"name: {args.name[:50]!r} is not yymmdd and four letters, such as 260301aaab")
        return args.name
    day = args.mjds or from_mjd(entry.command_mjd)
    number, letters = entry.id, ""
    for alphabet in (ascii_lowercase, ascii_lowercase, ascii_lowercase, OURS):
        number, place = divmod(number, len(alphabet))
        letters = alphabet[place] + letters
    return f"{day:%y%m%d}{letters}"


def _is_name(text: str) -> bool:
    if not NAME.fullmatch(text):
        return False
    try:
        datetime.strptime(f"{text[:6]}Z", "%y%m%dZ")
    except ValueError:
        return False
    return True


class Dumps:
    """Acts on the word `dump`; one of `acting.Hands`."""

    def __init__(self, keys: Keys, settings: DsaSettings, marks: Marks, clock: Clock) -> None:
        self._keys = keys
        self._settings = settings
        self._correlator = Correlator(keys, settings)
        self._marks = marks
        self._clock = clock

    def find(self, entry: Entry) -> Trace | None:
        """Its mark; or, where marks were lost, that the correlator was told last of a name that is its own.

        One that it was given says nothing: another command may have been given it, too.
        """
        if mark := self._marks.find(entry):
            return mark.trace
        args = _arguments(entry)
        if args.name is not None:
            return None
        ours = name(entry, args)
        return Trace(ours, self._clock()) if told(self._keys.get(COMMAND).put).name == ours else None

    def plan(self, entry: Entry, now: datetime) -> Plan | Outcome:
        """From which spectrum on, if the correlator still has it, and waits for no other dump."""
        args = _arguments(entry)
        ours = name(entry, args)
        if args.name is not None and self._was_told(args.name):
            return refused(f"args.name: {args.name} was another dump's already")
        origin, last = self._correlator.look()
        nodes = self._correlator.nodes()
        clock = self._correlator.clock(nodes, now)
        waits = None
        if self._correlator.waits(last, origin, nodes, now):
            waits = f"the correlator waits for dump {last.name}, and takes one trigger at a time"
        asked = self._asked(args, origin, now)
        if isinstance(asked, str):
            return refused("; ".join(filter(None, (asked, waits, clock))))
        if waits:
            raise Later(waits)
        specnum, age = asked
        summary: dict[str, Any] = {"name": ours}
        if specnum:
            summary |= {"specnum": specnum}
            message = f"dump {ours} from spectrum {specnum} on, of {age:.1f} s ago"
        else:
            message = f"dump {ours} from the oldest that the correlator keeps"
        about = _about(args, now - timedelta(seconds=age))
        what = _Planned(Dump(specnum, ours, about), nodes, last.revision)
        return Plan({"message": message} | summary | ({"clock": clock} if clock else {}), what)

    def forbid(self, entry: Entry, why: str) -> bool:
        """Takes the command's mark, where it has none."""
        return self._marks.forbid(entry, why)

    def carry_out(self, entry: Entry, plan: Plan) -> Trace:
        """Gives the command, and the announcement where the settings say so, in one transaction.

        Not where the correlator was told of another dump since: Later.
        """
        planned: _Planned = plan.what
        dump = planned.dump
        puts = dump.puts | (dump.announcement if self._settings.announce_dumps else {})
        mark = Mark.of(entry, "dump", dump.name, self._clock(), dumps=planned.nodes.dumps)
        return self._marks.act(entry, mark, puts, {COMMAND: planned.revision}).trace

    def follow(self, entry: Entry, trace: Trace, word: Word) -> Outcome:
        """Until every node that counts its dumps has one more, or no longer.

        A trigger that was given cannot be taken back.
        """
        mark = self._marks.find(entry)
        before = mark.dumps if mark else {}
        said: list[int] | None = None
        while True:
            nodes = self._correlator.nodes()
            written = sorted(node for node, count in before.items() if nodes.dumps.get(node, count) > count)
            seen = f"{len(written)} of {len(before)} nodes of the correlator have written it"
            is_over = not before or len(written) == len(before) or self._waited(trace)
            if is_over:
                break
            if written != said:
                said = written
                word.say({"message": f"dump {trace.name}: {seen}"})
            word.wait(self._settings.look_s)
        detail: dict[str, Any] = {"name": trace.name}
        if nodes.silent:
            detail["silent"] = list(nodes.silent)
            seen += f"; nothing new is heard of {', '.join(map(str, nodes.silent))}"
        if word.retracted_by:
            detail["retracted_by"] = word.retracted_by
            seen += f"; {word.retracted_by} has taken its event back, and a trigger cannot be"
        if not before:
            seen = "the trigger was given, and no node of the correlator says whether it writes"
            return Outcome(State.DONE, {"message": f"dump {trace.name}: {seen}"} | detail)
        detail |= {"written": written, "not_written": sorted(before.keys() - set(written))}
        state = State.DONE if written else State.FAILED
        return Outcome(state, {"message": f"dump {trace.name}: {seen}"} | detail)

    def _asked(self, args: DumpArguments, origin: datetime | None, now: datetime) -> tuple[int, float] | str:
        """The spectrum that is asked for and its age (s), 0 for the oldest; or why it cannot be had."""
        if args.specnum == 0:
            return 0, 0.0
        field = "mjds" if args.specnum is None else "specnum"
        if origin is None:
            return f"args.{field}: the correlator does not say from when it counts spectra"
        specnum = args.specnum
        if specnum is None:
            if args.mjds is None:
                return "args.specnum: missing, and so is args.mjds to reckon it from"
            specnum = round((args.mjds - origin).total_seconds() / SPECTRUM_S) - BEFORE
        if specnum <= 0:
            return f"args.{field}: before {origin:%Y-%m-%dT%H:%M:%SZ}, when the first spectrum was"
        age = (now - origin).total_seconds() - specnum * SPECTRUM_S
        if age > self._settings.ring_s:
            keeps = f"the correlator keeps {self._settings.ring_s:.0f} s"
            return f"too late: args.{field} is of {age:.0f} s ago, and {keeps}"
        if age < -self._settings.ahead_s:
            why = "until then the correlator would take no other trigger"
            return f"args.{field}: is {-age:.0f} s ahead, and {why}"
        return specnum, age

    def _was_told(self, given: str) -> bool:
        """Whether the correlator was told of a dump of this name, as far back as etcd remembers."""
        return any(told(put).name == given for put in history(self._keys, COMMAND, MOST_NAMES))

    def _waited(self, trace: Trace) -> bool:
        return (self._clock() - trace.at).total_seconds() >= self._settings.dump_wait_s


def _about(args: DumpArguments, start: datetime) -> dict[str, float]:
    said = {"mjds": to_mjd(args.mjds or start), "dm": args.dm, "ra": args.ra, "dec": args.dec}
    return {name: value for name, value in said.items() if value is not None}


def _arguments(entry: Entry) -> DumpArguments:
    return DumpArguments.model_validate(spelled(entry.args))
