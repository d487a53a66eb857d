"""The LWA client is killed at every step, held up and doubled, and no command is acted on twice or lost."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ovro_alert.demo.sample_waves import BNS, gw_notice
from support import RunningRelay, until
from tests.clients.observatory import LIMIT_S, Observatory, observatory

pytestmark = pytest.mark.end_to_end
BEAM = {"ra": 83.633083, "dec": 22.0145}
BEAMS = (3, 5, 6, 7, 8, 9, 10, 1, 11, 12, 13, 14, 15, 16)
# Of the worker; and of what it asks etcd as it carries a command out and follows it, by the command's word.
STEPS = ["claimed", "looked", "planned", "running", "acted", "followed", "settled", "reported"]
ASKED = {
    "powerbeam": ["put_once", "get_all"],
    "trigger": ["get", "watch_all", "put_once"],
}

# The daemon with a signal at one of its steps, which come on standard input: for each it is forked from a
# process that has everything in memory, and waited for.
PROGRAM = """
import os, signal, sys, threading
from ovro_alert.clients.lwa_alert import LwaAlertSettings, hands, turn
from ovro_alert.link.daemon import run
from ovro_alert.link.durable import replace
from ovro_alert.link.settings import EtcdSettings, LinkSettings
from ovro_alert.link.worker import Worker

number = getattr(signal, sys.argv[1])
acting = threading.local()

class Struck:
    '''An etcd that tells before and after each question, which it is asked while a command is carried out.'''

    def __init__(self, etcd, step):
        self._etcd, self._step = etcd, step

    def __getattr__(self, name):
        what = getattr(self._etcd, name)
        if not getattr(acting, "word", ""):
            return what
        def asked(*arguments, **named):
            self._step(f"{acting.word} before {name}")
            answer = what(*arguments, **named)
            self._step(f"{acting.word} after {name}")
            return answer
        return asked

class Acting:
    '''Hands that tell when they carry out, and follow.'''

    def __init__(self, hands):
        self.find, self.plan, self.forbid = hands.find, hands.plan, hands.forbid
        self.carry_out, self.follow = telling(hands.carry_out), telling(hands.follow)

def telling(act):
    def told(entry, *arguments):
        acting.word = entry.word
        try:
            return act(entry, *arguments)
        finally:
            acting.word = ""
    return told

def work_until(fatal):
    def step(name):
        if name == fatal:
            # To this very thread: sent to the process, another could be first, and this one go on a little.
            signal.pthread_kill(threading.get_ident(), number)

    def work(stop):
        settings = LwaAlertSettings()
        with LinkSettings().relay() as relay, EtcdSettings().client() as etcd:
            struck = Acting(hands(Struck(etcd, step), settings.directory))
            Worker(relay, struck, settings, stop, in_turn=turn, step=step).follow()

    return work

for line in sys.stdin:
    if (child := os.fork()) == 0:
        os._exit(run(work_until(line.strip())))
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture(scope="module")
def shared_relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRelay]:
    """One for all: commands that are over are nothing to the next client."""
    running = RunningRelay(tmp_path_factory.mktemp("relay"))
    running.start()
    yield running
    running.stop()


@pytest.fixture
def place(shared_relay: RunningRelay, whichever_etcd: str, tmp_path: Path) -> Iterator[Observatory]:
    with observatory(shared_relay, whichever_etcd, tmp_path / "lwa") as place:
        place.tuned = {**place.tuned, "LWA_BEAMS": list(BEAMS)}
        yield place


class Clients:
    """Clients that get a signal at a step, one after the other."""

    def __init__(self, place: Observatory, number: str, name: str = "one") -> None:
        with place.log(name).open("ab") as log:
            self._parent = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, number],
                env=os.environ | place.environment(name),
                cwd=place.directory,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.child = 0

    def start(self, step: str) -> int:
        """Its process id."""
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        print(step, file=self._parent.stdin, flush=True)
        self.child = int(self._parent.stdout.readline())
        return self.child

    def ended(self) -> int:
        """Its exit code, when it has ended."""
        assert self._parent.stdout is not None
        return int(self._parent.stdout.readline())

    def close(self) -> None:
        """Whatever goes on is killed."""
        with suppress(ProcessLookupError):
            os.kill(self.child, signal.SIGKILL)
        self._parent.kill()
        self._parent.communicate(timeout=LIMIT_S)


@pytest.fixture
def killed(place: Observatory) -> Iterator[Clients]:
    clients = Clients(place, "SIGKILL")
    yield clients
    clients.close()


@pytest.fixture
def held_up(place: Observatory) -> Iterator[Clients]:
    clients = Clients(place, "SIGSTOP")
    yield clients
    clients.close()


def each_was_acted_on_once(place: Observatory, ids: list[int], dumps: list[int]) -> None:
    """When all have ended, by the telescope's own account."""
    for one in ids:
        state, detail = place.outcome(one)
        assert state == "done", detail
    sessions = Counter(int(name.partition("_")[0]) for name in place.submitted())
    assert sessions == Counter(one for one in ids if one not in dumps)
    each = Counter({"lxdlwagpu01/2": 1, "lxdlwagpu01/3": 1})
    assert place.pipelines.triggered() == {str(one): each for one in dumps}


def test_killed_at_every_step(place: Observatory, killed: Clients) -> None:
    steps = [*STEPS] + [
        f"{word} {when} {name}" for word in ASKED for name in ASKED[word] for when in ("before", "after")
    ]
    beams, dumps = [], []
    for step in steps:
        if step.startswith("trigger"):
            dumps.append(place.put("trigger", duration=10))
        else:
            # Each its own: a session that began at once ends a little later than its file says.
            beams.append(place.put("powerbeam", **BEAM, duration=0.3, beamnum=BEAMS[len(beams)]))
        killed.start(step)
        assert killed.ended() == -signal.SIGKILL, place.log().read_text()[-3000:]
        # The next one is killed at the first command that it finds at that step, this one or its own.
    place.start()
    each_was_acted_on_once(place, beams + dumps, dumps)


def stopped(clients: Clients, step: str) -> int:
    """A client that is held up at this step, when it is."""
    child = clients.start(step)
    until(lambda: Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "T")
    return child


@pytest.mark.parametrize("step", ["running", "powerbeam before put_once"])
def test_one_that_is_held_up_keeps_its_command_from_others_on_its_host(
    place: Observatory, held_up: Clients, step: str
) -> None:
    asked = place.put("powerbeam", **BEAM, duration=1)
    child = stopped(held_up, step)
    place.start(name="two")
    log = place.log("two")
    until(lambda: "held up may still act" in log.read_text(), LIMIT_S, "the second client's try")
    assert place.submitted() == []
    os.kill(child, signal.SIGCONT)
    each_was_acted_on_once(place, [asked], [])


def test_one_that_is_held_up_beyond_its_lease_does_not_touch_what_another_host_did(
    place: Observatory, held_up: Clients, tmp_path: Path
) -> None:
    """It wakes in the midst of acting, with a plan for a beam that another session has by now."""
    asked = place.put("powerbeam", **BEAM, duration=6)
    child = stopped(held_up, "powerbeam before put_once")
    other = place.put("powerbeam", **BEAM, duration=6)
    place.start(name="two", directory=tmp_path / "another host")
    until(lambda: len(place.executor.begun()) == 2, LIMIT_S)
    os.kill(child, signal.SIGCONT)
    each_was_acted_on_once(place, [asked, other], [])
    assert [one["did"] for one in place.executor.account() if "session" in one].count("cancelled") == 0


def test_what_another_host_has_ended_is_not_acted_on_by_one_that_was_held_up(
    place: Observatory, held_up: Clients, tmp_path: Path
) -> None:
    """It wakes just before it acts; the other has had to say by then that it was too late."""
    end = datetime.now(UTC) + timedelta(seconds=4)
    start = end - timedelta(seconds=1)
    beam = place.put("powerbeam", **BEAM, duration=1, start=start.isoformat())
    child = stopped(held_up, "powerbeam before put_once")
    until(lambda: datetime.now(UTC) > end, LIMIT_S)
    refused_and_left_alone(place, child, beam, tmp_path)


def test_what_was_retracted_is_not_acted_on_by_one_that_was_held_up(
    place: Observatory, held_up: Clients, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    notices = [gw_notice("S261104hld", kind, now, BNS) for kind in ("PRELIMINARY", "RETRACTION")]
    (dump,) = place.http.post("/alerts", content=notices[0]).raise_for_status().json()["commands"]
    child = stopped(held_up, "trigger before put_once")
    place.http.post("/alerts", content=notices[1]).raise_for_status()
    refused_and_left_alone(place, child, dump, tmp_path)


def refused_and_left_alone(place: Observatory, child: int, asked: int, tmp_path: Path) -> None:
    """Another host refuses it, and the client that was about to act on it wakes."""
    place.start(name="two", directory=tmp_path / "another host")
    assert place.outcome(asked)[0] == "refused"
    os.kill(child, signal.SIGCONT)
    until(lambda: "listens to another" in place.log().read_text(), LIMIT_S)
    assert place.submitted() == []
    assert place.pipelines.triggered() == {}


def test_a_second_client_of_the_same_name_ends_at_once(place: Observatory) -> None:
    place.start()
    until(lambda: "following" in place.log().read_text(), LIMIT_S)
    assert place.start().wait(LIMIT_S) != 0
    assert "another client named 'one' runs" in place.log().read_text()
    asked = place.put("powerbeam", **BEAM, duration=0.3)
    each_was_acted_on_once(place, [asked], [])


def test_two_hosts_under_the_same_name_act_once(place: Observatory, tmp_path: Path) -> None:
    for host in ("here", "there"):
        place.start(directory=tmp_path / host)
    beams = [place.put("powerbeam", **BEAM, duration=0.3, beamnum=n) for n in BEAMS]
    dump = place.put("trigger", duration=10)
    each_was_acted_on_once(place, [*beams, dump], [dump])


@pytest.mark.parametrize("away", [False, True])
def test_a_signal_ends_it_cleanly(place: Observatory, away: bool) -> None:
    if away:
        place.relay.stop()
    process = place.start()
    said = "the relay is away" if away else "following"
    until(lambda: said in place.log().read_text(), LIMIT_S, said)
    process.terminate()
    assert process.wait(LIMIT_S) == 0
    if away:
        place.relay.start()
    assert "Traceback" not in place.log().read_text()
    assert "left a request behind" not in place.log().read_text()


def test_it_waits_for_a_relay_that_is_away(place: Observatory) -> None:
    asked = place.put("powerbeam", **BEAM, duration=0.3)
    place.relay.stop()
    place.start()
    until(lambda: "the relay is away" in place.log().read_text(), LIMIT_S, "the client's word")
    place.relay.start()
    each_was_acted_on_once(place, [asked], [])
