"""The hands for beams and the scheduler's twin, each with a link of its own to a real etcd."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import etcds
from ovro_alert.acting import Plan, Trace
from ovro_alert.command import Entry, State
from ovro_alert.link.daemon import in_background
from ovro_alert.link.durable import replace
from ovro_alert.link.etcd import Etcd
from ovro_alert.telescopes.findings import Level
from ovro_alert.telescopes.lwa.check import check
from ovro_alert.telescopes.lwa.observing import Observing
from ovro_alert.telescopes.lwa.settings import LwaSettings
from ovro_alert.telescopes.lwa.twin.executor import Executor


class Heard:
    retracted_by = None

    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []

    def say(self, detail: dict[str, Any]) -> None:
        self.said.append(detail)

    def check(self) -> None: ...

    def wait(self, seconds: float) -> None:
        threading.Event().wait(min(seconds, 0.2))


@pytest.fixture
def twin(etcd_server: etcds.Server) -> Iterator[Executor]:
    stop = threading.Event()
    with Etcd([etcd_server.url]) as keys:
        executor = Executor(keys)
        future = in_background(lambda: executor.run(stop, step_s=0.1), "twin")
        yield executor
        stop.set()
        future.result(10)


def test_a_session_from_its_plan_to_its_end(
    etcd_server: etcds.Server, twin: Executor, open_path: Path, command: Callable[..., Entry]
) -> None:
    entry = command("powerbeam", {"ra": 83.6, "dec": 22.0, "duration": 1})
    with Etcd([etcd_server.url]) as keys:
        hands = Observing(keys, LwaSettings(), open_path, replace)
        assert hands.find(entry) is None
        plan = hands.plan(entry, datetime.now(UTC))
        assert isinstance(plan, Plan)
        trace = hands.carry_out(entry, plan)
        assert hands.find(entry) == Trace("777_POWER3", trace.at)
        hands.carry_out(entry, plan)  # by another client, too late
        word = Heard()
        outcome = hands.follow(entry, trace, word)
        assert outcome.state is State.DONE, outcome
        assert [each["state"] for each in word.said] == ["observing"]
        assert [each["did"] for each in twin.account()] == ["took", "began", "completed"]
        found = check(keys, "lwa", LwaSettings(), open_path, lambda: datetime.now(UTC), listen_s=0.2)
        assert not [each for each in found if each.level is Level.WRONG]
