"""What etcd's JSON gateway is asked, as far as its twin in memory understands it.

What etcd knows and this does not is refused, so that nobody believes it done:
https://etcd.io/docs/v3.4/dev-guide/api_reference_v3/.
"""

from typing import Literal, TypeVar

from pydantic import Base64Bytes, BaseModel, ConfigDict, ValidationError

INVALID, OUT_OF_RANGE = 3, 11  # gRPC's codes


class Refusal(Exception):
    """What etcd says no to, with gRPC's code."""

    def __init__(self, message: str, code: int = INVALID) -> None:
        super().__init__(f"etcdserver: {message}")
        self.code = code


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


Request = TypeVar("Request", bound=_Request)


class Range(_Request):
    """One key; or those from it up to `range_end`, which is left out; all from it where that is a zero.

    `revision` is as of when, 0 for now.
    """

    key: Base64Bytes = b""
    range_end: Base64Bytes = b""
    revision: int = 0

    def holds(self, key: bytes) -> bool:
        if not self.range_end:
            return key == self.key
        return self.key <= key and (key < self.range_end or self.range_end == b"\0")


class Put(_Request):
    key: Base64Bytes = b""
    value: Base64Bytes = b""


class DeleteRange(Range):
    pass


class Operation(_Request):
    request_range: Range | None = None
    request_put: Put | None = None
    request_delete_range: DeleteRange | None = None

    @property
    def one(self) -> Range | Put:
        if one := self.request_range or self.request_put or self.request_delete_range:
            return one
        raise Refusal("an operation of a transaction asks for nothing")


class Compare(_Request):
    key: Base64Bytes = b""
    target: Literal["VERSION", "CREATE", "MOD"] = "VERSION"
    result: Literal["EQUAL"] = "EQUAL"
    version: int = 0
    create_revision: int = 0
    mod_revision: int = 0


class Txn(_Request):
    compare: list[Compare] = []
    success: list[Operation] = []
    failure: list[Operation] = []


class Compaction(_Request):
    revision: int


class Watch(Range):
    start_revision: int = 0
    filters: list[Literal["NODELETE"]] = []
    fragment: bool = False


class Watching(_Request):
    create_request: Watch


def read(model: type[Request], body: bytes) -> Request:
    """A request, checked. Raises Refusal."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        where = error.errors(include_url=False, include_input=False)[0]
        raise Refusal(f"{'.'.join(map(str, where['loc']))}: {where['msg']}") from error
