"""What every daemon does first: its log on stderr, a word to systemd, a clean end at SIGINT or SIGTERM."""

import faulthandler
import logging
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from types import FrameType
from typing import TypeVar

from ovro_alert.link.watchdog import Stop, Watchdog
from ovro_alert.systemd import STOPPING, notify

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)

GRACE_S = 5.0


def set_up_logging(handler: logging.Handler | None = None) -> None:
    """Log to `handler`, or to stderr in UTC; httpx2, which names addresses, is heard only when it warns."""
    if handler is None:
        formatter = logging.Formatter(
            "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S"
        )
        formatter.converter = time.gmtime
        handler = logging.StreamHandler()
        handler.setFormatter(formatter)
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for chatty in ("httpx2", "httpcore2"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def in_background(work: Callable[[], Answer], name: str) -> Future[Answer]:
    """Do `work` in a thread that cannot keep the process alive."""
    future: Future[Answer] = Future()

    def body() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=body, name=name, daemon=True).start()
    return future


def run(work: Callable[[threading.Event], None], grace: float = GRACE_S) -> int:
    """Do `work(stop)` until it returns or a signal sets `stop`; the process's exit code.

    The work has `grace` seconds to end after a signal and is left behind then: a request that hangs does not
    hold a daemon up, and all that it keeps survives a kill anyway. A second signal ends it at once.

    systemd is told that the work has begun when it first asks `stop`, and that it goes on while it asks it
    again; of a daemon that hangs and is ended for it, the log has where each of its threads was.
    """
    set_up_logging()
    faulthandler.enable()  # of SIGABRT too, which is how systemd's watchdog ends a service
    stop = Stop()
    watchdog = Watchdog(stop)

    def on_signal(number: int, _frame: FrameType | None) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_DFL)
        log.info("%s: stopping", signal.Signals(number).name)
        notify(STOPPING)
        stop.set()

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, on_signal)

    def watched() -> None:
        stop.watch()
        work(stop)

    over = threading.Event()
    future = in_background(watched, "work")
    future.add_done_callback(lambda _: over.set())
    while not over.wait(0.2):
        watchdog.look()
        if stop.is_set():
            over.wait(grace)
            break
    if not future.done():
        log.warning("left a request behind that did not end in %g s", grace)
        return 0
    try:
        future.result()
    except (ValueError, OSError) as error:  # settings and disks: the operator needs no traceback
        log.error("%s", error)
        return 1
    except Exception:
        log.exception("stopped by an error")
        return 1
    return 0
