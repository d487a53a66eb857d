"""The relay put together: settings, log, routes, and what answers when something is wrong."""

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from importlib.metadata import version
from types import FrameType
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi_offline import FastAPIOffline
from sqlalchemy.exc import DataError

from ovro_alert import __doc__ as PURPOSE
from ovro_alert import systemd
from ovro_alert.policy import rules
from ovro_alert.relay import alerts, batch, commands, events, following, health, slots, sources, stream
from ovro_alert.relay.bell import Bell
from ovro_alert.relay.body import Invalid, TooLarge, answer_invalid, answer_too_large
from ovro_alert.relay.idempotency import answer_reused
from ovro_alert.relay.intake import Intake
from ovro_alert.relay.keyring import KeyRing
from ovro_alert.relay.keys import DOCS_ASSETS, HideKeys, RequireKey
from ovro_alert.relay.known import KnownSources
from ovro_alert.relay.metrics import Measure, Metrics
from ovro_alert.relay.openapi import documented
from ovro_alert.relay.policy_file import PolicyFile
from ovro_alert.relay.rights import ADMIN
from ovro_alert.relay.settings import RelaySettings, load_settings
from ovro_alert.relay.slots_first import SlotsFirst
from ovro_alert.relay.state import RelayState
from ovro_alert.store import commands as command_log
from ovro_alert.store import keys as key_log
from ovro_alert.store import sources as source_log
from ovro_alert.store.idempotency import Reused
from ovro_alert.store.log import Log, Unavailable, utc_now

SWITCH_S = 0.0005
SWEEP_S = 1.0  # how late a deadline or a lease may be noticed when nobody asks; a claim checks for itself
logger = logging.getLogger(__name__)


def create_app(settings: RelaySettings | None = None, clock: Callable[[], datetime] = utc_now) -> FastAPI:
    """The relay; ends the process with a readable line where the settings or the policy cannot be used."""
    settings = settings or load_settings()
    try:
        policy = rules.load(settings.policy, settings.commanded)
    except rules.PolicyError as error:
        raise SystemExit(f"ovro-alert relay: {error}") from error
    metrics = Metrics()

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        # The log's thread asks for the interpreter after every step of SQLite's: by default it would wait
        # 5 ms for it each time that the event loop is busy.
        sys.setswitchinterval(SWITCH_S)
        bell = Bell()
        log = Log(settings.database_url, bell.ring, clock, metrics.committed)
        if settings.key is None:
            await _make_first_key(log)
        keys = KeyRing(log, clock, settings.key)
        intake = Intake(policy, settings.slots, settings.world)
        app.state.relay = RelayState(settings, intake, log, bell, clock, keys, clock())
        if settings.sources:
            await log.write(lambda tx: source_log.expect(tx, settings.sources))
        await metrics.begin(app.state.relay)
        _let_go_when_told_to_stop(bell)
        policy_file = PolicyFile(settings.policy, settings.commanded, intake, log)
        metrics.watch(policy_file)
        known_sources = KnownSources(intake, log)
        await known_sources.look()
        sweeper = asyncio.create_task(_sweep(app.state.relay, policy_file, known_sources))
        # What stands now stands for good: looking through all of it for garbage would hold everybody up.
        gc.collect()
        gc.freeze()
        systemd.notify(systemd.READY)
        yield
        systemd.notify(systemd.STOPPING)
        sweeper.cancel()
        with suppress(asyncio.CancelledError):
            await sweeper
        log.close()

    app = FastAPIOffline(
        title="ovro-alert relay",
        version=version("ovro-alert"),
        summary=PURPOSE,
        lifespan=life,
        redoc_url=None,
        static_url=DOCS_ASSETS,
    )
    logging.getLogger("uvicorn.access").addFilter(HideKeys())
    slots.add_to(app)

    @app.get("/", include_in_schema=False)
    async def root() -> RedirectResponse:
        return RedirectResponse("/docs")

    health.add_to(app, metrics)
    for router in (
        alerts.router,
        batch.router,
        commands.router,
        events.router,
        following.router,
        sources.router,
        stream.router,
    ):
        app.include_router(router)
    app.add_middleware(SlotsFirst, slots=frozenset(settings.slots), handlers=app.exception_handlers)
    app.add_middleware(RequireKey, query_key=settings.query_key)
    app.add_middleware(Measure, metrics=metrics)  # the last is the outermost: it sees who is refused, too
    describe = app.openapi
    app.openapi = lambda: documented(describe(), settings.query_key)  # type: ignore[method-assign]
    app.add_exception_handler(Invalid, answer_invalid)
    app.add_exception_handler(TooLarge, answer_too_large)
    app.add_exception_handler(RequestValidationError, _answer_bad_request)
    app.add_exception_handler(Unavailable, _answer_unavailable)
    app.add_exception_handler(DataError, _answer_unkeepable)
    app.add_exception_handler(Reused, answer_reused)
    app.add_exception_handler(command_log.Unknown, commands.answer_unknown)
    app.add_exception_handler(command_log.Refused, commands.answer_refused)
    return app


async def _make_first_key(log: Log) -> None:
    """Makes a key of all rights where there is none at all, and tells it to whoever starts the relay."""
    token = await log.write(lambda tx: key_log.make_first(tx, "first", ADMIN))
    if token is not None:
        # Printed and not logged: a log is kept, and read by others.
        print(
            "ovro-alert relay: there was no key yet, so one of all rights was made. It is shown only now:\n\n"
            f"    {token}\n\n"
            "Clients show it as RELAY_KEY; `ovro-alert keys` makes others with fewer rights.",
            file=sys.stderr,
            flush=True,
        )


async def _sweep(relay: RelayState, policy_file: PolicyFile, known_sources: KnownSources) -> None:
    """Notices deadlines, leases and sources' silences that pass while nobody asks, and notes used keys."""
    while True:
        await asyncio.sleep(SWEEP_S)
        try:
            now = relay.clock()
            if await relay.log.read(lambda connection: command_log.is_due(connection, now)):  # noqa: B023
                await relay.log.write(command_log.sweep)
            await sources.watch(relay)
            await relay.keys.note_used()
            await policy_file.look()
            await known_sources.look()
        except Exception:
            logger.exception("looking for what has passed failed; it is tried again")
        systemd.notify(systemd.ALIVE)


def _let_go_when_told_to_stop(bell: Bell) -> None:
    """Lets waiting followers go at SIGTERM and SIGINT: the server waits for every answer before it stops."""

    def chained(before: Any) -> Callable[[int, FrameType | None], None]:
        def stop(number: int, frame: FrameType | None) -> None:
            bell.close()
            if callable(before):
                before(number, frame)

        return stop

    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(ValueError):  # not in the main thread: then whoever runs us stops us
            signal.signal(number, chained(signal.getsignal(number)))


async def _answer_bad_request(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    wrong = [{key: each[key] for key in ("loc", "msg", "type")} for each in error.errors()]
    return JSONResponse({"detail": wrong, "setaside": None}, 422)


async def _answer_unkeepable(_: Request, error: Exception) -> JSONResponse:
    """PostgreSQL keeps no NUL character, so it cannot be asked for one in an address either."""
    assert isinstance(error, DataError)
    wrong = {"loc": [], "msg": f"the database cannot hold it: {error.orig}", "type": "unkeepable"}
    return JSONResponse({"detail": [wrong], "setaside": None}, 422)


async def _answer_unavailable(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": f"the log cannot be written: {error}"}, 503, {"Retry-After": "1"})
