"""Commands of /world: looked for, planned, sent once, and told of."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from announcing import entry
from ovro_alert.acting import NotTaken, Outcome, Plan, Trace, Unreachable
from ovro_alert.announce.detection import Detection, Unfit
from ovro_alert.announce.hands import WorldHands
from ovro_alert.announce.sender import Message
from ovro_alert.command import Entry, State
from ovro_alert.link.durable import replace

NOW = datetime(2026, 3, 4, 5, 10, tzinfo=UTC)
GONE = datetime(2026, 3, 4, 5, 31, tzinfo=UTC)


class World:
    """A sender of which a test decides what the other side says."""

    def __init__(self, until: datetime | None = None) -> None:
        self.sent: list[bytes] = []
        self.found: Callable[[], Trace | None] = lambda: None
        self.until = until

    def message(self, entry: Entry, detection: Detection) -> Message:
        if detection.snr is None:
            raise Unfit("args.snr: is required here")
        return Message(f"word of {detection.name}", "the world", False, b"raw", {}, self.until, "it is gone")

    def find(self, message: Message) -> Trace | None:
        return self.found()

    def send(self, message: Message) -> dict[str, Any]:
        self.sent.append(message.raw)
        return {"said": "thanks"}

    def reach(self) -> str:
        return "it is there"


class Heard:
    def __init__(self, retracted_by: str | None = None) -> None:
        self.retracted_by = retracted_by

    def say(self, detail: dict[str, Any]) -> None: ...

    def wait(self, seconds: float) -> None: ...


@pytest.fixture
def world() -> World:
    return World()


def hands(world: World, directory: Path) -> WorldHands:
    return WorldHands({"voevent": world}, directory, replace)


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
    def away() -> Trace | None:
        raise Unreachable("away")

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

    its = WorldHands({"voevent": world}, tmp_path, full)
    trace = its.carry_out(entry("voevent"), planned(its, entry("voevent")))
    assert its.follow(entry("voevent"), trace, Heard()).state is State.DONE


def test_what_is_wrong_is_refused_by_name_before_anything_is_written(world: World, tmp_path: Path) -> None:
    its = hands(world, tmp_path)
    assert "args.ra: " in refusal(its, entry("voevent", ra=400))
    assert "args.snr: " in refusal(its, entry("voevent", snr=None))
    assert refusal(its, entry("fax")) == "command: 'fax' is not known here; known are voevent, test"
    assert its.find(entry("voevent", ra=400)) is None
    assert (world.sent, list(tmp_path.glob("sent/*"))) == ([], [])


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


def test_the_command_test_sends_nothing(world: World, tmp_path: Path) -> None:
    outcome = hands(world, tmp_path).plan(entry("test"), NOW)
    assert isinstance(outcome, Outcome)
    assert (outcome.state, world.sent) == (State.DONE, [])


def test_what_is_seen_is_told_and_nothing_is_sent(world: World, tmp_path: Path) -> None:
    its = hands(world, tmp_path)
    assert its.seen(entry("test")) == {"voevent": (True, "it is there", "raw")}
    assert its.seen(entry("test", snr=None))["voevent"][2] == "nothing: args.snr: is required here"
    assert world.sent == []
