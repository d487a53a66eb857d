"""The relay as its clients and receivers see it: one method a route, typed answers, two exceptions."""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self, TypeVar
from urllib.parse import quote, urlsplit
from uuid import uuid4

import httpx2
from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from ovro_alert.alert import Utc
from ovro_alert.command import Entry, State
from ovro_alert.hearing import Report, SourcesNow

Answer = TypeVar("Answer", bound=BaseModel)

CONNECT_S = 5.0
ANSWER_S = 30.0  # beyond what was asked to wait: the relay may be reading a sky map of megabytes
PULSE_S = 5.0  # of what is worth nothing later
LATER = frozenset({408, 429})  # 4xx by number, but the same request may be right a moment later
ABOUT_THE_KEY = frozenset({401, 403})
# What POST /alerts may refuse for; any other 4xx there says that something else than the relay answered.
ABOUT_AN_ALERT = frozenset({400, 413, 415, 422}) | ABOUT_THE_KEY
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Away(Exception):
    """The relay cannot be reached, is in trouble, or what answers is not a relay: try again later."""


class Refused(Exception):
    """The relay understood and said no (4xx).

    `status` is HTTP's, `reason` one readable line, `body` the JSON of the answer (its text where it is none).
    """

    def __init__(self, status: int, reason: str, body: Any) -> None:
        super().__init__(f"{status}: {reason}")
        self.status = status
        self.reason = reason
        self.body = body

    @property
    def about_the_key(self) -> bool:
        """Whether an operator can mend it, so that the same request may yet be accepted."""
        return self.status in ABOUT_THE_KEY

    @property
    def set_aside(self) -> bool:
        """Whether the relay has kept the bytes that it could not read."""
        return isinstance(self.body, dict) and self.body.get("setaside") is not None


class _Answer(BaseModel):
    """Part of an answer; what a later relay adds is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Decision(_Answer):
    """What a rule said of an alert, and why."""

    rule: str
    verdict: Literal["yes", "no", "error"]
    reasons: list[str]


class Receipt(_Answer):
    """The relay's word that an alert is in its log, and what it led to."""

    alert_id: str
    event_id: str
    duplicate: bool
    decisions: list[Decision]
    commands: list[int]


class Claim(_Answer):
    """The right to carry out a command until `expires`, proven by `token`."""

    token: int | str
    expires: Utc
    retracted_by: str | None = None  # the alert that has taken the command's event back


class FeedEntry(_Answer):
    """One thing that happened at the relay; what `data` holds depends on `kind`."""

    n: NonNegativeInt
    at: Utc
    kind: str
    event_id: str | None
    alert_id: str | None
    command_id: int | None
    data: dict[str, Any]


class _NotTaken(_Answer):
    """The answer to one of many messages that could not be read; the relay has set it aside."""

    status: Literal[422]
    detail: list[dict[str, Any]]
    setaside: NonNegativeInt


class _Answers(_Answer):
    answers: list[_NotTaken | Receipt]


class _Commands(_Answer):
    commands: list[Entry]
    next: NonNegativeInt


class _Feed(_Answer):
    entries: list[FeedEntry]
    next: NonNegativeInt


def _reason(status: int, body: Any) -> str:
    detail = body.get("detail", body) if isinstance(body, dict) else body
    if isinstance(detail, list):  # FastAPI's form: where, and what
        detail = "; ".join(
            f"{'.'.join(str(step) for step in each.get('loc', []))}: {each.get('msg', '')}"
            if isinstance(each, dict)
            else str(each)
            for each in detail
        )
    return (str(detail).strip() or httpx2.codes.get_reason_phrase(status))[:500]


class Relay:
    """A connection to the relay at `url`, for use in one `with`; safe to use from several threads.

    Every method raises Away when there is no answer, or none that the contract allows, and Refused when the
    relay says no. The key goes in a header only: addresses end up in logs.
    """

    def __init__(self, url: str, key: str, *, transport: httpx2.BaseTransport | None = None) -> None:
        self._http = httpx2.Client(
            base_url=url,
            headers={"X-API-Key": key},
            transport=transport,
            # A proxy of the environment is for the world outside, never for this machine.
            trust_env=urlsplit(url).hostname not in LOOPBACK,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; a request under way in another thread fails with Away."""
        self._http.close()

    def post_alert(self, raw: bytes, about: Mapping[str, Any], format: str | None = None) -> Receipt:
        """Hand over a message as it came, with what its transport knows (`arrival`); safe to repeat."""
        headers = {
            "Content-Type": "application/octet-stream",
            "X-Alert-Transport": json.dumps(dict(about), allow_nan=False),
        }
        params = {} if format is None else {"format": format}
        try:
            return self._ask(Receipt, "POST", "/alerts", content=raw, headers=headers, params=params)
        except Refused as refused:
            if refused.status in ABOUT_AN_ALERT:
                raise
            raise Away(f"POST /alerts: no relay answers there ({refused})") from refused

    def post_alerts(self, messages: Sequence[tuple[bytes, Mapping[str, Any]]]) -> list[Receipt | Refused]:
        """Hand over many messages as `post_alert` does each, in their order; one answer each.

        At most 1000, and small ones: together they are one request. Refused is raised where it is about the
        key, and none has been taken then; a message that the relay could not read has it as its answer.
        """
        body = {
            "messages": [
                {"content": b64encode(raw).decode(), "transport": dict(about)} for raw, about in messages
            ]
        }
        answers = self._ask(_Answers, "POST", "/alerts/batch", json=body).answers
        if len(answers) != len(messages):
            raise Away(f"POST /alerts/batch: {len(answers)} answers to {len(messages)} messages")
        return [
            one if isinstance(one, Receipt) else Refused(one.status, _reason(one.status, body), body)
            for one in answers
            for body in [one.model_dump()]
        ]

    def put(
        self, slot: str, command: str, args: Mapping[str, Any], command_mjd: float, key: str | None = None
    ) -> None:
        """Put an entry into a slot; to repeat it after Away is safe with the same `key`, such as a UUID."""
        body = {"command": command, "command_mjd": command_mjd, "args": dict(args)}
        headers = {"Idempotency-Key": key or uuid4().hex}
        self._answer("PUT", f"/{_step(slot)}", json=body, headers=headers)

    def put_pulse(self, source: str, report: Report) -> None:
        """Say how a source is heard; who is not answered soon had better say it anew."""
        self._answer("PUT", f"/sources/{_step(source)}", patience=PULSE_S, json=report.model_dump())

    def sources(self) -> SourcesNow:
        """How each source is heard."""
        return self._ask(SourcesNow, "GET", "/sources", patience=PULSE_S)

    def commands(self, slot: str, after: int, wait: float) -> tuple[list[Entry], int]:
        """The slot's entries beyond `after`, waiting up to `wait` s for one; and the next `after`."""
        answer = self._ask(
            _Commands, "GET", f"/{_step(slot)}/commands", params={"after": after, "wait": wait}, wait=wait
        )
        return answer.commands, answer.next

    def command(self, id: int) -> Entry:
        """One entry as it stands now."""
        return self._ask(Entry, "GET", f"/commands/{id}")

    def feed(self, after: int, wait: float) -> tuple[list[FeedEntry], int]:
        """What happened beyond `after`, waiting up to `wait` s for it; and the next `after`."""
        answer = self._ask(_Feed, "GET", "/feed", params={"after": after, "wait": wait}, wait=wait)
        return answer.entries, answer.next

    def claim(self, id: int, client: str, lease_s: float, token: int | str | None = None) -> Claim:
        """Claim a command for `lease_s` seconds, or renew the claim that `token` proves.

        Refused with status 409: claimed by another, over, or past its deadline (`body["state"]` says which).
        """
        body: dict[str, Any] = {"client": client, "lease_s": lease_s}
        if token is not None:
            body["token"] = token
        return self._ask(Claim, "POST", f"/commands/{id}/claim", json=body)

    def report(self, id: int, token: int | str, state: State, detail: Any) -> Entry:
        """Say how a claimed command goes; Refused with status 409 for an old token or an impossible step."""
        body = {"token": token, "state": state, "detail": detail}
        return self._ask(Entry, "POST", f"/commands/{id}/report", json=body)

    def event(self, event_id: str) -> dict[str, Any]:
        """Everything that the relay knows of an event, as it tells it."""
        path = f"/events/{_step(event_id)}"
        answer = self._answer("GET", path)
        try:
            body = answer.json()
        except ValueError as error:
            raise Away(f"GET {path}: the answer is not JSON") from error
        if not isinstance(body, dict):
            raise Away(f"GET {path}: the answer is not a JSON object")
        return body

    def _ask(
        self, model: type[Answer], method: str, path: str, *, wait: float = 0.0, **request: Any
    ) -> Answer:
        answer = self._answer(method, path, wait=wait, **request)
        try:
            return model.model_validate_json(answer.content)
        except ValidationError as error:
            where = error.errors(include_url=False, include_input=False)[0]
            raise Away(
                f"{method} {path}: not a relay's answer: {'.'.join(map(str, where['loc']))}: {where['msg']}"
            ) from error

    def _answer(
        self, method: str, path: str, *, wait: float = 0.0, patience: float | None = None, **request: Any
    ) -> httpx2.Response:
        limit = wait + (ANSWER_S if patience is None else patience)
        timeout = httpx2.Timeout(limit, connect=CONNECT_S)
        try:
            answer = self._http.request(method, path, timeout=timeout, **request)
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
            raise Away(f"{method} {path}: {type(error).__name__}: {error}") from error
        except RuntimeError as error:  # httpx2's word for a client that was closed meanwhile
            raise Away(f"{method} {path}: {error}") from error
        status = answer.status_code
        if answer.is_success:
            return answer
        try:
            body = answer.json()
        except ValueError:
            body = answer.text
        if 400 <= status < 500 and status not in LATER:
            raise Refused(status, _reason(status, body), body)
        raise Away(f"{method} {path}: HTTP {status}: {_reason(status, body)}")


def _step(name: str) -> str:
    """One step of a path: CHIME's ivorns hold ':', '+', '#' and '/'."""
    return quote(name, safe="")
