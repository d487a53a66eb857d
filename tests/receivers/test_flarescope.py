"""Request files in a folder: each is sent once and whole, and its outcome stands beside it."""

import errno
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from ovro_alert.link.pulse import beating
from ovro_alert.link.relay import Relay
from ovro_alert.receivers import flarescope
from ovro_alert.receivers.flarescope import FlarescopeSettings, serve_folder
from support import until

REQUEST = b'{"ra": 1.5, "dec": 2, "start": "2026-01-01T00:00:00Z", "duration": 60}'


@pytest.fixture
def settings(tmp_path) -> FlarescopeSettings:
    folder = tmp_path / "requests"
    folder.mkdir()
    return FlarescopeSettings(folder=folder, settle_s=0.2, look_s=0.05, max_size=1000)


@contextmanager
def serving(settings: FlarescopeSettings, stand_in) -> Iterator[None]:
    stop = threading.Event()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with Relay(stand_in.url, stand_in.key) as relay:
                serve_folder(settings, relay, stop)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
    assert not thread.is_alive(), "the receiver did not stop"
    assert not failures


def outcome(settings, name: str = "flare") -> dict[str, Any] | None:
    """The outcome of a request, whole whenever it is there."""
    path = settings.folder / f"{name}.outcome.json"
    return json.loads(path.read_bytes()) if path.exists() else None


def with_command(raw: bytes) -> tuple[int, dict[str, Any]]:
    decisions = [{"rule": "flarescope", "verdict": "yes", "reasons": ["asked for"]}]
    return 200, {
        "alert_id": "a",
        "event_id": "e",
        "duplicate": False,
        "decisions": decisions,
        "commands": [7],
    }


def command(state: str, **more: Any) -> dict[str, Any]:
    return {"id": 7, "slot": "lwa", "command": "powerbeam", "state": state, **more}


def test_a_request_is_sent_as_its_bytes_and_answered_beside(settings, stand_in):
    (settings.folder / "before.json").write_bytes(REQUEST)
    (settings.folder / "notes.txt").write_bytes(b"no request")
    with serving(settings, stand_in):
        until(lambda: outcome(settings, "before"))
        (settings.folder / "flare.json").write_bytes(REQUEST + b" ")
        said = until(lambda: outcome(settings))
    assert stand_in.raws == [REQUEST, REQUEST + b" "]
    about = stand_in.posted[1][1]
    assert (about["via"], about["file"]) == ("file", "flare.json")
    assert said["state"] == "accepted"
    assert said["over"]
    assert "no rule" in said["summary"]


def test_its_commands_are_followed_until_they_are_over_across_a_restart(settings, stand_in):
    stand_in.answer = with_command
    stand_in.events["e"] = {"commands": [command("queued"), command("done") | {"id": 8}]}
    (settings.folder / "flare.json").write_bytes(REQUEST)
    with serving(settings, stand_in):
        until(lambda: (outcome(settings) or {}).get("summary") == "accepted: lwa powerbeam queued")
        said = outcome(settings)
        assert not said["over"]
        assert said["decisions"] == [{"rule": "flarescope", "verdict": "yes", "reasons": ["asked for"]}]
    with serving(settings, stand_in):
        stand_in.events["e"] = {"commands": "in a way unknown"}
        asked = stand_in.asked
        until(lambda: stand_in.asked >= asked + 2)
        stand_in.events["e"] = {"commands": [command("running")]}
        until(lambda: outcome(settings)["commands"][0]["state"] == "running")
        stand_in.events["e"] = {"commands": [command("failed", detail={"reason": "no beam"})]}
        said = until(lambda: outcome(settings)["over"] and outcome(settings))
    assert said["commands"][0]["detail"] == {"reason": "no beam"}
    assert stand_in.raws == [REQUEST]


def test_half_a_file_is_not_sent(settings, stand_in):
    settings = settings.model_copy(update={"settle_s": 3600.0})
    path = settings.folder / "flare.json"
    with serving(settings, stand_in):
        for end in range(0, len(REQUEST), 10):
            path.write_bytes(REQUEST[:end])
        (settings.folder / "other.json").write_bytes(b"{}")
        until(lambda: outcome(settings, "other"))
        path.write_bytes(REQUEST)
        until(lambda: outcome(settings))
    assert stand_in.raws == [b"{}", REQUEST]


def test_what_never_becomes_json_is_sent_as_it_is_and_the_relays_reason_is_told(settings, stand_in):
    bad = b'{"ra": \xff' + b"[" * 900
    detail = [{"loc": ["ra"], "msg": "not a number", "type": "x"}]
    stand_in.answer = lambda raw: (422, {"detail": detail, "setaside": 5})
    (settings.folder / "flare.json").write_bytes(bad)
    with serving(settings, stand_in):
        said = until(lambda: outcome(settings))
    assert stand_in.raws == [bad]
    assert (said["state"], said["over"], said["summary"]) == ("refused", True, "refused: ra: not a number")


def test_new_content_under_an_old_name_is_a_new_request_and_old_content_is_none(settings, stand_in):
    path = settings.folder / "flare.json"
    path.write_bytes(REQUEST)
    with serving(settings, stand_in):
        first = until(lambda: outcome(settings))
        path.touch()
        path.write_bytes(b'{"other": 1}')
        until(lambda: outcome(settings)["sha256"] != first["sha256"])
    with serving(settings, stand_in):
        path.with_name("last.json").write_bytes(b"{}")
        until(lambda: outcome(settings, "last"))
    assert stand_in.raws == [REQUEST, b'{"other": 1}', b"{}"]


def test_what_is_no_readable_file_of_a_sane_size_is_told_so(settings, stand_in, monkeypatch, tmp_path):
    folder = settings.folder
    (tmp_path / "secret").write_bytes(b"{}")
    (folder / "link.json").symlink_to(tmp_path / "secret")
    (folder / "folder.json").mkdir()
    os.mkfifo(folder / "pipe.json")
    (folder / "large.json").write_bytes(b"x" * 1001)
    (folder / "locked.json").write_bytes(b"{}")
    really = os.open

    def locked(path, flags, *rest, **more):  # these tests may run as root, whom no mode keeps out
        if str(path).endswith("locked.json"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return really(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", locked)
    expected = {
        "link": "refused: it is a symbolic link",
        "folder": "refused: it is not a regular file",
        "pipe": "refused: it is not a regular file",
        "large": "refused: it is larger than 1000 bytes",
        "locked": "refused: it cannot be read: Permission denied",
    }
    with serving(settings, stand_in):
        (folder / "flare.json").write_bytes(REQUEST)
        until(lambda: outcome(settings))
        said = {name: until(lambda name=name: outcome(settings, name))["summary"] for name in expected}
    assert said == expected
    assert stand_in.raws == [REQUEST]


def test_names_that_are_not_utf8_are_names(settings, stand_in):
    name = os.fsdecode(b"fl\xff")
    (settings.folder / f"{name}.json").write_bytes(REQUEST)
    with serving(settings, stand_in):
        until(lambda: outcome(settings, name))
    assert stand_in.raws == [REQUEST]


def test_it_waits_for_the_relay_and_for_its_folder(settings, stand_in):
    well = stand_in.answer
    stand_in.answer = lambda raw: (503, {})
    (settings.folder / "flare.json").write_bytes(REQUEST)
    with serving(settings, stand_in):
        until(lambda: len(stand_in.posted) >= 2)
        assert outcome(settings) is None
        stand_in.answer = well
        until(lambda: outcome(settings))
        away = settings.folder.with_name("away")
        settings.folder.rename(away)
        (away / "later.json").write_bytes(REQUEST)
        away.rename(settings.folder)
        until(lambda: outcome(settings, "later"))


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match="folder"):
        FlarescopeSettings(folder=tmp_path / "nowhere")


def test_the_relay_is_told_how_the_folder_is_and_when_a_request_came(settings, stand_in, monkeypatch):
    monkeypatch.setattr(flarescope, "beating", partial(beating, every_s=0.02))

    def pulse() -> dict[str, Any]:
        return stand_in.pulses.get("flarescope.folder", {})

    with serving(settings, stand_in):
        until(lambda: pulse().get("connected"))
        assert (pulse()["transport"], pulse()["heard_s"]) == ("folder", None)
        stand_in.hanging.set()
        (settings.folder / "flare.json").write_bytes(REQUEST)
        until(lambda: pulse()["waiting"] == 1 and pulse()["heard_s"] is not None)
        stand_in.release.set()
        until(lambda: pulse()["waiting"] == 0)
        settings.folder.rename(settings.folder.with_name("elsewhere"))
        until(lambda: not pulse()["connected"] and "No such file" in pulse()["why"])
        settings.folder.with_name("elsewhere").rename(settings.folder)
        until(lambda: pulse()["connected"])
