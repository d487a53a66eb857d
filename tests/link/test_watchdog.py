"""What systemd hears of a daemon, on a real socket of the kind that it listens on."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from ovro_alert.link.pulse import Pulse, beating
from ovro_alert.link.relay import Relay
from ovro_alert.link.watchdog import Stop
from ovro_alert.systemd import notify, watchdog_s

LIMIT_S = 30.0  # of any wait; only a failure comes near


@pytest.fixture(params=["a path", "abstract"])
def address(request, tmp_path) -> str:
    return str(tmp_path / "notify") if request.param == "a path" else f"@ovro-alert-{uuid4().hex}"


@contextmanager
def listening(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        listener.settimeout(LIMIT_S)
        yield listener


def hear(listener: socket.socket) -> str:
    return listener.recv(4096).decode()


def hear_all(listener: socket.socket) -> list[str]:
    """What is there already."""
    listener.setblocking(False)
    said = []
    try:
        while True:
            said.append(hear(listener))
    except BlockingIOError:
        return said
    finally:
        listener.settimeout(LIMIT_S)


@contextmanager
def daemon(address: str, body: str) -> Iterator[subprocess.Popen[str]]:
    """A daemon under what looks to it like systemd, with a watchdog of 2 s."""
    program = f"import sys\nfrom ovro_alert.link.daemon import run\n{body}\nsys.exit(run(work))\n"
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "NOTIFY_SOCKET": address, "WATCHDOG_USEC": "2000000"},
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def test_it_is_ready_when_the_work_has_begun_alive_while_it_goes_on_and_says_that_it_stops(address):
    body = """
def work(stop):
    print("reading settings", flush=True)
    sys.stdin.readline()
    while not stop.wait(0.05):
        pass
"""
    with listening(address) as listener, daemon(address, body) as process:
        process.stdout.readline()
        assert hear_all(listener) == []
        process.stdin.write("go on\n")
        process.stdin.flush()
        assert [hear(listener) for _ in range(4)] == ["READY=1"] + ["WATCHDOG=1"] * 3
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
        assert [each for each in hear_all(listener) if each != "WATCHDOG=1"] == ["STOPPING=1"]
    assert process.returncode == 0


def test_work_that_hangs_is_not_alive_though_other_threads_are_and_one_that_comes_round_is(tmp_path):
    body = """
import threading
def work(stop):
    threading.Thread(target=lambda: [None for _ in iter(lambda: stop.wait(0.05), True)], daemon=True).start()
    stop.wait(0.05)
    sys.stdin.readline()
    print("still hangs", flush=True)
    sys.stdin.readline()
    while not stop.wait(0.05):
        pass
"""
    address = str(tmp_path / "notify")
    with listening(address) as listener, daemon(address, body) as process:
        assert hear(listener) == "READY=1"
        assert "the work hangs" in process.stderr.readline()
        hear_all(listener)
        process.stdin.write("go on\n")
        process.stdin.flush()
        assert process.stdout.readline() == "still hangs\n"
        assert hear_all(listener) == []
        process.stdin.write("go on\n")
        process.stdin.flush()
        assert hear(listener) == "WATCHDOG=1"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)


def test_a_daemon_that_systemd_ends_says_where_it_hung(tmp_path):
    body = """
def work(stop):
    stop.is_set()
    hang_here()
def hang_here():
    print("hangs", flush=True)
    sys.stdin.readline()
"""

    def last_words(n):
        address = str(tmp_path / f"notify{n}")
        with listening(address), daemon(address, body) as process:
            process.stdout.readline()
            process.send_signal(signal.SIGABRT)
            return process.communicate(timeout=20)[1]

    # faulthandler reads the threads' stacks while they go on, and now and then finds one in the middle of a
    # step: it says so itself. A daemon that hangs for minutes stands still.
    assert any("in hang_here" in last_words(n) for n in range(10))


def test_the_status_names_each_source(address, monkeypatch):
    pulses = [Pulse("gcn.heartbeat", "kafka", lambda: 7.0), Pulse("igwn.gwalert", "kafka", lambda: 7.0)]
    pulses[0].connected()
    pulses[0].heard()
    pulses[1].lost("no\nroute")
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    with listening(address) as listener, Relay("http://127.0.0.1:1", "a key") as relay:
        stop = Stop()
        with beating(relay, pulses, stop, every_s=0.01):
            assert hear(listener) == (
                "STATUS=gcn.heartbeat connected, heard 0 s ago; "
                "igwn.gwalert not connected (no route), heard nothing"
            )
        stop.set()


@pytest.mark.parametrize("address", ["", "/nowhere/notify", "@" + "x" * 200])
def test_without_systemd_or_with_one_that_does_not_listen_nothing_happens(address, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify("READY=1")


def test_a_systemd_that_does_not_read_holds_nobody_up(tmp_path, monkeypatch):
    address = tmp_path / "notify"
    monkeypatch.setenv("NOTIFY_SOCKET", str(address))
    monkeypatch.setattr("ovro_alert.systemd.LIMIT_S", 0.01)
    with listening(str(address)):
        backlog = int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text())
        for _ in range(backlog + 10):
            notify("WATCHDOG=1")


@pytest.mark.parametrize(("said", "seconds"), [("30000000", 30.0), ("", None), ("soon", None), ("²", None)])
def test_how_long_systemd_waits(said, seconds, monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", said)
    assert watchdog_s() == seconds


def test_waiting_to_be_stopped_is_no_hanging():
    stop = Stop()
    assert stop.overdue_s() is None
    stop.wait(0.0)
    assert stop.overdue_s() is not None
