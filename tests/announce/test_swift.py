"""Requests to Swift, at the wire: who asks for what; only validated unless deployed; and what may fail."""

import importlib
import json
import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given

import announcing
from announcing import DETECTIONS, SECRET, USER, Answer, Swift, entry
from ovro_alert.acting import NotTaken, Unreachable
from ovro_alert.announce import detection
from ovro_alert.announce.detection import Unfit
from ovro_alert.announce.sender import Message, Unsent
from ovro_alert.announce.settings import SwiftSettings
from ovro_alert.announce.swift import SwiftSender, request

TOA = datetime(2026, 3, 4, 5, 6, 7, 123456, UTC)


@pytest.fixture
def swift() -> Iterator[Swift]:
    with announcing.swift() as twin:
        yield twin


def sender(swift: Swift, deployed: bool = True, **settings: Any) -> SwiftSender:
    return SwiftSender(
        SwiftSettings(url=swift.url, **{"username": USER, "secret": SECRET} | settings), deployed
    )


def message(its: SwiftSender, **changes: Any) -> Message:
    asked = entry("swift", **changes)
    return its.message(asked, detection.read(asked.args))


def test_a_request_says_who_asks_and_for_what(swift: Swift) -> None:
    its = sender(swift)
    said = message(its)
    assert its.send(said)["said"] == "taken as request 20000"
    (asked,) = swift.asked
    assert asked["validate_only"] == "false"
    assert (asked["username"], asked["target_name"], asked["target_type"]) == (
        USER,
        "DSA-110 FRB 260304aaaa",
        "FRB",
    )
    assert float(asked["ra"]) == pytest.approx(291.61, abs=1e-4)  # swifttools turns ICRS into FK5: 0.02″
    assert float(asked["dec"]) == pytest.approx(71.52, abs=1e-4)
    assert float(asked["poserr"]) == pytest.approx(1.2)  # arcmin
    assert (asked["obs_type"], asked["num_of_visits"], asked["exposure"], asked["urgency"]) == (
        "Light Curve",
        "1",
        "2000",
        "1",
    )
    assert {"exp_time_just", "science_just", "immediate_objective", "other_brightness"} <= asked.keys()
    assert "531.7 pc cm^-3" in asked["science_just"]
    assert its.find(message(its, name="260304aaab")) is None  # which is looked for among the same


def test_it_is_only_validated_unless_deployed(swift: Swift) -> None:
    its = sender(swift, deployed=False)
    assert its.send(message(its))["said"] == "validated, not asked"
    assert [asked["validate_only"] for asked in swift.asked] == ["true"]
    assert swift.listed == []


@pytest.mark.parametrize("changes", [{"role": "test"}, {"name": "260304aaaa_inj0"}])
def test_what_nobody_saw_in_the_sky_is_only_validated(swift: Swift, changes: dict[str, str]) -> None:
    its = sender(swift)
    said = message(its, **changes)
    assert json.loads(said.raw)["validate_only"] is True
    assert its.find(said) is None


def test_guanos_margin_is_told_and_runs_out_after_25_minutes(swift: Swift) -> None:
    said = message(sender(swift))
    assert said.until == TOA + timedelta(minutes=25)
    summary = said.summary(TOA + timedelta(minutes=5))
    assert summary["margin_s"] == 1200
    assert "20.0 minutes before what BAT has seen of it is gone" in summary["message"]


@pytest.fixture(scope="module")
def toolbox(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """swifttools, which makes a folder in the home directory when it is imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        return importlib.import_module("swifttools.swift_too")


@given(args=DETECTIONS)
def test_whatever_was_detected_swifttools_finds_it_valid(toolbox: Any, args: dict[str, Any]) -> None:
    asked = request(detection.read(args), True, SwiftSettings())
    its = toolbox.TOORequest(username=USER, shared_secret=SECRET, autosubmit=False, **asked)
    assert its.validate(), its.status.errors


TROUBLES: dict[str, Answer] = {
    "an error of its own": (500, b"Internal Server Error"),
    "garbage": (200, b"\x00<html>"),
    "an answer that says nothing": (200, {}),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_trouble_of_swifts_is_no_answer(swift: Swift, trouble: str) -> None:
    its = sender(swift)
    said = message(its)
    swift.fault = lambda path, form: TROUBLES[trouble] if "target_name" in form else None
    with pytest.raises(Unreachable, match="Swift"):
        its.send(said)
    assert len(swift.listed) == 1  # it had taken it though its answer was lost


def test_what_was_taken_though_the_answer_was_lost_is_found(swift: Swift) -> None:
    swift.take({"validate_only": "false", "target_name": "DSA-110 FRB 260304aaaa"})
    its = sender(swift)
    found = its.find(message(its))
    assert found is not None
    assert (found.name, found.at) == ("Swift's request 20000", datetime(2026, 3, 4, 5, 10, tzinfo=UTC))


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (
            (200, {"status": {"status": "Rejected", "errors": ["Not visible to Swift"]}}),
            "Not visible to Swift",
        ),
        ((422, {"detail": [{"loc": ["body", "ra"], "msg": "is wrong"}]}), "ra: is wrong"),
    ],
)
def test_a_refusal_is_final_and_says_why(swift: Swift, answer: Answer, why: str) -> None:
    its = sender(swift)
    swift.fault = lambda path, form: answer if "target_name" in form else None
    with pytest.raises(NotTaken, match=why):
        its.send(message(its))


def test_a_wrong_secret_is_not_tried_again_at_once(swift: Swift) -> None:
    its = sender(swift, secret="wrong")
    said = message(its)
    with pytest.raises(Unsent, match="credentials"):
        its.send(said)
    with pytest.raises(Unsent, match="took no login of ours, and is not asked again within 5 s"):
        its.send(said)
    assert len(swift.logins) == 1
    assert swift.asked == []


def test_the_pause_after_a_refused_login_grows_to_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now, asked = [0], []

    def refuse(*question: Any) -> dict[str, Any]:
        asked.append(now[0])
        return {
            "status": "Pending",
            "errors": ["Login failed with status code."],
            "warnings": [],
            "login": 401,
        }

    monkeypatch.setattr("ovro_alert.announce.swift.call", refuse)
    its = SwiftSender(SwiftSettings(username=USER, secret=SECRET), True, lambda: now[0])
    said = message(its)
    for now[0] in range(300):
        with pytest.raises(Unsent):
            its.send(said)
    assert asked == [0, 5, 15, 35, 75, 135, 195, 255]


def test_a_gateway_without_swift_behind_it_has_not_refused_us(swift: Swift) -> None:
    its = sender(swift)
    said = message(its)
    swift.fault = lambda path, form: (503, b"Service Unavailable") if path.endswith("login") else None
    with pytest.raises(Unsent):
        its.send(said)
    swift.fault = lambda path, form: None
    assert its.send(said)["said"] == "taken as request 20000"


def test_a_request_without_an_answer_may_come_as_long_as_it_is_under_way(swift: Swift) -> None:
    # 30 s until it is given up here, and 120 s that swifttools would wait for Swift's answer.
    assert message(sender(swift, timeout_s=30)).settles == timedelta(seconds=150)
    assert message(sender(swift, deployed=False)).settles is None


def test_swift_that_does_not_answer_is_not_waited_for(swift: Swift) -> None:
    its = sender(swift, timeout_s=2)
    release = threading.Event()
    swift.fault = lambda path, form: release.wait(30) and None
    with pytest.raises(Unreachable, match=r"no answer within 2 s"):
        its.send(message(its))
    release.set()


def test_swift_that_is_away_is_unreachable_and_what_is_seen_of_it_is_told(swift: Swift) -> None:
    assert sender(swift).reach() == f"Swift knows {USER}"
    assert swift.asked == []
    swift.url = "http://127.0.0.1:9"
    with pytest.raises(Unreachable, match="Login failed"):
        sender(swift).reach()


def test_without_credentials_nothing_is_asked(swift: Swift) -> None:
    with pytest.raises(Unfit, match=r"\[world_swift\] username"):
        message(sender(swift, username=""))


def test_the_secret_is_in_no_address_message_or_log(swift: Swift, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    its = sender(swift)
    said = message(its)
    told = json.dumps({"detail": f"your secret {SECRET} is known"}).encode()
    swift.fault = lambda path, form: (403, told.replace(b'\\"', b'"')) if "target_name" in form else None
    with pytest.raises(NotTaken) as caught:
        its.send(said)
    assert swift.logins == [{"username": USER, "password": SECRET}]  # where it belongs
    everything = (
        f"{caught.value}{said!r}{caplog.text}{swift.addresses}{swift.asked}{SwiftSettings(secret=SECRET)!r}"
    )
    assert SECRET not in everything
    assert "…" in str(caught.value)
