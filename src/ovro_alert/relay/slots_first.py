"""The slots' PUT, GET and stream before FastAPI looks for a route: telescopes wait for these.

FastAPI declares, checks and documents the same endpoints; on the way to them it spends more than they do.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ovro_alert.relay.slots import get_slot, put_slot
from ovro_alert.relay.stream import get_stream

ENDPOINTS: dict[tuple[str, str], Callable[[str, Request], Awaitable[Response]]] = {
    ("PUT", ""): put_slot,
    ("GET", ""): get_slot,
    ("GET", "/stream"): get_stream,
}
Handlers = Mapping[Any, Callable[[Request, Any], Any]]


class SlotsFirst:
    """Answers these requests where the slot is one that there is; everything else is FastAPI's.

    Errors are answered by the app's own handlers.
    """

    def __init__(self, app: ASGIApp, slots: frozenset[str], handlers: Handlers) -> None:
        self._app = app
        self._slots = slots
        self._handlers = handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        slot, slash, rest = scope.get("path", "")[1:].partition("/")
        endpoint = ENDPOINTS.get((scope.get("method", ""), slash + rest))
        if endpoint is None or slot not in self._slots:
            await self._app(scope, receive, send)
            return
        scope["template"] = (
            "/{slot}" + slash + rest
        )  # for the figures, as FastAPI's router leaves them its route
        request = Request(scope, receive)
        try:
            response = await endpoint(slot, request)
        except Exception as error:
            known = (self._handlers[kind] for kind in type(error).__mro__ if kind in self._handlers)
            handler = next(known, None)
            if handler is None:
                raise
            response = await handler(request, error)
        await response(scope, receive, send)
