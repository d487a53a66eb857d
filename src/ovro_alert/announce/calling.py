"""A question to a module of ours that answers it in a process of its own: JSON in, JSON out.

So the libraries that it takes, of a hundred megabytes and more, are in no daemon's memory for the sake of a
burst a week; what they keep goes with it; and it can be ended when it hangs.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from ovro_alert.acting import Unreachable

Json = dict[str, Any]


def call(module: str, question: Json, timeout_s: float, environment: Mapping[str, str] | None = None) -> Json:
    """What `module` answers; the question goes in by its standard input, and is seen nowhere else.

    Raises
        Unreachable: there is no answer within `timeout_s`, or none at all; the message is its last words.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", module, repr(time.monotonic() + timeout_s)],
            input=json.dumps(question).encode(),
            capture_output=True,
            env=os.environ | (environment or {}),
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Unreachable(f"no answer within {timeout_s:g} s") from None
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        raise Unreachable(words[-1] if words else "it ended without a word")
    answer: Json = json.loads(done.stdout)
    return answer


def answer(reply: Callable[[Json], Json]) -> None:
    """The whole of such a module's `__main__`. It ends with its time, also where nobody waits any more."""
    left = float(sys.argv[1]) - time.monotonic()  # the clock that all processes of a machine share
    signal.setitimer(signal.ITIMER_REAL, max(left, 0.001))
    with contextlib.redirect_stdout(sys.stderr):  # libraries print, too
        answered = reply(json.load(sys.stdin))
    json.dump(answered, sys.stdout)
