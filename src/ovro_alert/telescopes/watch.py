"""Tells the log of a client what is wrong with its telescope, as it is seen while the client runs."""

import logging
import re
import threading
from collections.abc import Callable

from ovro_alert.acting import Unreachable
from ovro_alert.telescopes.findings import Finding, Level

EVERY_S = 600.0

log = logging.getLogger(__name__)


def watch(look: Callable[[], list[Finding]], stop: threading.Event, every_s: float = EVERY_S) -> None:
    """Looks again and again until `stop`; each thing that is wrong is told once, until it is not any more."""
    before: dict[str, str] = {}
    while True:
        try:
            wrong = {_subject(one.text): one.text for one in look() if one.level is Level.WRONG}
        except Unreachable:  # which whoever acts meets, too, and tells
            wrong = before
        except Exception:
            if not stop.is_set():  # then the connection may have been closed under it
                log.exception("the telescope is not watched any more")
            return
        for subject in wrong.keys() - before.keys():
            log.warning("%s", wrong[subject])
        for subject in before.keys() - wrong.keys():
            log.info("not wrong any more: %s", before[subject])
        before = wrong
        if stop.wait(every_s):
            return


def _subject(text: str) -> str:
    """A finding without its figures, which are others at each look."""
    return re.sub(r"[-+]?\d[\d.:T]*", "#", text)
