"""DSA-110's client killed at any instant as it dumps, searches and repoints, beside others that dump."""

import json
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from ovro_alert.command import State, to_mjd
from ovro_alert.link.etcd import Etcd
from ovro_alert.sky.dispersion import dispersion_delay
from tests.clients.observatory import Array, array
from torture.audit import whole
from torture.ground import Ground, Outcome
from torture.trial import Trial

KILLS, QUICK = 40, 6
OPEN = 6  # commands at once
APART_S = 4.0  # two bursts, whose dumps the correlator would write for 21 s
DM = 500.0
CHIME_MHZ, TOP_MHZ = 400.0, 1530.0
ZENITH_DEC = 37.23
POLICY = """
[[rule]]
name = "look there"
when = ['source == "flarescope"']
[[rule.then]]
slot = "dsa"
command = "repoint"
approval = true
deadline = 'after(request.start, 3600)'
args.dec = 'localization.dec'
"""


@dataclass
class DsaTrial(Trial):
    """At DSA-110; `says` is what each command must end with, `moves` where each repoint goes (deg)."""

    place: Array
    says: dict[int, str] = field(default_factory=dict)
    moves: dict[int, float] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)  # dumps that the search triggered
    _numbers: "count[int]" = field(default_factory=count)

    def dump(self, **args: Any) -> int:
        """Of what the correlator holds, unless it is said from when on."""
        return self._must_say(self.ask("dump", State.DONE, **args or {"specnum": 0}), "16 of 16 nodes")

    def search(self) -> int:
        """For a burst that the array has seen; another comes after it."""
        name, burst = self._name(), datetime.now(UTC) - timedelta(seconds=3)
        place: dict[str, Any] = {"ra": 150.0, "dec": 37.2}
        self.place.twin.detect(name, burst, DM, **place)
        self.place.twin.detect(self._name(), burst + timedelta(seconds=2), DM / 5, **place)
        later = dispersion_delay(DM, CHIME_MHZ) - dispersion_delay(DM, TOP_MHZ)
        toa = to_mjd(burst + timedelta(seconds=later))
        return self._must_say(
            self.ask("CHIME FRB", State.DONE, **place, dm=DM, toa=toa), f"has seen it: {name}"
        )

    def repoint(self) -> int:
        """By some degrees, by a rule, when a person has approved."""
        number = len(self.moves)
        dec = ZENITH_DEC - 4 + number * 1.7 % 8 + number / 10000  # none near the last five
        request = {"ra": 150.0, "dec": dec, "start": datetime.now(UTC).isoformat(), "duration": 600}
        [id] = self.place.http.post("/alerts", json=request).raise_for_status().json()["commands"]
        self.place.http.post(f"/commands/{id}/approve", json={"by": "somebody"}).raise_for_status()
        self.ends[id], self.moves[id] = State.DONE, round(90 - (ZENITH_DEC - dec), 4)
        return self._must_say(id, "63 antennas are settled at")

    def ask_any(self) -> None:
        """By lot; sometimes the search triggers a dump of its own, past us."""
        kind = self.chance.random()
        if kind < 0.45:
            self.dump()
        elif kind < 0.65:
            self.search()
        elif kind < 0.8:
            self.repoint()
        elif kind < 0.9:
            self.others.append(self._name())
            command = {"cmd": "trigger", "val": f"0-{self.others[-1]}-"}
            with Etcd([self.place.etcd]) as keys:
                keys.put("/cmd/corr/0", json.dumps(command).encode())
        else:
            self.ask("dump", State.REFUSED, specnum=0, name="999999aaaa")

    def once(self) -> str:
        """Waits until all is over; what was done.

        By the array's own account each dump was given and written once, each repoint moved it once, and it
        was told nothing else by us.
        """
        self.wait()
        own = [one for one in self.place.twin.account if one.get("name") not in self.others]
        own = [one for one in own if not any(f"-{name}-" in one["value"] for name in self.others)]
        dumps: Counter[Any] = Counter(
            one["name"] for one in own if one["did"] == "dumped" and one.get("nodes") == 16
        )
        moves: Counter[Any] = Counter(one["elevation"] for one in own if one["did"] == "moved")
        entries = whole(self.place.http, self.place.slot)
        for id, end in self.ends.items():
            state, detail = self.place.outcome(id)
            says = str(detail["message"])
            what = f"command {id}, to be {end} with {self.says.get(id)!r}, is {state}: {says}"
            self.holds(state == end and self.says.get(id, "") in says, what)
            times = (
                moves.pop(self.moves[id], 0) if id in self.moves else dumps.pop(str(detail.get("name")), 0)
            )
            is_act = end is State.DONE and "seen it" not in self.says[id]
            self.holds(times == int(is_act), f"{what}; and was acted on {times} times")
        idle = [one for one in own if one["did"] == "nothing"]
        self.holds(not idle, f"the array did nothing of what it was told: {idle[:3]}")
        self.holds(not dumps and not moves, f"nobody asked for {dumps}, {moves}")
        number = Counter(f"{one['state']} {one['command']}s" for one in entries)
        return ", ".join(f"{times} {name}" for name, times in sorted(number.items()))

    def _must_say(self, id: int, words: str) -> int:
        self.says[id] = words
        return id

    def _name(self) -> str:
        """One of the search's."""
        number, letters = next(self._numbers), ""
        for _ in range(3):
            number, letter = divmod(number, 26)
            letters = chr(ord("a") + letter) + letters
        return f"{datetime.now(UTC):%y%m%d}a{letters}"


def run(ground: Ground, etcd: str) -> Outcome:
    """By the array's own account each dump is given once and written, each repoint moves it once."""
    kills = QUICK if ground.quick else KILLS
    ground = replace(ground, directory=ground.directory / "dsa110")
    ground.directory.mkdir()
    policy = ground.directory / "policy.toml"
    policy.write_text(POLICY)
    with (
        ground.relay({"OVRO_ALERT_RELAY_POLICY": str(policy)}) as relay,
        array(relay, etcd, ground.directory / "dsa") as place,
    ):
        trial = DsaTrial(ground, place)
        _killed(trial, kills)
        _at_once(trial)
        _two_hosts(trial)
    return Outcome(f"{kills} kills", "; ".join(trial.seen), trial.violations)


def _killed(trial: DsaTrial, kills: int) -> None:
    """While there is always something to do."""

    def asking() -> None:
        while trial.open < OPEN:
            trial.ask_any()

    trial.kill(kills, asking)
    told = trial.once()
    own = f"{len(trial.others)} dumps of the search's own beside them"
    trial.say(
        f"{kills} kills of dsa-alert over {len(trial.ends)} commands, {own}, each acted on once: {told}"
    )


def _at_once(trial: DsaTrial) -> None:
    """Two bursts within the ring: the dump of the second waits for that of the first."""
    for _ in range(2):
        trial.dump(mjds=to_mjd(datetime.now(UTC)))
        time.sleep(APART_S)
    trial.once()
    trial.say(f"two bursts {APART_S:g} s apart: both dumps were written")


def _two_hosts(trial: DsaTrial) -> None:
    """A second client of the same name on another host; dumps and a search, all at once."""
    elsewhere = trial.ground.directory / "another host"
    elsewhere.mkdir()
    second = trial.place.start(directory=elsewhere)
    for _ in range(4):
        trial.dump()
    trial.search()
    trial.repoint()
    trial.repoint()
    trial.once()
    trial.holds(second.poll() is None, "the second client has ended")
    trial.say("two clients of one name on two hosts: all was done once")
