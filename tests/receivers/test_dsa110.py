"""DSA-110's triggers from etcd and from files: every byte reaches the relay, and none is behind us before."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from uuid import uuid4

import pytest

from etcds import Twin
from ovro_alert.link.etcd import Etcd, Found
from ovro_alert.link.relay import Relay
from ovro_alert.receivers.dsa110 import Dsa110Settings, receive
from support import until

NAME = "260301aaaa"
TRIGGER = {"mjds": 61100.5, "snr": 9.5, "ibox": 4, "dm": 279.5, "ra": 346.75, "dec": 12.625}
RAW = json.dumps({NAME: TRIGGER}).encode()


@pytest.fixture
def settings(tmp_path) -> Dsa110Settings:
    folder = tmp_path / "T2"
    folder.mkdir()
    return Dsa110Settings(
        key=f"/test/{uuid4().hex}",
        folder=folder,
        directory=tmp_path / "kept",
        check_s=0.2,
        settle_s=0.3,
        look_s=0.05,
        max_size=1000,
    )


@contextmanager
def receiving(settings: Dsa110Settings, stand_in, url: str | None = None) -> Iterator[threading.Event]:
    stop = threading.Event()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with Relay(stand_in.url, stand_in.key) as relay, ExitStack() as stack:
                receive(settings, stack.enter_context(Etcd([url])) if url else None, relay, stop)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(20)
        stand_in.release.set()
    assert not thread.is_alive(), "the receiver did not stop"
    assert not failures


Putter = Callable[..., int]


@pytest.fixture(params=["etcd_url", "etcd_twin_url"])
def url(request: pytest.FixtureRequest) -> str:
    """Of the real etcd and of its twin."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def put(url: str, settings) -> Iterator[Putter]:
    """Puts values under the key of these settings; the revision of the last."""
    with Etcd([url]) as etcd:
        yield lambda *values: [etcd.put(settings.key, value) for value in values][-1]


def test_every_byte_of_etcd_arrives_in_order_with_what_etcd_knows(settings, stand_in, url, put):
    settings = settings.model_copy(update={"folder": None})
    put(b"there before")
    with receiving(settings, stand_in, url):
        until(lambda: stand_in.posted)
        last = put(b"\x00\xff not text \n", RAW)
        until(lambda: len(stand_in.posted) == 3)
    assert stand_in.raws == [b"there before", b"\x00\xff not text \n", RAW]
    _, about, key = stand_in.posted[-1]
    assert key == stand_in.key
    assert about.pop("arrived").endswith("Z")
    assert about == {"via": "etcd", "key": settings.key, "mod_revision": last, "version": 3}


def test_a_trigger_is_behind_us_when_it_is_acknowledged_and_not_before(settings, stand_in, url, put):
    well = stand_in.answer
    put(b"one")
    with receiving(settings, stand_in, url):
        until(lambda: stand_in.acknowledged == [b"one"])
        for status in (503, 401):  # away, or the key is wrong
            stand_in.answer = lambda raw, status=status: (status, {})
            put(b"%d" % status)
            tried = len(stand_in.posted)
            until(lambda tried=tried: len(stand_in.posted) >= tried + 2)
    assert stand_in.acknowledged == [b"one"]
    stand_in.answer = well
    with receiving(settings, stand_in, url):
        until(lambda: len(stand_in.acknowledged) == 3)
    assert stand_in.acknowledged == [b"one", b"503", b"401"]


def test_what_the_relay_set_aside_is_passed_and_what_it_did_not_keep_is_kept(settings, stand_in, url, put):
    well = stand_in.answer
    answers: dict[bytes, Any] = {
        b"unreadable": (422, {"detail": [{"loc": ["dm"], "msg": "not a number"}], "setaside": 7}),
        b"too large": (413, {"detail": "too large"}),
    }
    stand_in.answer = lambda raw: answers[raw] if raw in answers else well(raw)
    put(b"first")
    with receiving(settings, stand_in, url):
        until(lambda: stand_in.acknowledged)
        revision = put(b"unreadable", b"too large")
        (settings.folder / "a name.json").write_bytes(b"too large")
        put(RAW)
        until(lambda: RAW in stand_in.acknowledged)
        kept = settings.directory / "refused" / f"etcd-{revision}.message"
        until(lambda: (settings.directory / "refused" / "a%20name.json.message").exists())
    assert kept.read_bytes() == b"too large"
    reason = json.loads(kept.with_suffix(".reason.json").read_text())
    assert reason["status"] == 413
    assert reason["about"]["mod_revision"] == revision
    assert len(list(kept.parent.iterdir())) == 4


def test_files_are_sent_whole_once_across_restarts_and_left_as_they_are(settings, stand_in):
    before = settings.folder / "cluster_output260301aaaa.json"
    before.write_bytes(RAW)
    (settings.folder / "T2_output.csv").write_bytes(b"no trigger")
    marks = before.stat()
    with receiving(settings, stand_in):
        until(lambda: stand_in.acknowledged)
        path = settings.folder / "cluster_output260301aaab.json"
        with path.open("wb") as half:
            half.write(RAW[:20])
            half.flush()
            (settings.folder / "other.json").write_bytes(b"{}")
            until(lambda: len(stand_in.acknowledged) == 2)
            half.write(RAW[20:] + b" ")
        until(lambda: len(stand_in.acknowledged) == 3)
    with receiving(settings, stand_in):
        (settings.folder / "z.json").write_bytes(b'{"new": 1}')
        until(lambda: len(stand_in.acknowledged) == 4)
        before.write_bytes(RAW + b"\n")  # new words under an old name
        until(lambda: len(stand_in.acknowledged) == 5)
    assert stand_in.raws == [RAW, b"{}", RAW + b" ", b'{"new": 1}', RAW + b"\n"]
    about = stand_in.posted[0][1]
    assert (about["via"], about["file"]) == ("file", before.name)
    assert marks.st_ino == before.stat().st_ino
    assert {each.name for each in settings.folder.iterdir()} == {
        before.name,
        "cluster_output260301aaab.json",
        "T2_output.csv",
        "other.json",
        "z.json",
    }


def test_traps_in_the_folder_are_left_alone_and_said(settings, stand_in, caplog):
    os.mkfifo(settings.folder / "pipe.json")
    (settings.folder / "link.json").symlink_to(__file__)
    (settings.folder / "large.json").write_bytes(b"{" + b" " * 1000 + b"}")
    (settings.folder / "z.json").write_bytes(RAW)
    with receiving(settings, stand_in):
        until(lambda: stand_in.posted)
    assert stand_in.raws == [RAW]
    for said in ("pipe.json is left alone: it is not a regular", "link.json is left", "large.json is left"):
        assert caplog.text.count(said) == 1


def test_files_wait_for_the_relay(settings, stand_in):
    well = stand_in.answer
    stand_in.answer = lambda raw: (503, {})
    (settings.folder / "a.json").write_bytes(RAW)
    with receiving(settings, stand_in):
        until(lambda: len(stand_in.posted) >= 2)
    stand_in.answer = well
    with receiving(settings, stand_in):
        until(lambda: stand_in.acknowledged == [RAW])


def test_how_each_is_heard_is_told(settings, stand_in, etcd_twin_url):
    with receiving(settings, stand_in, etcd_twin_url):
        until(lambda: len(stand_in.pulses) == 2)
    assert stand_in.pulses["dsa110.etcd"]["transport"] == "etcd"
    assert stand_in.pulses["dsa110.folder"]["transport"] == "folder"


def test_it_stops_at_once_though_a_request_hangs(settings, stand_in, etcd_twin):
    stand_in.hanging.set()
    etcd_twin.put(RAW, settings.key)
    with receiving(settings, stand_in, etcd_twin.url) as stop:
        until(lambda: stand_in.posted)
        stop.set()


def test_a_fault_of_ours_ends_all_of_it_so_that_it_is_started_anew(settings, stand_in):
    class Broken(Etcd):
        def get(self, key: str) -> Found:
            raise RuntimeError("a fault of ours")

    with (
        Relay(stand_in.url, stand_in.key) as relay,
        Broken([]) as etcd,
        pytest.raises(RuntimeError, match="a fault of ours"),
    ):
        receive(settings, etcd, relay, threading.Event())


def test_nothing_to_receive_from_is_said(settings, stand_in):
    nothing = settings.model_copy(update={"folder": None})
    with (
        Relay(stand_in.url, stand_in.key) as relay,
        pytest.raises(ValueError, match=r"\[etcd\] endpoints or \[dsa110\] folder"),
    ):
        receive(nothing, None, relay, threading.Event())


def test_the_daemon_reads_its_settings_and_survives_a_kill(settings, stand_in, etcd_twin: Twin):
    environment = {
        **os.environ,
        "RELAY_URL": stand_in.url,
        "RELAY_KEY": stand_in.key,
        "OVRO_ALERT_ETCD_ENDPOINTS": json.dumps([etcd_twin.url]),
        "OVRO_ALERT_DSA110_KEY": settings.key,
        "OVRO_ALERT_DSA110_FOLDER": str(settings.folder),
        "OVRO_ALERT_DSA110_DIRECTORY": str(settings.directory),
        "OVRO_ALERT_DSA110_SETTLE_S": "0.2",
    }
    command = [sys.executable, "-m", "ovro_alert.receivers.dsa110"]
    (settings.folder / "a.json").write_bytes(RAW)
    stand_in.hanging.set()
    etcd_twin.put(b"1", settings.key)
    with subprocess.Popen(command, env=environment) as process:
        until(lambda: len(stand_in.posted) == 2)
        process.kill()
    stand_in.hanging.clear()
    etcd_twin.put(b"2", settings.key)
    with subprocess.Popen(command, env=environment) as process:
        until(lambda: b"2" in stand_in.acknowledged)
        until(lambda: RAW in stand_in.acknowledged)
        etcd_twin.put(b"3", settings.key)
        until(lambda: b"3" in stand_in.acknowledged)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
