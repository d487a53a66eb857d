"""The worker between a real relay and scripted hands, on a wire that loses at will."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import httpx2
import pytest

from ovro_alert.acting import Later, NotTaken, Outcome, Plan, Trace, Unreachable, Word, refused
from ovro_alert.command import Entry, State
from ovro_alert.demo.sample_waves import BNS, gw_notice
from ovro_alert.link.turns import Turns
from ovro_alert.link.worker import Worker
from support import until
from tests.link.working import KEY, LIMIT_S, House, Send, Wire, relay_in_a_thread, slots


class Scripted:
    """Hands that write down whatever they are asked to do; `script` says what goes wrong where."""

    def __init__(self) -> None:
        self.taken: dict[int, Trace] = {}
        self.acted: list[int] = []
        self.forbidden: list[int] = []
        self.over = threading.Event()  # what they follow ends when it is set
        self.over.set()
        self.heard: list[str | None] = []
        self.script: Callable[[str, Entry], None] = lambda point, entry: None

    def find(self, entry: Entry) -> Trace | None:
        self.script("find", entry)
        return self.taken.get(entry.id)

    def plan(self, entry: Entry, now: datetime) -> Plan | Outcome:
        self.script("plan", entry)
        if entry.command == "unknown":
            return refused("command: is not known here")
        make_room = partial(self.script, "make room", entry)
        return Plan({"message": f"{entry.command} it is", "beam": 3}, before=make_room)

    def forbid(self, entry: Entry, why: str) -> bool:
        self.script("forbid", entry)
        if entry.id in self.taken:
            return False
        self.forbidden.append(entry.id)
        return True

    def carry_out(self, entry: Entry, plan: Plan) -> Trace:
        self.script("before", entry)
        if entry.id in self.forbidden:
            raise NotTaken("it was ended meanwhile")
        if entry.id not in self.taken:  # as one transaction with its mark would have it
            self.acted.append(entry.id)
            self.taken[entry.id] = Trace(f"{entry.command} {entry.seq}", datetime(2026, 1, 1, tzinfo=UTC))
        self.script("after", entry)
        return self.taken[entry.id]

    def follow(self, entry: Entry, trace: Trace, word: Word) -> Outcome:
        self.script("follow", entry)
        word.say({"progress": "half"})
        while not self.over.is_set():
            if word.retracted_by:
                return Outcome(State.FAILED, {"message": f"aborted: retracted by {word.retracted_by}"})
            word.wait(0.01)
        return Outcome(State.DONE, {"message": f"{trace.name} is done", "files": 2})


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with relay_in_a_thread(tmp_path_factory.mktemp("relay")) as url:
        yield url


@pytest.fixture
def hands() -> Scripted:
    return Scripted()


@pytest.fixture
def house(url: str, tmp_path: Path, hands: Scripted) -> Iterator[House]:
    house = House(url, tmp_path, hands)
    with house.relay:
        yield house


def failing(times: int, at: str, error: Exception) -> Callable[[str, Entry], None]:
    """A script in which the first few times at a point fail."""
    left = iter(range(times))

    def script(point: str, entry: Entry) -> None:
        if point == at and next(left, None) is not None:
            raise error

    return script


def test_a_command_is_carried_out_and_followed_to_its_end(house: House, hands: Scripted) -> None:
    hands.over.clear()
    with house.worker():
        entry = house.put("beam")
        until(lambda: house.told(entry, "progress"))
        assert house.relay.command(entry.id).state is State.RUNNING
        hands.over.set()
        state, detail = house.outcome(entry)
    assert (state, hands.acted) == ("done", [entry.id])
    assert detail == {
        "message": "beam 1 is done",
        "beam": 3,
        "progress": "half",
        "files": 2,
        "trace": "beam 1",
        "submitted": "2026-01-01T00:00:00+00:00",
    }
    assert [each["state"] for each in house.told(entry, "reported")] == ["running", "done"]


def test_what_cannot_be_done_is_refused_before_anything_is_moved(house: House, hands: Scripted) -> None:
    with house.worker():
        entry = house.put("unknown")
        assert house.outcome(entry) == ("refused", {"message": "command: is not known here"})
    assert hands.acted == []
    assert [each["state"] for each in house.told(entry, "reported")] == ["refused"]


def test_many_are_followed_at_a_time(house: House, hands: Scripted) -> None:
    hands.over.clear()
    with house.worker():
        entries = [house.put("beam") for _ in range(8)]
        until(lambda: len(hands.acted) == 8)
        hands.over.set()
        assert {house.outcome(entry)[0] for entry in entries} == {"done"}


def test_the_greater_priority_has_its_turn_first() -> None:
    turns, order = Turns(), []

    def take(priority: int, seq: int) -> None:
        with turns.turn(priority, seq):
            order.append((priority, seq))

    with turns.turn(0, 0):
        threads = [threading.Thread(target=take, args=one) for one in ((0, 1), (5, 2), (0, 3), (9, 4))]
        for thread in threads:
            thread.start()
        until(lambda: turns.waiting == 4)
    for thread in threads:
        thread.join(LIMIT_S)
    assert order == [(9, 4), (5, 2), (0, 1), (0, 3)]


def test_what_the_telescope_did_not_take_has_failed(house: House, hands: Scripted) -> None:
    for point in ("before", "follow"):
        hands.script = failing(1, point, NotTaken("it shows 42_POWER3 there"))
        with house.worker():
            state, detail = house.outcome(house.put("beam"))
        assert (state, detail["message"]) == ("failed", "it shows 42_POWER3 there")


def test_what_a_sender_says_is_nobodys_to_carry_out(house: House, hands: Scripted) -> None:
    house.slot = "dsa"
    house.put("test", {"dm": 1})  # a sender's word in a slot that is both
    with house.worker():
        asked = house.put("beam")
        assert house.outcome(asked)[0] == "done"
    assert hands.acted == [asked.id]


CALLS = ["GET commands", "POST claim", "POST report running", "POST report done"]


@pytest.mark.parametrize("lost", ["request", "answer", "503"])
@pytest.mark.parametrize("call", CALLS)
def test_whatever_the_wire_loses_a_command_is_acted_on_once(
    house: House, hands: Scripted, call: str, lost: str
) -> None:
    entry = house.put("beam")
    wire, losses = Wire(), iter(range(1))

    def lose(request: httpx2.Request, send: Send) -> httpx2.Response:
        body = json.loads(request.content or b"{}")
        name = f"{request.method} {request.url.path.rsplit('/', 1)[-1]} {body.get('state', '')}".strip()
        if name != call or next(losses, None) is None:
            return send()
        if lost == "503":
            return httpx2.Response(503, json={"detail": "in trouble"})
        if lost == "answer":
            send().read()
        raise httpx2.ReadTimeout("as asked", request=request)

    wire.fault = lose
    with house.worker(wire):
        assert house.outcome(entry)[0] == "done"
    assert next(losses, None) is None, "nothing was lost"
    assert hands.acted == [entry.id]


@pytest.mark.parametrize("moment", ["claimed", "looked", "planned"])
def test_a_command_that_is_cancelled_in_time_moves_nothing(
    house: House, hands: Scripted, moment: str
) -> None:
    first, second = house.put("beam"), house.put("unknown")
    cancelled: list[httpx2.Response] = []

    def step(name: str) -> None:
        if name == moment and not cancelled:  # people are quicker than the client, which holds the claim
            cancelled.append(
                httpx2.post(
                    f"{house.url}/commands/{first.id}/cancel",
                    json={"reason": "not now"},
                    headers={"X-API-Key": KEY},
                    trust_env=False,
                )
            )

    with house.worker(step=step):
        assert house.outcome(second)[0] == "refused"
        cursor = house.directory / "one.cursor"
        until(lambda: cursor.exists() and cursor.read_text().strip() == "2")
    assert cancelled[0].json()["state"] == house.relay.command(first.id).state == "cancelled"
    assert hands.acted == []


def with_deadline(deadline: datetime) -> Wire:
    """A wire on which every command has one."""
    wire = Wire()

    def add(request: httpx2.Request, send: Send) -> httpx2.Response:
        response = send()
        if not request.url.path.endswith("/commands"):
            return response
        body = json.loads(response.read())
        for each in body["commands"]:
            each["deadline"] = deadline.isoformat()
        return httpx2.Response(200, json=body)

    wire.fault = add
    return wire


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)
        self.deadline = self.now + timedelta(seconds=5)

    def __call__(self) -> datetime:
        return self.now

    def strike(self) -> None:
        self.now = self.deadline


@pytest.mark.parametrize("moment", ["looked", "running", "make room"])
def test_the_deadline_is_looked_at_until_just_before_the_act(
    house: House, hands: Scripted, moment: str
) -> None:
    clock = Clock()

    def step(name: str, entry: Entry | None = None) -> None:
        if name == moment:
            clock.strike()

    hands.script = step
    with house.worker(with_deadline(clock.deadline), clock=clock, step=step):
        state, detail = house.outcome(house.put("beam"))
    assert state == "refused"
    assert detail["message"].startswith("too late: its deadline was ")
    assert hands.acted == []


@pytest.mark.parametrize(
    ("point", "error"), [("find", Unreachable("no answer")), ("plan", Later("a dump is being written"))]
)
def test_what_cannot_be_asked_or_done_yet_is_tried_until_the_deadline(
    house: House, hands: Scripted, point: str, error: Exception
) -> None:
    hands.script = failing(3, point, error)
    with house.worker():
        assert house.outcome(house.put("beam"))[0] == "done"
    clock, tries = Clock(), iter(range(1000))

    def fail_on(at: str, entry: Entry) -> None:
        if at == point:
            if next(tries) == 2:
                clock.strike()
            raise error

    hands.script = fail_on
    with house.worker(with_deadline(clock.deadline), clock=clock):
        state, detail = house.outcome(house.put("beam"))
    assert state == "refused"
    assert detail["message"].startswith("too late: its deadline was ")
    assert detail["message"].endswith(f"; before, {error}")
    assert len(hands.acted) == 1


def test_what_may_have_begun_is_asked_after_beyond_its_deadline(house: House, hands: Scripted) -> None:
    """The answer to the act is lost, and the telescope away until long after: it is found there, once."""
    clock, asked = Clock(), iter(range(1000))

    def cut_off(at: str, entry: Entry) -> None:
        if at == "after":
            clock.strike()
            raise Unreachable("the line went dead")
        if at == "find" and entry.id in hands.taken and next(asked) < 5:
            raise Unreachable("still dead")

    hands.script = cut_off
    with house.worker(with_deadline(clock.deadline), clock=clock):
        entry = house.put("beam")
        assert house.outcome(entry)[0] == "done"
    assert hands.acted == [entry.id]


@pytest.mark.parametrize(("point", "times"), [("before", 0), ("after", 1)])
def test_trouble_of_our_own_fails_one_command_unless_the_telescope_has_it(
    house: House, hands: Scripted, point: str, times: int
) -> None:
    hands.script = failing(1, point, KeyError("a bug"))
    with house.worker():
        state, detail = house.outcome(house.put("beam"))
        assert (state, len(hands.acted)) == ("done" if times else "failed", times)
        assert times or detail["message"] == "KeyError: 'a bug'"
        assert house.outcome(house.put("beam"))[0] == "done"


def test_what_runs_hears_that_its_event_was_taken_back(house: House, hands: Scripted) -> None:
    house.slot = "lwa"
    hands.over.clear()
    now = datetime.now(UTC)
    with house.worker():
        house.relay.post_alert(gw_notice("S260304wrk", "PRELIMINARY", now, BNS), {})
        until(lambda: hands.acted)
        house.relay.post_alert(gw_notice("S260304wrk", "RETRACTION", now, None), {})
        entry = house.relay.command(hands.acted[0])
        state, detail = house.outcome(entry)
    assert state == "failed"
    assert detail["message"].startswith("aborted: retracted by ligo-S260304wrk-RETRACTION")


def test_one_that_loses_its_lease_while_it_makes_room_does_not_act(house: House, hands: Scripted) -> None:
    wire, points = Wire(), list[str]()
    entry = house.put("beam")

    def slow(at: str, entry: Entry) -> None:
        points.append(at)
        if at == "make room" and points.count(at) == 1:
            renewals = wire.asked.count(claim)
            wire.fault = lambda request, send: (
                httpx2.Response(409, json={"state": "queued"})
                if request.url.path.endswith("claim")
                else send()
            )
            until(lambda: wire.asked.count(claim) > renewals)
            until(lambda: hands.acted)  # by the other

    claim = f"POST /commands/{entry.id}/claim"
    hands.script = slow
    with house.worker(wire), house.worker(client="two", directory=house.directory / "another host"):
        assert house.outcome(entry)[0] == "done"
    assert (points.count("make room"), points.count("before")) == (2, 1)


def test_a_long_act_keeps_its_lease(house: House, hands: Scripted) -> None:
    wire = Wire()
    entry = house.put("beam")
    claim = f"POST /commands/{entry.id}/claim"

    def slow(at: str, entry: Entry) -> None:
        if at == "before":  # longer than the lease: until it was renewed often enough
            until(lambda: wire.asked.count(claim) >= 8)

    hands.script = slow
    with house.worker(wire), house.worker(client="two"):
        assert house.outcome(entry)[0] == "done"
    assert hands.acted == [entry.id]


@pytest.mark.parametrize("one_directory", [True, False])
@pytest.mark.parametrize("held_up_at", ["claimed", "looked", "planned", "running"])
def test_a_client_that_is_held_up_beyond_its_lease_does_not_act_as_well(
    house: House, hands: Scripted, held_up_at: str, one_directory: bool
) -> None:
    held_up, go_on, other_has_it = threading.Event(), threading.Event(), threading.Event()
    wires = Wire(), Wire()

    def step(name: str) -> None:
        if name == held_up_at and not held_up.is_set():
            held_up.set()
            assert go_on.wait(LIMIT_S)

    def mute(request: httpx2.Request, send: Send) -> httpx2.Response:
        """Its renewals do not arrive while it is held up."""
        if held_up.is_set() and not go_on.is_set():
            raise httpx2.ConnectError("as asked", request=request)
        return send()

    def watch(request: httpx2.Request, send: Send) -> httpx2.Response:
        response = send()
        if request.url.path.endswith("/claim") and response.status_code == httpx2.codes.OK:
            other_has_it.set()
        return response

    calls: list[str] = []
    hands.script = lambda point, entry: calls.append(point)
    wires[0].fault, wires[1].fault = mute, watch
    entry = house.put("beam")
    with house.worker(wires[0], step=step):
        until(held_up.is_set)
        directory = house.directory if one_directory else house.directory / "another"
        with house.worker(wires[1], client="two", directory=directory):
            until(other_has_it.is_set)
            if held_up_at == "claimed" or not one_directory:  # no lock keeps the other from going on
                assert house.outcome(entry)[0] == "done"
            go_on.set()
            assert house.outcome(entry)[0] == "done"
    assert (hands.acted, calls.count("before")) == ([entry.id], 1)


def begun_by_another(house: House) -> Entry:
    """A command that a client has said it would act on, of which nothing was heard since."""
    entry = house.put("beam")
    claim = house.relay.claim(entry.id, "another", 0.5)
    house.relay.report(entry.id, claim.token, State.RUNNING, {"message": "about to"})
    return entry


def test_who_ends_what_another_may_be_about_to_act_on_sees_first_that_it_cannot(
    house: House, hands: Scripted
) -> None:
    clock = Clock()
    clock.strike()
    alone, shared = house.put("beam"), begun_by_another(house)
    with house.worker(with_deadline(clock.deadline), clock=clock):
        assert house.outcome(shared)[0] == house.outcome(alone)[0] == "refused"
    assert (hands.forbidden, hands.acted) == ([shared.id], [])


def test_what_another_has_acted_on_at_the_last_instant_is_followed(house: House, hands: Scripted) -> None:
    clock = Clock()
    clock.strike()

    def wake_up(point: str, entry: Entry) -> None:
        if point == "forbid":
            hands.taken[entry.id] = Trace("of the other", clock.now)

    hands.script = wake_up
    entry = begun_by_another(house)
    with house.worker(with_deadline(clock.deadline), clock=clock):
        state, detail = house.outcome(entry)
    assert (state, detail["message"]) == ("done", "of the other is done")


def test_what_was_retracted_before_it_was_begun_is_not_begun(house: House, hands: Scripted) -> None:
    house.slot, now = "lwa", datetime.now(UTC)
    running, go_on = threading.Event(), threading.Event()

    def step(name: str) -> None:
        if name == "running":
            running.set()
            assert go_on.wait(LIMIT_S)

    after = len(house.relay.commands("lwa", 0, 0)[0])
    wire = Wire()
    with house.worker(wire, step=step):
        house.relay.post_alert(gw_notice("S260304wrl", "PRELIMINARY", now, BNS), {})
        (entry,) = house.relay.commands("lwa", after, 0)[0]
        until(running.is_set)
        house.relay.post_alert(gw_notice("S260304wrl", "RETRACTION", now, None), {})
        told = wire.asked.count(f"POST /commands/{entry.id}/claim")
        until(lambda: wire.asked.count(f"POST /commands/{entry.id}/claim") > told + 1)
        go_on.set()
        state, detail = house.outcome(entry)
    assert state == "refused"
    assert detail["message"].startswith("its event was retracted by alert ligo-S260304wrl-RETRACTION")
    assert (hands.acted, hands.forbidden) == ([], [entry.id])


def test_whatever_a_telescope_says_is_told(house: House, hands: Scripted) -> None:
    def talk(point: str, entry: Entry) -> None:
        if point == "before":
            raise NotTaken("half a \ud83d character")

    hands.script = talk
    with house.worker():
        assert house.outcome(house.put("beam")) == ("failed", {"message": "half a ? character"})
        hands.script = lambda point, entry: None
        assert house.outcome(house.put("beam"))[0] == "done"


def test_two_share_the_work(house: House, hands: Scripted) -> None:
    with house.worker(), house.worker(client="two"):
        entries = [house.put("beam") for _ in range(10)]
        assert {house.outcome(entry)[0] for entry in entries} == {"done"}
    assert sorted(hands.acted) == sorted(entry.id for entry in entries)


def test_two_of_one_name_are_one_too_many(house: House, hands: Scripted) -> None:
    with house.worker() as first:
        until((house.directory / "locks" / "client one").exists)
        second = Worker(house.relay, hands, house.settings(), threading.Event())
        with pytest.raises(ValueError, match="another client named 'one'"):
            second.follow()
        assert not first.done()


def test_what_runs_when_it_is_stopped_is_followed_by_the_next(house: House, hands: Scripted) -> None:
    hands.over.clear()
    with house.worker():
        entry = house.put("beam")
        until(lambda: house.told(entry, "progress"))
    assert house.relay.command(entry.id).state is State.RUNNING
    with house.worker(client="two"):
        hands.over.set()
        assert house.outcome(entry)[0] == "done"
    assert hands.acted == [entry.id]


def test_it_resumes_behind_what_is_over(house: House, hands: Scripted) -> None:
    cursor = house.directory / "one.cursor"
    with house.worker():
        entry = house.put("beam")
        house.outcome(entry)
        until(lambda: cursor.exists() and cursor.read_text().strip() == "1")
    wire = Wire()
    with house.worker(wire):
        later = house.put("beam")
        house.outcome(later)
    assert f"POST /commands/{entry.id}/claim" not in wire.asked
    assert hands.acted == [entry.id, later.id]


def test_it_follows_a_log_that_began_anew(house: House) -> None:
    (house.directory / "one.cursor").write_text("1000\n")
    entry = house.put("beam")
    with house.worker():
        assert house.outcome(entry)[0] == "done"


def test_it_follows_a_log_that_began_anew_while_it_runs(house: House, hands: Scripted) -> None:
    wire, old = Wire(), house.slot
    with house.worker(wire):
        for _ in range(3):
            house.outcome(house.put("beam"))
        house.slot = next(slots)
        is_cut = iter([True])

        def began_anew(request: httpx2.Request, send: Send) -> httpx2.Response:
            if request.url.path.startswith(f"/{old}/"):
                if next(is_cut, False):
                    raise httpx2.ConnectError("as asked", request=request)
                request.url = request.url.copy_with(path=f"/{house.slot}/commands")
            return send()

        wire.fault = began_anew
        assert house.outcome(house.put("beam"))[0] == "done"
    assert len(hands.acted) == 4


def test_what_is_to_come_keeps_nothing_of_another_turn_waiting(house: House, hands: Scripted) -> None:
    hands.over.clear()
    with house.worker(at_once=2, in_turn=lambda entry: entry.command):
        beams = [house.put("beam") for _ in range(3)]
        until(lambda: len(hands.acted) == 2)
        dump = house.put("dump")
        until(lambda: dump.id in hands.acted)
        assert beams[2].id not in hands.acted
        hands.over.set()
        assert house.outcome(beams[2])[0] == "done"


def test_a_slot_that_the_relay_does_not_have_is_said(house: House, hands: Scripted) -> None:
    worker = Worker(house.relay, hands, house.settings(slot="vla"), threading.Event())
    with pytest.raises(ValueError, match="/vla"):
        worker.follow()
