"""The dump of the voltage buffer, against the pipelines' twin on keys in memory, by a clock of its own."""

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from telescopes.memory import NOW, Clock, MemoryKeys

from ovro_alert.acting import Later, NotTaken, Outcome, Plan, Trace, Unreachable
from ovro_alert.command import Entry, State
from ovro_alert.link.etcd import Etcd
from ovro_alert.telescopes.lwa.dump.hands import Dumping
from ovro_alert.telescopes.lwa.dump.settings import DumpSettings
from ovro_alert.telescopes.lwa.twin.block import Fault
from ovro_alert.telescopes.lwa.twin.pipelines import Pipelines

Make = Callable[..., Entry]
FIRST = "lxdlwagpu01/2"
LAST = "lxdlwagpu08/3"
PIPELINES = tuple(f"lxdlwagpu{host:02}/{number}" for host in range(1, 9) for number in (2, 3))


def key(kind: str, name: str) -> str:
    host, number = name.split("/")
    return f"/{kind}/corr/x/{host}/pipeline/{number}/TriggeredDump/0"


class Keys(MemoryKeys):
    """Loses the answer of the next put_once, `before` or `after` it was done; `meanwhile` comes before it."""

    loses = ""
    meanwhile: Callable[[], None] | None = None

    def put_once(
        self, mark: str, puts: Mapping[str, bytes], unchanged: Mapping[str, int] | None = None
    ) -> bool:
        lost, self.loses = self.loses, ""
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile:
            meanwhile()
        if lost == "before":
            raise Unreachable("no answer")
        done = super().put_once(mark, puts, unchanged)
        if lost == "after":
            raise Unreachable("no answer")
        return done

    def value(self, key: str) -> bytes:
        put = self.get(key).put
        assert put is not None, key
        return put.value

    def keys_put(self, prefix: str) -> list[str]:
        return [key for key, _ in self.log if key.startswith(prefix)]


class Site:
    """The twin's pipelines, a clock, and hands that act on them; it is `Word`, too."""

    def __init__(self, **settings: Any) -> None:
        self.clock = Clock()
        self.keys = Keys()
        self.settings = DumpSettings(**settings)
        self.twin = Pipelines(self.keys, hosts=self.settings.hosts, clock=self.clock)
        self.keys.idle = self.idle = lambda: self.wait(0.25)
        self.hands = self.another_client()
        self.said: list[dict[str, Any]] = []
        self.retracted_by: str | None = None
        self.at: dict[int, Callable[[], None]] = {}  # what happens when it waits that much after NOW
        self.tick()

    def another_client(self) -> Dumping:
        return Dumping(self.keys, self.settings, clock=self.clock)

    @property
    def now(self) -> datetime:
        return self.clock()

    def say(self, detail: dict[str, Any]) -> None:
        json.dumps(detail)
        self.said.append(detail)

    def check(self) -> None: ...

    def wait(self, seconds: float) -> None:
        self.clock.on(seconds)
        for at in [at for at in self.at if self.now >= NOW + timedelta(seconds=at)]:
            self.at.pop(at)()
        self.tick()

    def tick(self) -> None:
        self.keys.idle = lambda: None  # the twin does not wait
        self.twin.tick()
        self.keys.idle = self.idle

    def plan(self, entry: Entry) -> Plan:
        plan = self.hands.plan(entry, self.now)
        assert isinstance(plan, Plan), plan
        return plan

    def begin(self, entry: Entry) -> Trace:
        return self.hands.carry_out(entry, self.plan(entry))

    def through(self, entry: Entry) -> Outcome:
        outcome = self.hands.follow(entry, self.begin(entry), self)
        json.dumps(outcome.detail)
        return outcome

    def others(self, *names: str, nfile: int = 20, ntime_per_file: int = 1_000_320) -> None:
        """Somebody else's trigger of these pipelines, of 20 files of 41.8 s if not said otherwise."""
        for name in names:
            kwargs = {
                "command": "trigger",
                "nfile": nfile,
                "ntime_per_file": ntime_per_file,
                "dump_path": "/data0/" if name.endswith("2") else "/data1/",
            }
            val = {"block": "TriggeredDump", "timestamp": self.now.timestamp(), "kwargs": kwargs}
            told = {"cmd": "update", "val": val, "id": "1767000000"}
            self.keys.put(key("cmd", name), json.dumps(told).encode())
        self.tick()

    def retract(self) -> None:
        self.retracted_by = "chime-2"


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def trigger(command: Make) -> Make:
    """A trigger of what was so many seconds ago: 40 to 30 s if not said otherwise."""

    def make(start: float = 40, end: float = 30, id: int = 777, **args: Any) -> Entry:
        window = {"start": NOW - timedelta(seconds=start), "end": NOW - timedelta(seconds=end)}
        return command("trigger", {name: at.isoformat() for name, at in window.items()} | args, id=id)

    return make


def test_a_dump_is_told_once_to_all_at_one_moment_and_followed_to_complete(site: Site, trigger: Make) -> None:
    entry = trigger()
    assert site.hands.find(entry) is None
    assert site.keys.keys_put("") == site.keys.keys_put("/mon/")
    outcome = site.through(entry)
    assert outcome.state is State.DONE
    assert "16 of 16 pipelines complete" in outcome.detail["message"]
    assert site.twin.triggered() == {"777": dict.fromkeys(outcome.detail["pipelines"], 1)}
    assert len({put.revision for key, put in site.keys.log if key.startswith("/cmd/")}) == 1
    dumps = site.twin.account()["dumps"]
    assert {each["status"] for each in dumps} == {"complete"}
    assert outcome.detail["bytes"] == sum(each["bytes"] for each in dumps)
    assert outcome.detail["files"] == 16 * dumps[0]["nfile"]
    first = outcome.detail["pipelines"][FIRST]
    began = site.twin.account()["dumps"][0]["at"]
    assert first["path"] == f"/data0/lwa-dump-{began:.2f}.tbf"
    assert outcome.detail["pipelines"][LAST]["path"].startswith("/data1/")
    assert site.hands.find(entry).at == NOW
    assert site.said[0]["pipelines"]["accepted"] == 16
    assert [each["bytes"] for each in site.said] == sorted(each["bytes"] for each in site.said)


def test_the_samples_are_those_from_the_oldest_to_the_windows_end(site: Site, trigger: Make) -> None:
    # The oldest may be 170 s old: 140 s × 23925.78125 Hz = 3,349,610 samples, 4 files of 873 blocks.
    plan = site.plan(trigger())
    assert (plan.summary["nfile"], plan.summary["ntime_per_file"]) == (4, 838_080)
    assert plan.summary["bytes_planned"] == 4 * 838_080 * 67_584 * 16


def test_now_is_when_the_command_was_given_also_after_it_has_waited(site: Site, command: Make) -> None:
    entry = command("trigger", {"start": "now", "duration": 60}).model_copy(update={"command_mjd": 61041.5})
    whole, later = site.plan(entry), site.hands.plan(entry, NOW + timedelta(seconds=100))
    assert isinstance(later, Plan)
    # 170 s are held, and 60 s more; 100 s later 170 − 100 + 60.
    assert 230 <= whole.summary["seconds"] < 230.3
    assert 130 <= later.summary["seconds"] < 130.3


@pytest.mark.parametrize("lost", ["before", "after"])
def test_a_command_whose_answer_is_lost_is_given_once(site: Site, trigger: Make, lost: str) -> None:
    entry = trigger()
    site.keys.loses = lost
    plan = site.plan(entry)
    with pytest.raises(Unreachable):
        site.hands.carry_out(entry, plan)
    assert (site.hands.find(entry) is not None) == (lost == "after")
    trace = site.hands.carry_out(entry, plan)  # as by a client that did not look
    assert site.hands.follow(entry, trace, site).state is State.DONE
    assert set(site.twin.triggered()["777"].values()) == {1}


class Killed(BaseException):
    """The client is no more."""


class Deadly:
    """A client's way to the keys, on which it is killed: the nth time, before or after that was done."""

    def __init__(self, keys: Keys, left: int, is_after: bool) -> None:
        self.keys = keys
        self.left = left
        self.is_after = is_after

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any) -> Any:
            self.left -= 1
            if self.left == 0 and not self.is_after:
                raise Killed
            answer = getattr(self.keys, name)(*args)
            if self.left == 0:
                raise Killed
            return answer

        return call


@pytest.mark.parametrize("is_after", [False, True])
def test_a_client_that_is_killed_at_any_instant_leaves_it_to_the_next(trigger: Make, is_after: bool) -> None:
    entry, instant = trigger(), 0
    while True:
        instant += 1
        site = Site(hosts=("lxdlwagpu01",))
        deadly = Deadly(site.keys, instant, is_after)
        dying = Dumping(deadly, site.settings, clock=site.clock)
        try:
            assert dying.find(entry) is None
            plan = dying.plan(entry, site.now)
            dying.follow(entry, dying.carry_out(entry, plan), site)
        except Killed:
            site.wait(1)
        client = site.another_client()
        trace = client.find(entry) or client.carry_out(entry, site.plan(entry))
        assert client.follow(entry, trace, site).detail["failed"] == {}
        assert site.twin.triggered() == {"777": {FIRST: 1, "lxdlwagpu01/3": 1}}
        if deadly.left > 0:
            break
    assert instant > 50


def test_a_second_client_does_not_give_it_again(site: Site, trigger: Make) -> None:
    entry, other = trigger(), site.another_client()
    plans = [site.plan(entry), other.plan(entry, site.now)]
    traces = [site.hands.carry_out(entry, plans[0]), other.carry_out(entry, plans[1])]
    assert traces[0].at == traces[1].at
    site.wait(1)
    assert set(site.twin.triggered()["777"].values()) == {1}
    assert other.follow(entry, traces[1], site).state is State.DONE


@pytest.mark.parametrize(
    "gone", [(), ("/ovro-alert/",), ("/ovro-alert/", "/cmd/"), ("/ovro-alert/", "/resp/")]
)
def test_it_is_found_and_followed_after_a_restart_by_what_is_left(
    site: Site, trigger: Make, gone: tuple[str, ...]
) -> None:
    entry = trigger()
    site.begin(entry)
    site.wait(30)
    site.keys.log = (
        [each for each in site.keys.log if not each[0].startswith(gone)] if gone else site.keys.log
    )
    client = site.another_client()
    trace = client.find(entry)
    assert trace is not None
    assert client.find(trigger(id=778)) is None
    assert abs(trace.at - NOW) < timedelta(seconds=1)
    outcome = client.follow(entry, trace, site)
    assert outcome.state is State.DONE
    assert "16 of 16" in outcome.detail["message"]


def test_the_mark_says_what_was_done_and_for_what(site: Site, trigger: Make) -> None:
    site.begin(trigger(300, 100))
    mark = json.loads(site.keys.value("/ovro-alert/lwa/777"))
    assert (mark["kind"], mark["name"], mark["event_id"], mark["command"]) == (
        "dump",
        "dump 777",
        "event",
        "trigger",
    )
    assert datetime.fromisoformat(mark["at"]) == NOW
    assert mark["notes"] == ["its first 142 s have left the ring"]


def test_no_second_dump_while_one_is_written_and_none_is_lost(site: Site, trigger: Make) -> None:
    site.begin(trigger(id=776))
    shown = json.loads(site.keys.value(key("mon", FIRST)))
    assert "status" not in shown["stats"], "the monitor shows it already, and the blind time was not tried"
    second = trigger(120, -300)
    waited = set()
    while True:
        try:
            plan = site.hands.plan(second, site.now)
            break
        except Later as later:
            waited.add(str(later))
            site.wait(1)
    assert len(waited) == 2  # first it was told to, then it writes
    assert all(f"{FIRST} " in each and "the dump '776', and 15 more" in each for each in waited)
    assert isinstance(plan, Plan)
    assert {each["status"] for each in site.twin.account()["dumps"]} == {"complete"}
    site.hands.carry_out(second, plan)
    assert {each["did"] for each in site.twin.account()["heard"]} == {"began"}


def test_a_refused_trigger_keeps_nobody_waiting(site: Site, trigger: Make) -> None:
    site.twin.misbehave("refuses")
    with pytest.raises(NotTaken):
        site.begin(trigger(id=776))
    site.twin.misbehave(Fault())
    assert site.through(trigger()).state is State.DONE


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (Fault(response=-1), "refused: -1, an unknown key"),
        (Fault(response=-2), "refused: -2, a wrong type"),
        (Fault(response=-3), "refused: -3, an invalid value"),
        (Fault(ends="stopped"), "stopped"),
        (Fault(ends="stream end"), "stream end"),
        (Fault(ends="full"), "it may be out of disk space"),
        (Fault(ends="dies"), "its monitor has been silent for"),
        (Fault(hears=False), "no reply, and it did not begin"),
    ],
)
def test_what_some_fail_at_is_said_of_them(site: Site, trigger: Make, fault: Fault, why: str) -> None:
    site.twin.misbehave(fault, FIRST, LAST)
    outcome = site.through(trigger())
    assert outcome.state is State.DONE
    assert outcome.detail["message"].startswith("2 of 16 pipelines failed: ")
    assert f"({FIRST}, {LAST})" in outcome.detail["message"]
    assert outcome.detail["failed"].keys() == {FIRST, LAST}
    assert why in outcome.detail["failed"][FIRST]
    assert "14 of 16 pipelines complete" in outcome.detail["message"]


@pytest.mark.parametrize("fault", [Fault(ends="full"), Fault(ends="dies"), Fault(ends="stopped")])
def test_where_none_completes_it_has_failed_and_the_next_may_begin(
    site: Site, trigger: Make, fault: Fault
) -> None:
    site.twin.misbehave(fault)
    outcome = site.through(trigger(id=776))
    assert outcome.state is State.FAILED
    assert outcome.detail["failed"].keys() == outcome.detail["pipelines"].keys()
    assert outcome.detail["bytes"] > 0  # which are on disk
    site.twin.misbehave(Fault())
    assert isinstance(site.hands.plan(trigger(10, -300), site.now), Plan)
    # Another client does not know how long they have been like that.
    other, patience = site.another_client(), site.now + timedelta(seconds=70)
    while site.now < patience:
        try:
            assert isinstance(other.plan(trigger(10, -300), site.now), Plan)
            return
        except Later:
            site.wait(1)
    raise AssertionError("what has long stopped writing is waited for")


def test_it_is_not_taken_where_all_refuse(site: Site, trigger: Make) -> None:
    site.twin.misbehave(Fault(response=-3))
    with pytest.raises(NotTaken, match="no pipeline took it: refused: -3"):
        site.begin(trigger())
    assert site.twin.account()["dumps"] == []


def test_where_none_answers_it_may_have_been_taken_and_is_followed(site: Site, trigger: Make) -> None:
    site.twin.misbehave("down")
    outcome = site.through(trigger())
    assert outcome.state is State.FAILED
    assert "16 of 16 pipelines failed: no reply, and it did not begin" in outcome.detail["message"]


@pytest.mark.parametrize("publish_s", [10.0, 10.5, 30.0])
@pytest.mark.parametrize("refusing", [(), (FIRST,)])
def test_pipelines_that_write_and_say_nothing_have_taken_it(
    trigger: Make, publish_s: float, refusing: tuple[str, ...]
) -> None:
    site = Site()
    site.twin = Pipelines(site.keys, clock=site.clock, publish_s=publish_s)
    site.tick()
    site.twin.misbehave("silent")
    if refusing:
        site.twin.misbehave("refuses", *refusing)
    outcome = site.through(trigger())
    assert outcome.state is State.DONE
    assert outcome.detail["failed"].keys() == set(refusing)


def test_those_that_answer_late_hold_nobody_up(site: Site, trigger: Make) -> None:
    site.twin.misbehave("slow", FIRST, LAST)
    entry = trigger()
    trace = site.begin(entry)
    assert trace.name == "dump 777, taken by 14 of 16 pipelines"
    assert site.now - NOW < timedelta(seconds=1)
    outcome = site.hands.follow(entry, trace, site)
    assert outcome.detail["failed"] == {}
    assert site.said[-1]["pipelines"]["accepted"] == 16


@pytest.mark.parametrize("gap", [0, 0.1, 2])
def test_who_is_quicker_between_our_look_and_our_command_is_waited_for(
    site: Site, trigger: Make, gap: float
) -> None:
    site.through(trigger(id=775))
    site.wait(60)
    entry = trigger(-70, -80, id=777)
    plan = site.plan(entry)
    site.others(FIRST, nfile=1)  # somebody at a terminal
    site.clock.on(gap)
    with pytest.raises(Later, match="told something since"):
        site.hands.carry_out(entry, plan)
    assert site.hands.find(entry) is None
    while True:
        try:
            outcome = site.through(entry)
            break
        except Later:
            site.wait(1)
    assert "16 of 16 pipelines complete" in outcome.detail["message"]
    assert {each["did"] for each in site.twin.account()["heard"]} == {"began"}


def test_of_two_clients_with_a_dump_each_one_waits_for_the_other(site: Site, trigger: Make) -> None:
    other = site.another_client()
    first, second = trigger(id=1), trigger(100, -60, id=2)
    plans = [site.plan(first), other.plan(second, site.now)]
    trace = site.hands.carry_out(first, plans[0])
    assert isinstance(plans[1], Plan)
    with pytest.raises(Later):
        other.carry_out(second, plans[1])
    assert "16 of 16" in site.hands.follow(first, trace, site).detail["message"]
    assert site.twin.triggered().keys() == {"1"}


def test_a_command_whose_reply_is_still_to_come_keeps_the_next_waiting(site: Site, trigger: Make) -> None:
    site.twin.misbehave("slow")
    site.others(FIRST)
    with pytest.raises(Later, match=f"{FIRST} was told to write the dump '1767000000'"):
        site.plan(trigger())


def test_a_point_that_was_gathered_before_the_trigger_says_nothing_of_it(site: Site, trigger: Make) -> None:
    before = json.loads(site.keys.value(key("mon", FIRST)))
    site.others(FIRST)
    site.keys.put(key("mon", FIRST), json.dumps(before | {"time": site.now.timestamp() + 0.1}).encode())
    with pytest.raises(Later, match=f"{FIRST} was told to write"):
        site.plan(trigger())


def test_a_dump_is_over_as_soon_as_its_pipeline_shows_so(site: Site, trigger: Make) -> None:
    """Within half a second of its trigger; but not by a point that may show the end of the one before."""
    site.others(FIRST, nfile=1, ntime_per_file=960)  # 65 MB: 26 ms
    for after, is_over in ((0.05, False), (0.2, True)):
        site.clock.on(after)
        site.twin._published = float("-inf")
        site.tick()
        if is_over:
            assert isinstance(site.hands.plan(trigger(), site.now), Plan)
        else:
            with pytest.raises(Later, match=f"{FIRST} was told to write"):
                site.plan(trigger())


def test_a_point_of_a_fast_clock_from_before_the_trigger_says_nothing_of_it(
    site: Site, trigger: Make
) -> None:
    site.twin.misbehave(Fault(clock_off_s=3, replies=False))
    site.wait(10)
    site.others(FIRST)
    with pytest.raises(Later, match=f"{FIRST} was told to write"):
        site.plan(trigger())


def test_what_was_told_and_swallowed_before_is_over_when_the_pipeline_shows_so(
    site: Site, trigger: Make
) -> None:
    site.twin.misbehave("silent")
    site.others(FIRST, nfile=1, ntime_per_file=960)
    waited = 0
    while waited < 30:
        try:
            site.plan(trigger(10, -60))
            break
        except Later:
            site.wait(1)
            waited += 1
    assert 1 < waited < 12  # until its next point, which the bridge puts every 10 s
    assert site.twin.account()["dumps"][0]["status"] == "complete"


@pytest.mark.parametrize("off", [-40.0, -3.0, 3.0, 40.0])
def test_a_pipeline_whose_clock_is_off_is_no_less_busy(site: Site, trigger: Make, off: float) -> None:
    site.twin.misbehave(Fault(clock_off_s=off))
    for _ in range(3):
        site.wait(5)
    site.begin(trigger(100, -60, id=776))
    for _ in range(40):
        with pytest.raises(Later, match="'776', and 15 more"):
            site.plan(trigger())
        with pytest.raises(Later, match="'776', and 15 more"):
            site.another_client().plan(trigger(), site.now)
        site.wait(1)


def test_what_said_that_it_writes_when_it_died_long_ago_is_not_waited_for(site: Site, trigger: Make) -> None:
    site.twin.misbehave("dies", FIRST)
    site.through(trigger(id=776))
    site.clock.on(86_400)
    site.tick()
    # A client that never looked before: 3 TB at 1.617 GB/s are 1855 s, and that is long past.
    assert isinstance(site.another_client().plan(trigger(-86_400, -86_500), site.now), Plan)


def test_a_retracted_event_aborts_what_still_writes_and_once(site: Site, trigger: Make) -> None:
    site.twin.misbehave("stops", LAST)
    site.at[70] = site.retract
    entry = trigger(40, -120)
    outcome = site.through(entry)
    assert outcome.state is State.FAILED
    assert outcome.detail["message"].startswith("aborted: retracted by chime-2; what was written stays")
    assert outcome.detail["failed"][FIRST] == "aborted"
    account = site.twin.account()
    aborts = [each["pipeline"] for each in account["heard"] if each["command"] == "abort"]
    assert FIRST in aborts
    assert len(aborts) == len(set(aborts))
    assert {each["response"] for each in account["heard"]} == {"0"}
    again = site.another_client()
    trace = again.find(entry)
    assert trace is not None
    assert "retracted by chime-2" in again.follow(entry, trace, site).detail["message"]
    assert len([each for each in site.twin.account()["heard"] if each["command"] == "abort"]) == len(aborts)


def dumps_of(site: Site, id: str) -> dict[str, str]:
    """How each pipeline's dump of that id ended, by the twin's account."""
    return {each["pipeline"]: each["status"] for each in site.twin.account()["dumps"] if each["id"] == id}


@pytest.mark.parametrize("remembered", [True, False])
def test_a_retraction_leaves_alone_what_another_has_triggered_since(
    site: Site, trigger: Make, remembered: bool
) -> None:
    entry = trigger()
    site.begin(entry)
    for _ in range(40):
        site.wait(5)
    assert set(dumps_of(site, "777").values()) == {"complete"}
    trace = site.hands.find(entry)
    assert trace is not None
    ended_alone = site.another_client().follow(entry, trace, site).detail["pipelines"]
    site.others(*PIPELINES)
    for _ in range(4):
        site.wait(5)
    site.retract()
    client = site.another_client()
    trace = client.find(entry)
    assert trace is not None
    if not remembered:
        site.keys.forgotten = site.keys.get("/").revision
    outcome = client.follow(entry, trace, site)
    if remembered:  # etcd has what each showed before it was told the other
        assert outcome.state is State.DONE
        assert outcome.detail["pipelines"] == ended_alone
    else:  # what is shown is not ours
        assert outcome.state is State.FAILED
        assert set(outcome.detail["failed"].values()) == {
            "another dump was triggered before it was seen to be complete"
        }
        assert "bytes" not in outcome.detail["pipelines"][FIRST]
    assert set(dumps_of(site, "1767000000").values()) == {"writing"}


def test_a_dump_that_showed_its_end_once_before_another_was_told_is_complete(
    site: Site, trigger: Make
) -> None:
    """So soon after its trigger that it might have been the end of the dump before."""
    entry = trigger()
    trace = site.begin(entry)
    point = json.loads(site.keys.value(key("mon", FIRST)))
    soon = site.clock().timestamp()
    stats = {"last_trigger_time": soon, "status": "complete", "bytes_dumped": 7, "files_created": 1}
    for one in PIPELINES:
        point |= {"time": soon + 1, "stats": point["stats"] | stats}
        site.keys.put(key("mon", one), json.dumps(point).encode())
    waited = iter([True])

    def wait(seconds: float) -> None:
        if next(waited, False):
            site.others(*PIPELINES)
        else:
            Site.wait(site, seconds)

    site.wait = wait  # type: ignore[method-assign]
    outcome = site.hands.follow(entry, trace, site)
    assert (outcome.state, outcome.detail["bytes"]) == (State.DONE, 7 * len(PIPELINES))


def test_what_another_has_triggered_since_is_not_taken_for_ours_though_our_reply_was_heard(
    site: Site, trigger: Make
) -> None:
    entry = trigger()
    site.twin.misbehave(Fault(shows=False), FIRST)
    trace = site.begin(entry)
    for _ in range(40):
        site.wait(5)
    heard = site.keys.value(key("resp", FIRST))
    site.others(FIRST)
    site.keys.put(key("resp", FIRST), heard)
    site.twin.misbehave(Fault(), FIRST)
    for _ in range(3):
        site.wait(5)
    outcome = site.hands.follow(entry, trace, site)
    assert outcome.detail["failed"] == {FIRST: "another dump was triggered before it was seen to be complete"}


def test_one_that_was_swallowed_since_does_not_take_ours_away(site: Site, trigger: Make) -> None:
    entry = trigger(100, -60)
    site.begin(entry)
    site.wait(20)
    site.others(*PIPELINES)  # and it answers all, so that our replies are gone
    client = site.another_client()
    trace = client.find(entry)
    assert trace is not None
    assert client.follow(entry, trace, site).detail["failed"] == {}


def test_a_retraction_leaves_alone_what_may_be_anothers(site: Site, trigger: Make) -> None:
    site.twin.misbehave(Fault(shows=False), FIRST)
    site.others(FIRST)
    for _ in range(8):
        site.wait(5)
    entry = trigger(-40, -120)
    site.at[70] = site.retract
    outcome = site.through(entry)  # which FIRST accepts and swallows, and shows nothing of
    assert outcome.detail["failed"].pop(FIRST) == "accepted, and did not begin"
    assert set(outcome.detail["failed"].values()) == {"aborted"}
    assert dumps_of(site, "1767000000") == {FIRST: "writing"}
    assert set(dumps_of(site, "777").values()) == {"aborted"}


def test_an_abort_does_not_reach_what_was_told_something_at_that_moment(site: Site, trigger: Make) -> None:
    entry = trigger(40, -120)
    trace = site.begin(entry)

    def retract() -> None:
        site.retract()
        site.keys.meanwhile = lambda: site.others(FIRST)

    site.at[30] = retract
    site.hands.follow(entry, trace, site)
    aborted = dumps_of(site, "777")
    assert aborted.pop(FIRST) == "complete"
    assert set(aborted.values()) == {"aborted"}
    assert len(aborted) == 15


def test_what_has_not_shown_yet_that_it_began_is_aborted_at_once(site: Site, trigger: Make) -> None:
    entry = trigger(40, -120)
    trace = site.begin(entry)
    site.retract()
    outcome = site.hands.follow(entry, trace, site)
    assert outcome.state is State.FAILED
    assert site.twin.account()["heard"][-1]["command"] == "abort"
    assert site.twin.account()["heard"][-1]["at"] - NOW.timestamp() < 5  # points are put every 10 s
    assert set(dumps_of(site, "777").values()) == {"aborted"}


def test_what_shows_only_later_that_it_is_ours_is_aborted_then(site: Site, trigger: Make) -> None:
    site.twin.misbehave(Fault(clock_off_s=-40), FIRST)
    for _ in range(3):
        site.wait(5)
    entry = trigger(40, -120)
    trace = site.begin(entry)
    site.retract()
    site.hands.follow(entry, trace, site)
    assert set(dumps_of(site, "777").values()) == {"aborted"}
    aborts = [each["pipeline"] for each in site.twin.account()["heard"] if each["command"] == "abort"]
    assert sorted(aborts) == sorted(PIPELINES)
    again = site.another_client().follow(entry, trace, site)
    assert again.detail["message"].startswith("aborted: retracted by chime-2")


def test_what_has_completed_is_not_aborted(site: Site, trigger: Make) -> None:
    site.twin.misbehave(Fault(ends="full", at=0.9), FIRST)
    site.at[120] = site.retract  # all but one have completed by then
    site.through(trigger())
    aborted = [each["pipeline"] for each in site.twin.account()["heard"] if each["command"] == "abort"]
    assert aborted == [FIRST]


def test_an_end_that_the_dump_before_left_is_not_taken_for_ours(site: Site, trigger: Make) -> None:
    site.through(trigger(id=776))
    site.wait(60)
    entry = trigger(40, -120)
    trace = site.begin(entry)
    # The bridge puts a point between the trigger and the first file: ours, but complete, as the one before.
    site.twin._published = float("-inf")
    site.twin._speeds = type(site.twin._speeds)(158, 0, 1)
    site.tick()
    shown = json.loads(site.keys.value(key("mon", FIRST)))["stats"]
    assert shown["status"] == "complete"
    assert shown["last_trigger_time"] >= trace.at.timestamp()
    site.twin._speeds = type(site.twin._speeds)(158, 2.5e9, 1)
    outcome = site.hands.follow(entry, trace, site)
    assert outcome.detail["bytes"] == sum(
        each["bytes"] for each in site.twin.account()["dumps"] if each["id"] == "777"
    )


@pytest.mark.parametrize("off", [3.0, -3.0])
def test_clocks_that_are_off_are_told_of(site: Site, trigger: Make, off: float) -> None:
    site.twin.misbehave(Fault(clock_off_s=off), FIRST, LAST)
    outcome = site.through(trigger())
    assert outcome.state is State.DONE
    told = outcome.detail["message"].partition("; the clocks of 2 pipelines are off ours, by up to ")[2]
    assert float(told.removesuffix(" s")) == pytest.approx(off, abs=0.3)
    assert outcome.detail["pipelines"][FIRST]["clock_off_s"] == pytest.approx(off, abs=0.3)
    assert "clock_off_s" not in outcome.detail["pipelines"]["lxdlwagpu02/2"]


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"nonsense",
        b"[]",
        b'{"stats": 3}',
        b'{"id": "777"}',
        b'{"id": "777", "val": {"response": null}}',
        b'{"time": NaN, "stats": {"status": 7, "last_trigger_time": "soon", "bytes_dumped": -1}}',
        b'{"time": 1e300, "stats": {"last_trigger_time": 1e17, "bytes_dumped": true}}',
        b"[" * 100_000,
    ],
)
def test_what_makes_no_sense_is_not_said(site: Site, trigger: Make, value: bytes) -> None:
    for kind in ("mon", "resp", "cmd"):
        site.keys.put(key(kind, FIRST), value)
    assert len(site.hands.check(site.now)) == 17
    entry = trigger()
    assert site.hands.find(entry) is None
    assert site.through(entry).state is State.DONE


def test_a_monitor_point_without_stats_or_time_is_read_as_well(site: Site, trigger: Make) -> None:
    site.keys.put(key("mon", FIRST), b'{"state": "triggering", "status": "writing", "bytes_dumped": 5}')
    with pytest.raises(Later, match=f"{FIRST} writes a dump"):
        site.hands.plan(trigger(), site.now)


def test_what_is_to_be_seen_before_anything_is_done(site: Site, trigger: Make) -> None:
    site.begin(trigger())
    site.wait(20)
    site.twin.misbehave("down", LAST)
    site.twin.misbehave("fast clock", "lxdlwagpu02/2")
    site.wait(40)
    told = len(site.keys.keys_put("/cmd/"))
    found = [(str(each.level), each.text) for each in site.hands.check(site.now)]
    # 170 s × 23925.78125 Hz in 5 files of 848 blocks of 960 samples of 67,584 bytes.
    assert found[0] == (
        "fine",
        "the ring holds 158 s; all of it is 5 files of 814080 samples, 275 GB a pipeline, 4.40 TB in all; the"
        " disk budget of 3000 GB a pipeline is enough",
    )
    by_name = {text.split()[1]: (level, text) for level, text in found[1:]}
    assert len(by_name) == 16
    assert by_name[FIRST][0] == "note"
    assert by_name[FIRST][1].startswith(
        f"pipeline {FIRST} (to /data0/): writing, last triggered 2026-01-01T12:00"
    )
    assert by_name[LAST] == ("wrong", f"pipeline {LAST} (to /data1/): silent for 40 s")
    assert "its clock is 3.0 s ahead of ours" in by_name["lxdlwagpu02/2"][1]
    assert len(site.keys.keys_put("/cmd/")) == told


def test_hosts_paths_and_the_rest_are_settings(command: Make) -> None:
    site = Site(hosts=("gpu1",), dump_paths={5: "/fast/"}, file_samples=9600, budget_bytes=10**9)
    plan = site.hands.plan(command("trigger", {"nsamp": 12_000}), NOW)
    assert isinstance(plan, Plan)
    assert (plan.summary["nfile"], plan.summary["ntime_per_file"]) == (2, 6720)
    site.settings = DumpSettings(hosts=("gpu1",), dump_paths={5: "/fast/"}, reply_s=1)
    site.another_client().carry_out(command("trigger"), plan)
    told = json.loads(site.keys.value("/cmd/corr/x/gpu1/pipeline/5/TriggeredDump/0"))
    assert told["val"]["kwargs"]["dump_path"] == "/fast/"
    assert told["id"] == "777"


class Waits:
    """A word that waits for real, and hears of no retraction."""

    retracted_by: str | None = None

    def say(self, detail: dict[str, Any]) -> None:
        pass

    def check(self) -> None: ...

    def wait(self, seconds: float) -> None:
        time.sleep(min(seconds, 0.05))


def test_it_is_all_so_on_a_real_etcd(etcd_server: Any, command: Make) -> None:
    settings = DumpSettings(look_s=0.05, quiet_s=1.5, answer_s=0.3)
    with Etcd([etcd_server.url]) as keys, Etcd([etcd_server.url]) as theirs:
        twin = Pipelines(theirs, speed=200, publish_s=0.05)
        twin.misbehave("silent", FIRST)
        twin.misbehave("refuses", LAST)
        with twin.running(0.01):
            hands = Dumping(keys, settings)
            entry = command("trigger", {"duration": 100})
            plan = hands.plan(entry, datetime.now(UTC))
            assert isinstance(plan, Plan)
            trace = hands.carry_out(entry, plan)
            assert hands.carry_out(entry, plan).at == trace.at
            outcome = hands.follow(entry, trace, Waits())
    assert outcome.state is State.DONE, outcome
    assert outcome.detail["failed"] == {LAST: "refused: -3, an invalid value"}
    assert set(twin.triggered()["777"].values()) == {1}
    assert len(twin.triggered()["777"]) == 16
