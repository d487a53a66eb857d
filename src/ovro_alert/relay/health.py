"""How the relay is: alive, able to write, and in figures."""

import asyncio
import logging
from time import monotonic

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from ovro_alert.relay.metrics import Metrics
from ovro_alert.relay.state import state_of
from ovro_alert.store.log import Log, Unavailable
from ovro_alert.store.numbers import next_number

LIMIT_S = 2.0  # a write that takes longer is none
KEPT_S = 1.0  # anybody may ask, and each try costs the disk a sync: so often it is tried
TRIES = "readiness"  # the counter that is written
logger = logging.getLogger(__name__)


class Readiness:
    """Whether the log can be written, found out by writing."""

    def __init__(self) -> None:
        self._trouble: str | None = None
        self._until = 0.0
        self._trying = asyncio.Lock()

    async def trouble(self, log: Log) -> str | None:
        """Why the log cannot be written; None where it can. It says nothing that only operators may know."""
        async with self._trying:
            if monotonic() >= self._until:
                self._trouble = await self._try(log)
                self._until = monotonic() + KEPT_S
            return self._trouble

    async def _try(self, log: Log) -> str | None:
        try:
            await asyncio.wait_for(log.write(lambda tx: next_number(tx, TRIES)), LIMIT_S)
        except TimeoutError:
            return f"the log has not taken a write within {LIMIT_S:g} s"
        except Unavailable:
            return "the database refuses to write: the relay's own log says why"
        return None


def add_to(app: FastAPI, metrics: Metrics) -> None:
    """Adds the routes."""
    readiness = Readiness()

    @app.get("/healthz", tags=["health"])
    async def healthz() -> dict[str, str]:
        """That the relay is alive; needs no key."""
        return {"status": "ok"}

    @app.get("/readyz", tags=["health"], responses={503: {"description": "The log cannot be written."}})
    async def readyz(request: Request) -> JSONResponse:
        """That the log can be written, which has just been tried; needs no key."""
        if trouble := await readiness.trouble(state_of(request).log):
            return JSONResponse({"status": "not ready", "detail": trouble}, 503)
        return JSONResponse({"status": "ready"})

    @app.get("/metrics", tags=["health"], response_class=Response)
    async def get_metrics(request: Request) -> Response:
        """The relay's figures in Prometheus's text format."""
        return Response(await metrics.page(state_of(request)), media_type=CONTENT_TYPE_LATEST)
