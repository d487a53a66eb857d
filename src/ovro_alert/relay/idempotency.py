"""The header `Idempotency-Key`: a PUT that is repeated under one adds nothing."""

import re

from fastapi import Request
from fastapi.responses import JSONResponse

from ovro_alert.relay.body import Invalid
from ovro_alert.relay.rights import Rights
from ovro_alert.store.idempotency import Once, Reused, once

HEADER = b"idempotency-key"
KEY = re.compile(r"[!-~]{1,255}")
LOC = ["header", HEADER.decode()]
DOCUMENTED = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": f"^{KEY.pattern}$"},
    "description": "Repeated with the same key, a request is answered as it was and adds nothing.",
}


def once_of(request: Request, slot: str, body: bytes) -> Once | None:
    """What a request says that it is to be done once by; None where it does not. Raises Invalid."""
    sent = [value for name, value in request.scope["headers"] if name == HEADER]
    if not sent:
        return None
    key = sent[0].decode("latin-1")
    if KEY.fullmatch(key) is None:
        raise Invalid([{"loc": LOC, "msg": "must be 1 to 255 printable ASCII characters", "type": "value"}])
    rights: Rights = request.scope["rights"]
    return once(rights.holder, key, slot, body)


async def answer_reused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Reused)
    return JSONResponse(
        {"detail": [{"loc": LOC, "msg": str(error), "type": "reused"}], "setaside": None}, 422
    )
