"""What etcd's JSON gateway answers, read and checked.

Bytes are base64 there, 64-bit numbers text, and what is 0, false or empty is left out. A watch is a stream of
such objects, a line each: https://etcd.io/docs/v3.4/dev-guide/api_grpc_gateway/.
"""

import json
from collections.abc import Iterator
from typing import Any, Literal, TypeVar

import httpx2
from pydantic import Base64Bytes, BaseModel, ConfigDict, ValidationError

from ovro_alert.acting import Unreachable
from ovro_alert.keyvalue import Compacted, Put

Model = TypeVar("Model", bound=BaseModel)

LIMIT = (
    16 * 2**20
)  # bytes of one message: etcd takes values up to 1.5 MB, and tells a watcher as much at once
LATER = frozenset({408, 429})  # 4xx by number, but the same request may be right a moment later


class EtcdAway(Unreachable):
    """No member answers, or what it says makes no sense: try again later. A put may have happened."""


class EtcdRefused(Exception):
    """etcd understood and said no: no right to this key, a wrong password, no gateway."""


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Header(_Answer):
    revision: int


class Written(_Answer):
    """The answer to a put."""

    header: _Header


class Decided(_Answer):
    """The answer to a transaction: whether its comparisons held."""

    succeeded: bool = False


class KeyValue(_Answer):
    """A key, with what was put under it."""

    key: Base64Bytes
    value: Base64Bytes = b""
    mod_revision: int
    version: int = 0

    @property
    def name(self) -> str:
        return self.key.decode(errors="backslashreplace")  # others may put what is no text

    @property
    def put(self) -> Put:
        return Put(self.value, self.mod_revision, self.version)


class Range(_Answer):
    """The answer to a get."""

    header: _Header
    kvs: list[KeyValue] = []


class _Looked(_Answer):
    kvs: list[KeyValue] = []


class _Response(_Answer):
    response_range: _Looked


class Looked(_Answer):
    """The answer to a transaction of nothing but gets."""

    responses: list[_Response] = []

    @property
    def kvs(self) -> list[KeyValue]:
        return [each for response in self.responses for each in response.response_range.kvs]


class Token(_Answer):
    """The answer to a login."""

    token: str


class _Event(_Answer):
    type: Literal["PUT", "DELETE"] = "PUT"
    kv: KeyValue


class Told(_Answer):
    """One thing that a watch says."""

    created: bool = False
    canceled: bool = False
    cancel_reason: str = ""
    compact_revision: int = 0
    events: list[_Event] = []


class _Line(_Answer):
    result: Told | None = None
    error: Any = None


def read(model: type[Model], response: httpx2.Response) -> Model:
    """An answer that ends, as `model`; EtcdAway where it breaks off or is another."""
    return _checked(model, _body(response))


def refusal(response: httpx2.Response, endpoint: str) -> EtcdAway | EtcdRefused:
    """What an answer that is not 200 means."""
    status, said = response.status_code, _body(response)
    try:
        reason = str(json.loads(said)["error"])
    except (ValueError, TypeError, LookupError):
        # Of itself the gateway always says why.
        reason = "no JSON gateway is there (etcd 3.4 or later has one, with enable-grpc-gateway)"
    line = f"{endpoint}: HTTP {status}: {reason[:500]}"
    return EtcdRefused(line) if 400 <= status < 500 and status not in LATER else EtcdAway(line)


def told(response: httpx2.Response) -> Iterator[Told]:
    """What a watch says, until nothing came for the response's read timeout.

    Raises
        Compacted, EtcdRefused: etcd ended it.
        EtcdAway: it was cut, or makes no sense.
    """
    for line in filter(bytes.strip, _lines(response)):
        said = _checked(_Line, line)
        if said.result is None:
            raise EtcdAway(f"the watch failed: {str(said.error)[:500]}")
        if said.result.compact_revision:
            raise Compacted(said.result.compact_revision)
        if said.result.canceled:
            raise EtcdRefused(f"the watch was cancelled: {said.result.cancel_reason[:500]}")
        yield said.result


def _checked(model: type[Model], content: bytes) -> Model:
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        where = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, where["loc"]))
        raise EtcdAway(f"not etcd's answer: {place}: {where['msg']}") from error


def _lines(response: httpx2.Response) -> Iterator[bytes]:
    rest = b""
    try:
        for chunk in _chunks(response):
            *whole, rest = (rest + chunk).split(b"\n")
            yield from whole
            _bound(len(rest))
    except httpx2.ReadTimeout:
        return
    raise EtcdAway("the watch was cut")


def _body(response: httpx2.Response) -> bytes:
    body = bytearray()
    try:
        for chunk in _chunks(response):
            body += chunk
            _bound(len(body))
    except httpx2.ReadTimeout as error:
        raise EtcdAway("it fell silent in the midst of an answer") from error
    return bytes(body)


def _chunks(response: httpx2.Response) -> Iterator[bytes]:
    try:
        yield from response.iter_raw()
    except httpx2.ReadTimeout:
        raise
    except (httpx2.HTTPError, httpx2.StreamError, RuntimeError) as error:  # the last: closed meanwhile
        raise EtcdAway(f"{type(error).__name__}: {error}") from error


def _bound(size: int) -> None:
    if size > LIMIT:
        raise EtcdAway(f"it says more than {LIMIT} bytes at once")
