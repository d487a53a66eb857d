"""What is wrong with a telescope is told once, however often it is seen."""

import logging
import threading

import pytest

from ovro_alert.acting import Unreachable
from ovro_alert.telescopes.findings import Finding, Level
from ovro_alert.telescopes.watch import watch


def test_each_thing_that_is_wrong_is_told_until_it_is_not_any_more(caplog: pytest.LogCaptureFixture) -> None:
    stop = threading.Event()
    said = ("the recorders' clock is 3.01 s ahead", "the recorders' clock is 2.98 s ahead")
    late = [Finding(Level.WRONG, text) for text in said]
    fine = Finding(Level.FINE, "etcd answers")
    seen = iter([[late[0], fine], [late[1], fine], None, [late[0]], [fine], [late[1]]])

    def look() -> list[Finding]:
        found = next(seen, [])
        if found is None:
            raise Unreachable("no answer")
        if found == [late[1]]:  # the last
            stop.set()
        return found

    with caplog.at_level(logging.INFO):
        watch(look, stop, 0.0)
    assert [(one.levelname, one.getMessage()) for one in caplog.records] == [
        ("WARNING", said[0]),
        ("INFO", f"not wrong any more: {said[0]}"),
        ("WARNING", said[1]),
    ]
