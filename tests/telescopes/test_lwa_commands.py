"""What each command means at the telescope, and the reason where it means nothing."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ovro_alert.command import Entry
from ovro_alert.telescopes.lwa import sdf
from ovro_alert.telescopes.lwa.commands import Dump, Nothing, Observe, Refused, interpret
from ovro_alert.telescopes.lwa.settings import LwaSettings

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)  # MJD 61041.5
CRAB = {"ra": 83.633083, "dec": 22.0145}
Make = Callable[..., Entry]


def refusal(entry: Entry) -> str:
    action = interpret(entry, NOW, LwaSettings(), {})
    assert isinstance(action, Refused), action
    return action.reason


def test_a_trigger_dumps_the_whole_buffer_unless_it_says_how_much(command: Make) -> None:
    def files(args: dict[str, Any], **changes: Any) -> int:
        action = interpret(command("trigger", args), NOW, LwaSettings(**changes), {})
        assert isinstance(action, Dump), action
        assert action.plan.id == "777"
        assert action.metadata == {"event_id": "event", **args}
        return action.plan.nfile

    assert files({"event": "S260101a", "far": 1e-9}) == 4  # 158 ÷ 41.8 s
    assert files({}, buffer_s=1660) == 40
    assert files({"duration": 41}) == 1
    assert files({"nsamp": "1000320"}) == 1
    assert files({"nsamp": 1000321, "duration": 1}) == 2


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        ({"duration": 1801}, "args.duration: 1801 s; no dump is longer than 1800 s"),
        ({"nsamp": 10**9}, "args.nsamp: 41796 s; no dump is longer than 1800 s"),
        ({"nsamp": 0}, "args.nsamp: "),
        ({"nsamp": "many"}, "args.nsamp: "),
    ],
)
def test_a_trigger_that_cannot_be_names_the_field(command: Make, args: dict[str, Any], reason: str) -> None:
    assert refusal(command("trigger", args)).startswith(reason)


def test_a_test_moves_nothing(command: Make) -> None:
    assert isinstance(interpret(command("test", CRAB), NOW, LwaSettings(), {}), Nothing)


def test_an_unknown_command_is_told_the_known_ones(command: Make) -> None:
    reason = refusal(command("repoint"))
    assert reason == "command: 'repoint' is not known here; known are powerbeam, voltagebeam, trigger, test"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
names = st.sampled_from(
    ["ra", "dec", "start", "duration", "dm", "beamnum", "name", "int_time_ms", "position", "nsamp"]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    word=st.sampled_from(["powerbeam", "voltagebeam", "trigger", "test"]) | st.text(max_size=80),
    args=st.dictionaries(names | st.text(max_size=10), anything, max_size=6),
)
def test_any_command_is_an_action_or_a_reason(command: Make, word: str, args: dict[str, Any]) -> None:
    action = interpret(command(word, args), NOW, LwaSettings(), {})
    if isinstance(action, Observe):
        assert sdf.parse(action.document()).name == action.session.name
    elif isinstance(action, Refused):
        assert action.reason
