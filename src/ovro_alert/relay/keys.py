"""Who may speak with the relay."""

import hmac
import logging
import re
from typing import Annotated

from fastapi import HTTPException, Request, Security
from fastapi.security import APIKeyHeader, APIKeyQuery, HTTPAuthorizationCredentials, HTTPBearer

KEY_IN_QUERY = re.compile(r"([?&]key=)[^&\s]*")

Bearer = Annotated[HTTPAuthorizationCredentials | None, Security(HTTPBearer(auto_error=False))]
Header = Annotated[str | None, Security(APIKeyHeader(name="X-API-Key", auto_error=False))]
Query = Annotated[
    str | None,
    Security(APIKeyQuery(name="key", auto_error=False, description="For clients of today: it ends in logs")),
]


async def require_key(request: Request, bearer: Bearer, header: Header, query: Query) -> None:
    """Lets a request pass that shows the relay's key; 401 otherwise."""
    shown = bearer.credentials if bearer else header or query
    if shown is None:
        raise _refused("no key: send it as `Authorization: Bearer …` or `X-API-Key: …`")
    wanted: str = request.app.state.relay.settings.key.get_secret_value()
    if not hmac.compare_digest(shown.encode(), wanted.encode()):
        raise _refused("a wrong key")


def _refused(reason: str) -> HTTPException:
    return HTTPException(401, reason, {"WWW-Authenticate": "Bearer"})


class HideKeys(logging.Filter):
    """Blots out the key that clients of today carry in the address, before the access log has it."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                KEY_IN_QUERY.sub(r"\1…", arg) if isinstance(arg, str) else arg for arg in record.args
            )
        return True
