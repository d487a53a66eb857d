"""Telescopes' clients killed at any instant; their etcd restarted and away; a telescope that errs."""

import shutil
import time
from datetime import UTC, datetime

from ovro_alert.command import State
from ovro_alert.telescopes.lwa.twin.block import Fault
from tests.clients.observatory import observatory
from tests.etcds import Server
from torture import dsa_alert
from torture.ground import Ground, Outcome, Skipped
from torture.trial import LIMIT_S, OPEN, LwaTrial

TRIES = "kill -9 of the telescopes' clients; etcd restarted and away; a telescope that errs"
KILLS, QUICK = 100, 10
RESTARTS, QUICK_RESTARTS = 20, 3
AWAY_S, QUICK_AWAY_S = 120.0, 10.0
QUIET_S = 5.0  # so long may a pipeline show nothing new
HOSTS = tuple(f"lxdlwagpu0{n}" for n in range(1, 9))
SUMMARIES_S = 6.0  # the recorders say the time a little oftener


def run(ground: Ground) -> Outcome:
    """By the telescope's own account each command is acted on exactly once, and it ends as it should."""
    if shutil.which("etcd") is None:
        raise Skipped("etcd is not installed (Debian's package etcd-server)")
    size = (QUICK, QUICK_RESTARTS, QUICK_AWAY_S) if ground.quick else (KILLS, RESTARTS, AWAY_S)
    kills, restarts, away_s = size
    ground.directory.chmod(0o755)  # the scheduler, of another user, is to find session files there
    etcd = Server(ground.directory / "etcd")
    try:
        etcd.start()
        with (
            ground.relay() as relay,
            observatory(relay, etcd.url, ground.directory / "lwa", hosts=HOSTS) as place,
        ):
            place.tuned = {**place.tuned, "LWA_DUMP_QUIET_S": QUIET_S, "LWA_DUMP_REPLY_S": 2}
            trial = LwaTrial(ground, place)
            _killed(trial, kills)
            _restarted(trial, etcd, restarts)
            _away(trial, etcd, away_s)
            _silent(trial)
            _dropped(trial)
            _full(trial)
            _clock(trial)
            _same_name(trial)
        array = dsa_alert.run(ground, etcd.url)
    finally:
        etcd.remove()
    times = f"OVRO-LWA: {kills} kills, etcd restarted {restarts} times and away for {away_s:.0f} s"
    seen = "; ".join([*trial.seen, array.seen])
    return Outcome(f"{times}; DSA-110: {array.times}", seen, [*trial.violations, *array.violations])


def _killed(trial: LwaTrial, kills: int) -> None:
    """As many commands as kills: beams, dumps, and what is refused."""

    def asking() -> None:
        if trial.open < OPEN:
            trial.ask_any()

    trial.kill(kills, asking)
    while len(trial.ends) < kills:
        trial.wait(OPEN - 1)
        trial.ask_any()
    trial.say(f"{kills} kills over as many commands, each acted on once: {trial.once()}")


def _restarted(trial: LwaTrial, etcd: Server, restarts: int) -> None:
    """etcd, while commands run."""
    for _ in range(restarts):
        trial.wait(OPEN - 2)
        trial.ask_any()
        trial.ask_any()
        time.sleep(trial.chance.uniform(0, 1))
        etcd.stop()
        etcd.start()
    trial.say(f"{restarts} restarts of etcd under commands, each acted on once: {trial.once(2 * restarts)}")


def _away(trial: LwaTrial, etcd: Server, seconds: float) -> None:
    """etcd, for longer than one command may wait; another may for ever."""
    etcd.stop()
    now = datetime.now(UTC).isoformat()
    asked = {"ra": 15.83, "dec": 62.37, "start": now, "duration": seconds / 3}  # of use until that has passed
    [late] = trial.place.http.post("/alerts", json=asked).raise_for_status().json()["commands"]
    trial.ends[late] = State.REFUSED
    waits = trial.beam()
    over = time.monotonic() + seconds
    trial.expect(late, "too late")
    trial.holds(time.monotonic() < over, "a command outlived its deadline while etcd was away")
    time.sleep(max(0.0, over - time.monotonic()))
    etcd.start()
    trial.expect(waits)
    trial.once(2)
    trial.say(f"etcd away for {seconds:.0f} s: past its deadline one was refused, one without was done later")


def _silent(trial: LwaTrial) -> None:
    """Pipelines that never reply, reply late, refuse, and have a clock that is off."""
    pipelines = trial.place.pipelines
    pipelines.misbehave("silent")
    trial.expect(trial.dump(), "16 of 16 pipelines complete")
    pipelines.misbehave("slow")
    trial.expect(trial.dump(), "16 of 16 pipelines complete")
    pipelines.misbehave(Fault())
    pipelines.misbehave("refuses", *(f"{host}/{number}" for host in HOSTS[:4] for number in (2, 3)))
    trial.expect(trial.dump(), "8 of 16 pipelines failed")
    pipelines.misbehave("refuses")
    trial.expect(trial.dump(State.FAILED), "no pipeline took it")
    pipelines.misbehave("fast clock")
    trial.expect(trial.dump(), "the clocks of 16 pipelines are off ours")
    pipelines.misbehave(Fault())
    trial.say("pipelines silent, slow, refusing, 3 s off: each dump ended as they did, and said so")


def _dropped(trial: LwaTrial) -> None:
    """Sessions that the scheduler drops without a word, and does not hear of."""
    faults = trial.place.executor.faults
    faults.drop = 1
    trial.expect(trial.beam(State.FAILED), "by the scheduler within")
    trial.say("a session dropped by the scheduler: failed, and said so")


def _full(trial: LwaTrial) -> None:
    """The disk of two pipelines, in the midst of a dump."""
    trial.place.pipelines.misbehave("full", f"{HOSTS[0]}/2", f"{HOSTS[7]}/3")
    trial.expect(trial.dump(), "2 of 16 pipelines failed", "out of disk space")
    trial.place.pipelines.misbehave(Fault())
    trial.say("two full disks: 2 of 16 pipelines failed, and said so")


def _clock(trial: LwaTrial) -> None:
    """That of the recorders, three seconds ahead."""
    well = trial.place.check()
    trial.holds(well.returncode == 0, f"--check finds fault with a telescope that is well: {well.stdout}")
    trial.place.executor.faults.clock_s = 3.0
    time.sleep(SUMMARIES_S)
    off = trial.place.check()
    told = [line for line in off.stdout.splitlines() if "the clock of" in line]
    trial.holds(off.returncode == 1 and bool(told), f"--check does not tell of the clock: {off.stdout}")
    trial.place.executor.faults.clock_s = 0.0
    trial.say("a clock 3 s off: told by --check")


def _same_name(trial: LwaTrial) -> None:
    """Two clients: on one host the second ends, on two hosts both live."""
    second = trial.place.start()
    trial.holds(second.wait(LIMIT_S) != 0, "a second client of the same name runs on one directory")
    trial.place.start(directory=trial.ground.directory / "another host")
    for beamnum in (3, 5, 6, 7, 8):
        trial.beam(beamnum=beamnum)
    trial.dump()
    trial.once(6)
    trial.say("two clients of one name: on one host the second ended, on two hosts all was done once")
