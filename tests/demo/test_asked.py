"""What the demonstration holds of the commands that its story leads to, by entries of the relay's feed."""

from datetime import UTC, datetime

import pytest

from ovro_alert.command import State
from ovro_alert.demo.asked import Asked, Commands
from ovro_alert.link.relay import FeedEntry

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def told(kind: str, **data: object) -> FeedEntry:
    about = {"slot": "lwa", "seq": 1, "command": "powerbeam", **data}
    return FeedEntry(n=1, at=NOW, kind=kind, event_id="chime-1", alert_id=None, command_id=7, data=about)


def after(*entries: FeedEntry) -> tuple[Commands, Asked]:
    commands = Commands()
    [asked] = {id(one): one for entry in entries if (one := commands.take(entry))}.values()
    return commands, asked


def running(**detail: object) -> FeedEntry:
    return told("progress", state="running", detail=detail)


@pytest.mark.parametrize(
    ("last", "has_come"),
    [
        (told("claimed", client="lwa-alert"), False),
        (running(message="session 7_POWER3"), False),
        (running(state="observing"), True),
        (running(state="scheduled", submission="asap"), False),
        (running(state="scheduled", submission="buffer"), True),
        (running(triggers=0, found=[]), True),
        (running(pipelines={"writing": 16}), False),
        (told("reported", state="done", detail={"message": "complete"}), True),
    ],
)
def test_what_is_due_of_a_command(last: FeedEntry, has_come: bool) -> None:
    assert after(told("queued"), last)[1].has_come is has_come


@pytest.mark.parametrize("kind", ["cancelled", "expired"])
def test_an_end_that_nobody_asked_for_is_wrong(kind: str) -> None:
    _, asked = after(told("queued"), told(kind, reason="why"))
    assert asked.is_wrong
    assert asked.message == "why"


def test_what_a_retraction_ends_is_not_wrong() -> None:
    commands, asked = after(told("queued"))
    assert commands.retract("chime-1") == [], "nobody acts on it yet"
    commands.take(told("cancelled", reason="retracted"))
    assert not asked.is_wrong


def test_what_had_failed_before_its_retraction_stays_wrong() -> None:
    commands, asked = after(told("queued"), told("reported", state="failed", detail={"message": "no beam"}))
    assert commands.retract("chime-1") == []
    assert asked.is_wrong


def test_who_acts_on_a_retracted_event_is_waited_for_once() -> None:
    commands, asked = after(told("queued"), running(state="observing"))
    assert commands.retract("another") == commands.retract("") == []
    assert commands.retract("chime-1") == [asked]
    assert commands.retract("chime-1") == []


def test_a_command_waits_for_a_person_until_one_has_approved_it() -> None:
    commands, asked = after(told("pending", seq=0))
    assert commands.pending == [asked]
    commands.take(told("approved", seq=7, by="a person"))
    assert (commands.pending, asked.state, asked.seq) == ([], State.QUEUED, 7)
