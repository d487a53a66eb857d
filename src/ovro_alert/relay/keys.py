"""Who may speak with the relay."""

import hmac
import logging
import re

from fastapi.datastructures import Headers, QueryParams
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

KEY_IN_QUERY = re.compile(r"([?&]key=)[^&\s]*")
OPEN = frozenset({"/", "/healthz", "/docs", "/openapi.json"})
DOCS_ASSETS = "/docs/assets"


class RequireKey:
    """Lets a request pass that shows the relay's key, or asks for what is open to all; 401 otherwise.

    Around the app and not in its routes: so no route can be without it.
    """

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app = app
        self._key = key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or path in OPEN or path.startswith(f"{DOCS_ASSETS}/"):
            return await self._app(scope, receive, send)
        shown = _shown(scope)
        if shown is not None and hmac.compare_digest(shown.encode(), self._key):
            return await self._app(scope, receive, send)
        wrong = "no key: send it as `Authorization: Bearer …` or `X-API-Key: …`"
        answer = JSONResponse(
            {"detail": wrong if shown is None else "a wrong key"}, 401, {"WWW-Authenticate": "Bearer"}
        )
        return await answer(scope, receive, send)


def _shown(scope: Scope) -> str | None:
    """The key that a request shows, in a header or, as clients of today do, in its address."""
    headers = Headers(scope=scope)
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    return headers.get("x-api-key") or QueryParams(scope["query_string"]).get("key")


class HideKeys(logging.Filter):
    """Blots out the key that clients of today carry in the address, before the access log has it."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                KEY_IN_QUERY.sub(r"\1…", arg) if isinstance(arg, str) else arg for arg in record.args
            )
        return True
