"""Reading what was sent: bounded, strict JSON, checked against a model, every refusal naming the field."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ValidationError

from ovro_alert.formats.strict_json import loads
from ovro_alert.formats.unreadable import Unreadable

M = TypeVar("M", bound=BaseModel)
KEPT = 64 * 1024  # how much of a body that is too large is set aside
DRAIN = 256 * 2**20  # and how much is read on, so that its sender hears the answer


class TooLarge(Exception):
    """A body beyond the limit; `beginning` is what is kept of its `size` bytes."""

    def __init__(self, beginning: bytes, size: int, limit: int) -> None:
        super().__init__(f"{size} bytes are more than the {limit} that are taken")
        self.beginning = beginning
        self.size = size


class Invalid(Exception):
    """A body that cannot be accepted: where and why, and the number under which its bytes were set aside."""

    def __init__(self, reasons: Sequence[dict[str, Any]], setaside: int | None = None) -> None:
        super().__init__(str(reasons))
        self.reasons = list(reasons)
        self.setaside = setaside


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body. Raises TooLarge, having read on without keeping it."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        if size <= limit:
            parts.append(part)
        size += len(part)
        if size > DRAIN:
            break
    if size <= limit:
        return b"".join(parts)
    announced = int(request.headers.get("content-length", 0))
    raise TooLarge(b"".join(parts)[:KEPT], max(size, announced), limit)


def parse(model: type[M], body: bytes) -> M:
    """The body as its model. Raises Invalid."""
    try:
        return model.model_validate(loads(body))
    except Unreadable as error:
        raise Invalid(said(error)) from error
    except ValidationError as error:
        raise Invalid(
            [
                {"loc": list(each["loc"]), "msg": each["msg"], "type": each["type"]}
                for each in error.errors(include_url=False, include_input=False, include_context=False)
            ]
        ) from error


def said(error: Unreadable) -> list[dict[str, Any]]:
    """Why a body could not be read, in the form of an answer."""
    return [{"loc": list(each.loc), "msg": each.msg, "type": "unreadable"} for each in error.reasons]


def json_body(model: type[M]) -> Callable[[Request], Awaitable[M]]:
    """A dependency that gives a route its JSON body, whatever content type the client says it is."""

    async def read(request: Request) -> M:
        return parse(model, await read_body(request, request.app.state.relay.settings.max_body_bytes))

    return read


def documented(model: type[BaseModel]) -> dict[str, Any]:
    """`openapi_extra` of a route whose body is read here."""
    content = {"application/json": {"schema": model.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}


async def answer_invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Invalid)
    return JSONResponse({"detail": error.reasons, "setaside": error.setaside}, 422)


async def answer_too_large(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 413)
