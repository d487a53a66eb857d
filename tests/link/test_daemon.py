"""A daemon's end: clean at a signal, soon even when something hangs, and with a reason when it fails."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

HEAD = """
import sys, time, logging
from ovro_alert.link.daemon import run
"""


@contextmanager
def daemon(body: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HEAD + body], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_work_end_cleanly(number):
    with daemon(
        """
def work(stop):
    print("ready", flush=True)
    stop.wait()
    print("ended", flush=True)
sys.exit(run(work))
"""
    ) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "ended\n")
    assert "Traceback" not in err


@pytest.mark.parametrize(("grace", "signals", "code"), [(0.2, 1, 0), (3600, 2, -signal.SIGINT)])
def test_work_that_hangs_is_left_behind_after_its_grace_or_a_second_signal(grace, signals, code):
    with daemon(
        f"""
def work(stop):
    print("ready", flush=True)
    time.sleep(3600)
sys.exit(run(work, grace={grace}))
"""
    ) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert "SIGINT: stopping" in process.stderr.readline()
        if signals == 2:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == code


@pytest.mark.parametrize(
    ("error", "traceback"), [("ValueError('no key for the relay')", False), ("KeyError('no key')", True)]
)
def test_an_error_ends_it_with_a_reason(error, traceback):
    with daemon(f"def work(stop): raise {error}\nsys.exit(run(work))\n") as process:
        _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "no key" in err
    assert ("Traceback" in err) == traceback


def test_addresses_and_headers_of_requests_stay_out_of_the_log():
    with daemon(
        """
import httpx2
def work(stop):
    logging.getLogger("httpx2").info("HTTP Request: GET http://x/?key=secret")
    logging.getLogger("work").info("heard")
sys.exit(run(work))
"""
    ) as process:
        _, err = process.communicate(timeout=20)
    assert "heard" in err
    assert "secret" not in err
