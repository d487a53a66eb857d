"""A detection as a VOEvent 2.0, by `voevent_call`, and to a broker with it."""

import json
import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from ovro_alert.acting import Trace, Unreachable
from ovro_alert.announce.calling import call
from ovro_alert.announce.detection import Detection, Unfit
from ovro_alert.announce.sender import Message
from ovro_alert.announce.settings import VoeventSettings
from ovro_alert.command import Entry, from_mjd

STREAM = "edu.caltech.dsa-110"
REQUIRED = ("width_ms", "snr")  # beside what every detection has

WRITING_S = 60.0  # more than it takes on a machine that does much else

Reach = Callable[[], None]  # raises OSError
Send = Callable[[bytes], str]  # what the broker said; raises Unreachable, NotTaken


def ivorn_of(entry: Entry, detection: Detection) -> str:
    """A name of its own for each announcement: two that differ must not share one [VOEvent 2.0 §2.2]."""
    return f"ivo://{STREAM}#{detection.name}/{entry.id}"


def question(entry: Entry, detection: Detection, test: bool, contact: VoeventSettings) -> dict[str, Any]:
    """What a VOEvent is to say, in JSON.

    Raises
        Unfit: a field is missing without which DSA-110 announces nothing.
    """
    for name in REQUIRED:
        if getattr(detection, name) is None:
            raise Unfit(f"args.{name}: is required for a VOEvent")
    return {
        "stream": STREAM,
        "ivorn": ivorn_of(entry, detection),
        "date": from_mjd(entry.command_mjd).isoformat(),
        "detection": detection.model_dump(mode="json"),
        "test": test,
        "contact_name": contact.contact_name,
        "contact_email": contact.contact_email,
    }


@lru_cache(maxsize=64)
def _written(question: str) -> bytes:
    """The document; it takes most of a second, and is asked for at each look and each try."""
    try:
        answer = call("ovro_alert.announce.voevent_call", json.loads(question), WRITING_S)
    except Unreachable as error:
        raise Unreachable(f"the VOEvent could not be written: {str(error)[:500]}") from None
    if "unfit" in answer:
        raise Unfit(f"args: the VOEvent of them is not valid: {answer['unfit']}")
    return str(answer["document"]).encode()


class VoeventSender:
    """To a broker's author port; `send` and `reach` speak with it.

    A broker tells nobody what it has, but drops what it has had: that is the whole of `find`.
    """

    def __init__(self, settings: VoeventSettings, deployed: bool, send: Send, reach: Reach) -> None:
        self._settings = settings
        self._deployed = deployed
        self._send = send
        self._reach = reach
        self._writing = threading.Lock()  # of many commands, one process at a time

    @property
    def _to(self) -> str:
        return f"{self._settings.host}:{self._settings.port}"

    def message(self, entry: Entry, detection: Detection) -> Message:
        if not self._settings.host:
            raise Unfit("no VOEvent broker is set: [world_voevent] host")
        test = detection.is_test or not self._deployed
        asked = json.dumps(question(entry, detection, test, self._settings), sort_keys=True)
        with self._writing:
            raw = _written(asked)
        return Message(ivorn_of(entry, detection), self._to, test, raw)

    def find(self, message: Message) -> Trace | None:
        return None

    def send(self, message: Message) -> dict[str, Any]:
        return {"said": self._send(message.raw)}

    def reach(self) -> str:
        if not self._settings.host:
            raise Unreachable("no VOEvent broker is set: [world_voevent] host")
        try:
            self._reach()
        except OSError as error:
            raise Unreachable(f"the VOEvent broker {self._to}: {error}") from error
        return f"{self._to} takes connections"
