"""What the rules of the default policy and of docs/telescopes.md send, the senders take."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from announcing import SECRET, USER
from ovro_alert.acting import Plan
from ovro_alert.alert import Alert
from ovro_alert.clients import world_alert
from ovro_alert.command import Command, Entry, Kind, State, to_mjd
from ovro_alert.formats import read
from ovro_alert.policy.decide import decide
from ovro_alert.policy.history import History
from ovro_alert.policy.rules import Policy, load, parse
from ovro_alert.relay.settings import RelaySettings

DOCS = Path(__file__).parents[2] / "docs"
SLOTS = RelaySettings().commanded
NOW = datetime(2026, 3, 4, 5, 10, tzinfo=UTC)
# As T2 writes a burst, with place and class [dsa110/dsa110-event].
TRIGGER = {
    "mjds": to_mjd(NOW - timedelta(seconds=200)),
    "snr": 14.2,
    "ibox": 4,
    "dm": 531.7,
    "dmerr": 0.4,
    "specnum": 7,
    "ra": 291.61,
    "dec": 71.52,
    "raerr": 3.6,
    "decerr": 7.2,
    "probability": 0.995,
}


def documented() -> Policy:
    (block,) = re.findall(r"```toml\n(.*?)```", (DOCS / "telescopes.md").read_text("utf-8"), re.DOTALL)
    return parse(block, SLOTS)


def detected(**changes: Any) -> Alert:
    return read(json.dumps({"260304aaaa": TRIGGER | changes}).encode())


def asked(policy: Policy, alert: Alert) -> list[Command]:
    found = [one for decision in decide(policy, alert, History(), NOW) for one in decision.commands]
    return [one for one in found if one.slot == "world"]


def entry(command: Command) -> Entry:
    about = {"id": 7, "seq": 7, "kind": Kind.COMMAND, "state": State.CLAIMED, "event_id": "dsa-260304aaaa"}
    return Entry.model_validate(about | command.model_dump())


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """By word, what would be sent of a burst."""
    for name, value in {
        "OVRO_ALERT_WORLD_DEPLOYED": "true",
        "OVRO_ALERT_WORLD_VOEVENT_HOST": "broker.example.org",
        "OVRO_ALERT_WORLD_SWIFT_USERNAME": USER,
        "OVRO_ALERT_WORLD_SWIFT_SECRET": SECRET,
        "GCN_PRODUCER_CLIENT_ID": "an id",
    }.items():
        monkeypatch.setenv(name, value)
    hands = world_alert.hands(tmp_path)

    def of(policy: Policy, alert: Alert) -> dict[str, Any]:
        plans = {one.command: hands.plan(entry(one), NOW) for one in asked(policy, alert)}
        assert all(isinstance(plan, Plan) for plan in plans.values()), plans
        return {word: plan.what for word, plan in plans.items() if isinstance(plan, Plan)}

    return of


def test_what_the_documented_rule_sends_each_sender_takes(told: Any) -> None:
    sent = told(documented(), detected())
    assert sent.keys() == {"voevent", "gcn", "tns"}
    assert [one.test for one in sent.values()] == [False] * 3
    assert json.loads(sent["gcn"].raw)["ra_dec_error"] == pytest.approx(7.2 / 3600)
    assert read(sent["voevent"].raw).event_id == read(sent["gcn"].raw).event_id == "dsa-260304aaaa"


def test_swift_is_told_all_that_the_search_has_measured(told: Any) -> None:
    (said,) = told(load(None, SLOTS), detected()).values()
    request = json.loads(said.raw)
    assert request["poserr"] == pytest.approx(7.2 / 60)  # arcmin
    for what in ("531.7 pc cm^-3", "signal to noise 14.2", "width 1.04858 ms"):
        assert what in request["science_just"]


@pytest.mark.parametrize("zero", [{"raerr": 0, "decerr": 0}, {"ibox": 0}, {"dmerr": 0}])
def test_what_was_not_measured_stops_no_request_to_swift(told: Any, zero: dict[str, int]) -> None:
    assert told(load(None, SLOTS), detected(**zero)).keys() == {"swift"}


@pytest.mark.parametrize("policy", [load(None, SLOTS), documented()], ids=["default", "documented"])
@pytest.mark.parametrize(
    "changes",
    [{"probability": None}, {"probability": 0.5}, {"injected": True}],
    ids=["unknown", "noise", "test"],
)
def test_the_world_is_not_told_of_what_may_be_no_burst(policy: Policy, changes: dict[str, Any]) -> None:
    assert asked(policy, detected(**changes)) == []
