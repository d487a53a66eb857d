"""Who may speak with the relay, and of what."""

import json
import logging
import math
import re
import time
from urllib.parse import unquote_to_bytes

from fastapi import HTTPException, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from ovro_alert.relay.keyring import KeyRing
from ovro_alert.relay.rights import Rights, Verb, lacking
from ovro_alert.relay.throttle import Throttle
from ovro_alert.store.keys import TOKEN

KEY_IN_QUERY = re.compile(r"((?:^|[?&])key=)([^&\s]*)")
OPEN = frozenset({"/", "/healthz", "/readyz", "/docs", "/openapi.json"})
DOCS_ASSETS = "/docs/assets"
BEARER = (b"www-authenticate", b"Bearer")
HEADERS = "`Authorization: Bearer …` or `X-API-Key: …`"


class RequireKey:
    """Lets a request pass that shows a key with the right to it, or asks for what is open to all.

    Around the app and not in its routes: so no route can be without it. 401 for no key or a wrong one, 429
    after too many wrong ones from an address, 403 for a key without the right. A right key is served however
    many wrong ones came before it: behind a proxy the address is everybody's.
    """

    def __init__(self, app: ASGIApp, query_key: bool) -> None:
        self._app = app
        self._query_key = query_key
        self._throttle = Throttle()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or path in OPEN or path.startswith(f"{DOCS_ASSETS}/"):
            return await self._app(scope, receive, send)
        token = _in_headers(scope)
        if not token and (token := _in_query(scope)) and not self._query_key:
            return await _refuse(send, 401, f"a key in the address is not taken: use {HEADERS}", BEARER)
        if not token:
            return await _refuse(send, 401, f"no key: send it as {HEADERS}", BEARER)
        ring: KeyRing = scope["app"].state.relay.keys
        rights = await ring.rights(token)
        if rights is None:
            address, _ = scope.get("client") or ("", 0)
            if wait := self._throttle.take(address, time.monotonic()):
                seconds = str(math.ceil(wait)).encode()
                return await _refuse(send, 429, "too many wrong keys", (b"retry-after", seconds))
            return await _refuse(send, 401, "a wrong key", BEARER)
        if lacked := lacking(rights, scope["method"], path):
            return await _refuse(send, 403, says_lacking(lacked))
        scope["key"], scope["rights"] = token, rights
        return await self._app(scope, receive, send)


def demand(request: Request, verb: Verb, slot: str) -> None:
    """Asks for a right that a request turns out to need; 403 where its key has it not."""
    rights: Rights = request.scope["rights"]
    if not rights.allow(verb, slot):
        raise HTTPException(403, says_lacking(f"{verb}:{slot}"))


async def is_still_known(scope: Scope) -> bool:
    """Whether the key of a request that lasts is still in force."""
    ring: KeyRing = scope["app"].state.relay.keys
    return await ring.rights(scope["key"]) is not None


def says_lacking(scope: str) -> str:
    """What a key without a right is told."""
    return f"this key lacks the scope {scope}"


def _in_headers(scope: Scope) -> bytes | None:
    shown: bytes | None = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, credentials = value.partition(b" ")
            if scheme.lower() == b"bearer":
                return bytes(credentials.strip())
        elif name == b"x-api-key" and shown is None:
            shown = value
    return shown


def _in_query(scope: Scope) -> bytes | None:
    """The key in the address, as clients of today show it.

    Found by the pattern that hides it in the access log, so that none is taken that would be written there.
    """
    match = KEY_IN_QUERY.search(scope["query_string"].decode("latin-1"))
    return None if match is None else unquote_to_bytes(match[2].replace("+", " "))


async def _refuse(send: Send, status: int, detail: str, *headers: tuple[bytes, bytes]) -> None:
    body = json.dumps({"detail": detail}, ensure_ascii=False).encode()
    about = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": about})
    await send({"type": "http.response.body", "body": body})


class HideKeys(logging.Filter):
    """Blots out keys in addresses before the access log has them: `?key=…`, and whatever has a key's form."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                TOKEN.sub("…", KEY_IN_QUERY.sub(r"\1…", arg)) if isinstance(arg, str) else arg
                for arg in record.args
            )
        return True
