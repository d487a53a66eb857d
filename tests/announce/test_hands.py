"""Commands of /world: looked for, planned, sent once, and told of."""

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from announcing import entry
from ovro_alert.acting import Later, NotTaken, Outcome, Plan, Trace, Unreachable
from ovro_alert.alert import Role
from ovro_alert.announce.detection import Detection, Unfit
from ovro_alert.announce.hands import WorldHands
from ovro_alert.announce.sender import Message, Unsent
from ovro_alert.command import Entry, State
from ovro_alert.link.alone import alone
from ovro_alert.link.daemon import in_background
from ovro_alert.link.durable import replace

NOW = datetime(2026, 3, 4, 5, 10, tzinfo=UTC)
GONE = datetime(2026, 3, 4, 5, 31, tzinfo=UTC)
SETTLES = timedelta(seconds=150)


class World:
    """A sender of which a test decides what the other side says."""

    def __init__(self, until: datetime | None = None, settles: timedelta | None = None) -> None:
        self.sent: list[bytes] = []
        self.found: Callable[[], Trace | None] = lambda: None
        self.answer: Callable[[], None] = lambda: None
        self.until = until
        self.settles = settles

    def message(self, entry: Entry, detection: Detection) -> Message:
        if detection.snr is None:
            raise Unfit("args.snr: is required here")
        return Message(
            name=f"word of {detection.name}",
            to="the world",
            test=detection.is_test,
            raw=b"raw",
            until=self.until,
            why="it is gone",
            settles=None if detection.is_test else self.settles,
        )

    def find(self, message: Message) -> Trace | None:
        return self.found()

    def send(self, message: Message) -> dict[str, Any]:
        self.sent.append(message.raw)
        self.answer()
        return {"said": "thanks"}

    def reach(self) -> str:
        return "it is there"


class Heard:
    def __init__(self, retracted_by: str | None = None) -> None:
        self.retracted_by = retracted_by

    def say(self, detail: dict[str, Any]) -> None: ...

    def check(self) -> None: ...

    def wait(self, seconds: float) -> None: ...


@pytest.fixture
def world() -> World:
    return World()


def hands(world: World, directory: Path, now: datetime = NOW) -> WorldHands:
    return WorldHands({"voevent": world}, directory, replace, alone, lambda: now)


def away() -> Trace | None:
    raise Unreachable("away")


def silent() -> None:
    raise Unreachable("no answer within 30 s")


def planned(its: WorldHands, asked: Entry) -> Plan:
    plan = its.plan(asked, NOW)
    assert isinstance(plan, Plan), plan
    return plan


def refusal(its: WorldHands, asked: Entry, now: datetime = NOW) -> str:
    outcome = its.plan(asked, now)
    assert isinstance(outcome, Outcome)
    assert outcome.state is State.REFUSED
    return str(outcome.detail["message"])


def test_what_was_sent_is_found_by_whoever_comes_next_and_told_of(world: World, tmp_path: Path) -> None:
    asked, its = entry("VOEvent"), hands(world, tmp_path)
    assert its.find(asked) is None
    plan = planned(its, asked)
    assert plan.summary["message"] == "word of 260304aaaa to the world"
    trace = its.carry_out(asked, plan)
    again = hands(world, tmp_path)
    assert again.find(asked) == trace
    assert again.find(entry("voevent", id=8)) is None
    outcome = again.follow(asked, trace, Heard())
    assert outcome.state is State.DONE
    assert outcome.detail["message"] == "word of 260304aaaa to the world: thanks"
    assert world.sent == [b"raw"]


def test_where_the_mark_was_lost_the_other_side_tells(world: World, tmp_path: Path) -> None:
    trace = Trace("what they call it", NOW)
    world.found = lambda: trace
    its = hands(world, tmp_path)
    assert its.find(entry("voevent")) == trace
    outcome = its.follow(entry("voevent"), trace, Heard())
    assert outcome.detail["message"] == "what they call it: there already"


def test_another_side_that_is_not_there_is_asked_again(world: World, tmp_path: Path) -> None:
    world.found = away
    with pytest.raises(Unreachable):
        hands(world, tmp_path).find(entry("voevent"))


def test_another_side_that_tells_nobody_what_it_has_stops_nothing(world: World, tmp_path: Path) -> None:
    def secretive() -> Trace | None:
        raise NotTaken("not for you")

    world.found = secretive
    assert hands(world, tmp_path).find(entry("voevent")) is None


def test_a_mark_that_cannot_be_kept_does_not_unsay_what_was_sent(world: World, tmp_path: Path) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError("no space left on device")

    its = WorldHands({"voevent": world}, tmp_path, full, alone)
    trace = its.carry_out(entry("voevent"), planned(its, entry("voevent")))
    assert its.follow(entry("voevent"), trace, Heard()).state is State.DONE


def test_what_had_no_answer_is_only_looked_for_while_it_may_still_come(tmp_path: Path) -> None:
    world = World(settles=SETTLES)
    its, asked = hands(world, tmp_path), entry("voevent")
    world.answer = silent
    with pytest.raises(Unreachable, match="no answer"):
        its.carry_out(asked, planned(its, asked))
    for command in (asked, entry("voevent", id=8)):
        with pytest.raises(Unreachable, match="was tried, and may come there until 05:12:30Z"):
            hands(world, tmp_path, NOW + SETTLES - timedelta(seconds=1)).find(command)
        with pytest.raises(Unreachable, match="was tried"):
            its.carry_out(command, planned(its, command))
    assert len(world.sent) == 1
    trace = Trace("what they call it", NOW)
    world.found = lambda: trace
    assert hands(world, tmp_path).find(asked) == trace


def test_what_can_not_come_any_more_is_sent_again(tmp_path: Path) -> None:
    world = World(settles=SETTLES)
    its, asked = hands(world, tmp_path), entry("voevent")
    world.answer = silent
    with pytest.raises(Unreachable):
        its.carry_out(asked, planned(its, asked))
    world.answer = lambda: None
    later = hands(world, tmp_path, NOW + SETTLES)
    assert later.find(asked) is None
    later.carry_out(asked, planned(later, asked))
    assert len(world.sent) == 2


def test_who_was_killed_while_it_sent_may_have_sent_it(tmp_path: Path) -> None:
    class Killed(BaseException): ...

    def kill() -> None:
        raise Killed

    world = World(settles=SETTLES)
    its, asked = hands(world, tmp_path), entry("voevent")
    world.answer = kill
    with pytest.raises(Killed):
        its.carry_out(asked, planned(its, asked))
    with pytest.raises(Unreachable, match="was tried"):
        hands(world, tmp_path).find(asked)


@pytest.mark.parametrize("trouble", [Unsent("no login"), NotTaken("not so")])
def test_what_certainly_did_not_come_is_sent_again_at_once(tmp_path: Path, trouble: Exception) -> None:
    def refuse() -> None:
        raise trouble

    world = World(settles=SETTLES)
    its, asked = hands(world, tmp_path), entry("voevent")
    world.answer = refuse
    with pytest.raises(type(trouble)):
        its.carry_out(asked, planned(its, asked))
    assert its.find(asked) is None
    world.answer = lambda: None
    its.carry_out(asked, planned(its, asked))
    assert len(world.sent) == 2


def test_a_test_leaves_what_may_have_come_as_it_is(tmp_path: Path) -> None:
    world = World(settles=SETTLES)
    its, asked, test = hands(world, tmp_path), entry("voevent"), entry("voevent", id=8, role="test")
    world.answer = silent
    with pytest.raises(Unreachable):
        its.carry_out(asked, planned(its, asked))

    def unsent() -> None:
        raise Unsent("no login")

    world.answer = unsent
    with pytest.raises(Unsent):
        its.carry_out(test, planned(its, test))
    with pytest.raises(Unreachable, match="was tried"):
        its.find(asked)


def test_of_commands_about_one_burst_at_once_one_is_sent_and_the_others_find_it(tmp_path: Path) -> None:
    world = World(settles=SETTLES)
    one, two = entry("voevent"), entry("voevent", id=8)
    its = hands(world, tmp_path)
    assert its.find(one) is its.find(two) is None
    plans = planned(its, one), planned(its, two)
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        assert go_on.wait(30)

    world.answer = slow
    sending = in_background(lambda: its.carry_out(one, plans[0]), "one")
    assert begun.wait(30)
    with pytest.raises(Later, match="by another command"):
        its.carry_out(two, plans[1])
    go_on.set()
    trace = sending.result(30)
    world.found = lambda: trace
    assert its.carry_out(two, plans[1]) == trace
    assert len(world.sent) == 1


def test_where_a_try_cannot_be_kept_nothing_is_sent_that_must_not_come_twice(tmp_path: Path) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError("no space left on device")

    world = World(settles=SETTLES)
    its = WorldHands({"voevent": world}, tmp_path, full, alone)
    with pytest.raises(Unreachable, match="no space left"):
        its.carry_out(entry("voevent"), planned(its, entry("voevent")))
    assert world.sent == []


def test_another_side_that_tells_nobody_what_it_has_is_not_sent_it_twice(tmp_path: Path) -> None:
    def secretive() -> Trace | None:
        raise NotTaken("not for you")

    world = World(settles=SETTLES)
    its, asked = hands(world, tmp_path), entry("voevent")
    world.answer, world.found = silent, secretive
    with pytest.raises(Unreachable):
        its.carry_out(asked, planned(its, asked))
    with pytest.raises(Unreachable, match="whether it came is not told: not for you"):
        hands(world, tmp_path, NOW + 2 * SETTLES).find(asked)


def test_what_was_never_tried_is_too_late_also_when_the_other_side_is_away(tmp_path: Path) -> None:
    world = World(GONE, SETTLES)
    world.found = away
    with pytest.raises(Unreachable):
        hands(world, tmp_path).find(entry("voevent"))
    late = hands(world, tmp_path, GONE)
    assert late.find(entry("voevent")) is None
    assert refusal(late, entry("voevent"), GONE).startswith("too late: it is gone")


def test_what_was_tried_is_looked_for_also_when_it_is_too_late(tmp_path: Path) -> None:
    world = World(GONE, SETTLES)
    its, asked = hands(world, tmp_path), entry("voevent")
    world.answer = silent
    with pytest.raises(Unreachable):
        its.carry_out(asked, planned(its, asked))
    world.found = away
    with pytest.raises(Unreachable, match="away"):
        hands(world, tmp_path, GONE).find(asked)


def test_what_is_wrong_is_refused_by_name_before_anything_is_written(world: World, tmp_path: Path) -> None:
    its = hands(world, tmp_path)
    assert "args.ra: " in refusal(its, entry("voevent", ra=400))
    assert "args.snr: " in refusal(its, entry("voevent", snr=None))
    assert refusal(its, entry("fax")) == "command: 'fax' is not known here; known are voevent, test"
    assert its.find(entry("voevent", ra=400)) is None
    assert (world.sent, [*tmp_path.glob("sent/*"), *tmp_path.glob("tried/*")]) == ([], [])


def test_what_comes_too_late_is_not_sent_and_the_margin_of_the_rest_is_told(tmp_path: Path) -> None:
    its = hands(World(GONE), tmp_path)
    assert refusal(its, entry("voevent"), GONE) == "too late: it is gone, since 2026-03-04T05:31:00Z"
    plan = planned(its, entry("voevent"))
    assert plan.summary["margin_s"] == 21 * 60
    its.carry_out(entry("voevent"), plan)
    (mark,) = tmp_path.glob("sent/*.json")
    assert json.loads(mark.read_bytes())["detail"]["until"] == GONE.isoformat()


def test_a_retraction_of_what_was_sent_is_told_to_people(world: World, tmp_path: Path) -> None:
    its = hands(world, tmp_path)
    trace = its.carry_out(entry("voevent"), planned(its, entry("voevent")))
    outcome = its.follow(entry("voevent"), trace, Heard("dsa-260304aaaa-retraction"))
    assert "taken back since, by dsa-260304aaaa-retraction" in outcome.detail["message"]


def test_what_answers_a_test_is_one_whatever_its_args_say(world: World, tmp_path: Path) -> None:
    its, asked = hands(world, tmp_path), entry("voevent", role="observation")
    assert planned(its, asked).summary["test"] is False
    assert planned(its, asked.model_copy(update={"role": Role.TEST})).summary["test"] is True


def test_what_was_never_sent_may_be_ended_and_what_may_still_come_not_yet(tmp_path: Path) -> None:
    world = World(settles=SETTLES)
    its, asked = hands(world, tmp_path), entry("voevent")
    assert its.forbid(asked, "too late")
    world.answer = silent
    with pytest.raises(Unreachable):
        its.carry_out(asked, planned(its, asked))
    with pytest.raises(Unreachable, match="may come there until"):
        its.forbid(asked, "too late")
    assert hands(world, tmp_path, NOW + SETTLES).forbid(asked, "too late")


def test_the_command_test_sends_nothing(world: World, tmp_path: Path) -> None:
    outcome = hands(world, tmp_path).plan(entry("test"), NOW)
    assert isinstance(outcome, Outcome)
    assert (outcome.state, world.sent) == (State.DONE, [])


def test_what_is_seen_is_told_and_nothing_is_sent(world: World, tmp_path: Path) -> None:
    its = hands(world, tmp_path)
    assert its.seen(entry("test")) == {"voevent": (True, "it is there", "raw")}
    assert its.seen(entry("test", snr=None))["voevent"][2] == "nothing: args.snr: is required here"
    assert world.sent == []
