"""A detection as a target of opportunity for Swift, and to its scientists with it.

GUANO brings down what BAT has seen of a burst where it is told in time: Swift keeps BAT's events on board for
some 25 to 30 minutes. Source of the facts: swifttools; Tohuvavohu et al. 2020, ApJ 900, 35.
"""

import json
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from ovro_alert.acting import NotTaken, Trace, Unreachable
from ovro_alert.announce.calling import call
from ovro_alert.announce.detection import Detection, Unfit
from ovro_alert.announce.sender import Message, Unsent
from ovro_alert.announce.settings import SwiftSettings
from ovro_alert.command import Entry

ON_BOARD = timedelta(minutes=25)
LISTED = 100  # requests of ours that are looked at for one that was made before
# So long swifttools waits for the answer to a request: until then Swift may still be taking it.
UNDER_WAY = timedelta(seconds=120)
# After a login that Swift refuses, twice as long each time: it is not to take us for somebody who guesses.
QUIET_S, LONGEST_QUIET_S = 5.0, 60.0
REFUSED_LOGINS = frozenset({400, 401, 403, 422})
# Before these nothing was asked of Swift: where there was no login, swifttools asks nothing.
UNSENT = ("Login failed", "Client error 429")
# How swifttools begins what it says of trouble that may be over at the next try [swift_too/base/common.py].
TROUBLE = (
    *UNSENT,
    "Request failed",
    "Server error",
    "Error validating response",
    "Client error 408",
)
TAKEN = frozenset({"Accepted", "Validated"})


def request(detection: Detection, test: bool, settings: SwiftSettings) -> dict[str, Any]:
    """What is asked, in SwiftTOORequest's words."""
    known = f" It may be of {detection.known_source}." if detection.known_source else ""
    said = [
        f"DSA-110 has detected a fast radio burst, {detection.name}, at {_utc(detection.toa)} UTC (1530 MHz, "
        f"topocentric), {_utc(detection.at_infinite_frequency)} UTC at infinite frequency, "
        f"with a dispersion measure of {detection.dm:g} pc cm^-3",
        f"signal to noise {detection.snr:g}" if detection.snr else "",
        f"width {detection.width_ms:g} ms" if detection.width_ms else "",
        f"fluence {detection.fluence:g} Jy ms" if detection.fluence else "",
    ]
    return {
        "target_name": target(detection),
        "target_type": settings.target_type,
        "ra": detection.ra,
        "dec": detection.dec,
        "poserr": round(detection.radius_deg * 60, 6),  # arcmin
        "obs_type": settings.obs_type,
        "num_of_visits": 1,
        "monitoring_freq": "1 day",  # asked for beside any number of visits, and of one says nothing
        "exp_time_per_visit": settings.exposure_s,
        "exp_time_just": settings.exp_time_just,
        "science_just": f"{', '.join(filter(None, said))}.{known}",
        "immediate_objective": settings.immediate_objective,
        "other_brightness": settings.brightness,
        "urgency": settings.urgency,
        "validate_only": test,
    }


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S.%f}"


def target(detection: Detection) -> str:
    """The name by which a request is found again."""
    return f"DSA-110 FRB {detection.name}"


class SwiftSender:
    """To Swift; the requests in its list tell what was asked before."""

    def __init__(
        self, settings: SwiftSettings, deployed: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._clock = clock  # s
        self._deployed = deployed
        self._quiet_s = 0.0  # after the last login, which Swift refused; 0 where it took it
        self._quiet_until = clock()

    def message(self, entry: Entry, detection: Detection) -> Message:
        if not self._is_set:
            raise Unfit("nobody is set to ask Swift: [world_swift] username and secret")
        test = detection.is_test or not self._deployed
        return Message(
            name=f"request for {target(detection)}",
            to=self._settings.url or "Swift",
            test=test,
            raw=json.dumps(request(detection, test, self._settings)).encode(),
            until=detection.toa + ON_BOARD,
            why="what BAT has seen of it is gone",
            settles=None if test else timedelta(seconds=self._settings.timeout_s) + UNDER_WAY,
        )

    def find(self, message: Message) -> Trace | None:
        if message.test:
            return None  # what is only validated is listed nowhere, and may be so again
        asked = json.loads(message.raw)
        answer = self._ask({"since": f"{_since(message):%Y-%m-%dT%H:%M:%S}", "limit": LISTED})
        self._judge(answer)
        for one in answer["entries"]:
            if one["target_name"] == asked["target_name"]:
                at = datetime.fromisoformat(one["timestamp"]) if one["timestamp"] else datetime.now(UTC)
                return Trace(f"Swift's request {one['too_id']}", at)
        return None

    def send(self, message: Message) -> dict[str, Any]:
        answer = self._ask({"request": json.loads(message.raw)})
        self._judge(answer)
        if answer["too_id"] is None and not (message.test and answer["status"] in TAKEN):
            raise Unreachable(f"Swift's answer does not say whether it took it: {answer['status'][:100]}")
        said = "validated, not asked" if message.test else f"taken as request {answer['too_id']}"
        return {"said": said, "too_id": answer["too_id"], "warnings": answer["warnings"]}

    def reach(self) -> str:
        if not self._is_set:
            raise Unreachable("nobody is set to ask Swift: [world_swift] username and secret")
        yesterday = datetime.now(UTC) - timedelta(days=1)
        answer = self._ask({"since": f"{yesterday:%Y-%m-%dT%H:%M:%S}", "limit": 1})
        try:
            self._judge(answer)
        except NotTaken as error:
            raise Unreachable(str(error)) from error
        return f"Swift knows {self._settings.username}"

    @property
    def _is_set(self) -> bool:
        return bool(self._settings.username and self._settings.secret.get_secret_value())

    def _judge(self, answer: dict[str, Any]) -> None:
        """Raises what its errors come to."""
        errors = answer["errors"]
        if any(one.startswith(UNSENT) for one in errors):
            raise Unsent(f"Swift: {'; '.join(errors)[:500]}")
        if any(one.startswith(TROUBLE) for one in errors):
            raise Unreachable(f"Swift: {'; '.join(errors)[:500]}")
        if errors or answer["status"] == "Rejected":
            raise NotTaken(f"Swift: {'; '.join(errors)[:500] or 'rejected without a reason'}")

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Swift's answer, by swifttools. The secret is in it nowhere."""
        if self._clock() < self._quiet_until:
            raise Unsent(f"Swift took no login of ours, and is not asked again within {self._quiet_s:g} s")
        secret = self._settings.secret.get_secret_value()
        who = {"username": self._settings.username, "shared_secret": secret}
        with tempfile.TemporaryDirectory(prefix="swift-") as home:
            environment = {"HOME": home}
            if self._settings.url:
                environment["SWIFT_TOO_API_URL"] = self._settings.url
            try:
                answer = call(
                    "ovro_alert.announce.swift_call",
                    {"who": who} | question,
                    self._settings.timeout_s,
                    environment,
                )
            except Unreachable as error:
                raise Unreachable(f"Swift: {str(error).replace(secret, '…')[:500]}") from None
        for said in (answer["errors"], answer["warnings"]):  # which may repeat what was sent
            said[:] = [one.replace(secret, "…") for one in said]
        self._mind_login(answer["login"] in REFUSED_LOGINS)
        return answer

    def _mind_login(self, refused: bool) -> None:
        """Keeps quiet for a while where Swift itself has refused us, not where nobody has answered."""
        self._quiet_s = min(2 * self._quiet_s or QUIET_S, LONGEST_QUIET_S) if refused else 0.0
        self._quiet_until = self._clock() + self._quiet_s


def _since(message: Message) -> datetime:
    """From when on a request may be this one's: from its burst."""
    return (message.until or datetime.now(UTC)) - ON_BOARD
