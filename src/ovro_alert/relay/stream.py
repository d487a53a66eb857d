"""Following a slot's log by server-sent events: one answer that does not end (HTML standard, §9.2)."""

import asyncio

import orjson
from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection
from starlette.types import Receive, Scope, Send

from ovro_alert.relay.body import Invalid
from ovro_alert.relay.following import LAST, PAGE
from ovro_alert.relay.keyring import FRESH_S
from ovro_alert.relay.keys import is_still_known
from ovro_alert.relay.slots import kind_of
from ovro_alert.relay.state import RelayState, state_of
from ovro_alert.store import entries

KEEP_ALIVE_S = 15.0  # proxies cut what is silent for a minute or less
NOTHING = b": nothing new\n\n"
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would keep the events to itself
]
router = APIRouter(tags=["slots"])


NUMBER = {"type": "integer", "minimum": 0, "maximum": LAST, "default": 0}
DOCUMENTED = [
    {"name": "after", "in": "query", "required": False, "schema": NUMBER},
    {"name": "Last-Event-ID", "in": "header", "required": False, "schema": NUMBER},
]


@router.get(
    "/{slot}/stream",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {}}, "description": "Entries as they come."}},
    openapi_extra={"parameters": DOCUMENTED},
)
async def get_stream(slot: str, request: Request) -> Response:
    """The slot's log after number `after` as server-sent events, for as long as the client listens.

    Each has the entry's number as its id, its kind (`event`, `command`) as its type, and the entry as its
    data. A client that comes back says `Last-Event-ID` and goes on from there. It ends when the key does.
    """
    state = state_of(request)
    kind_of(slot, state)
    if (last := request.headers.get("last-event-id")) is not None:
        return Stream(state, slot, _number(last, "header", "Last-Event-ID"))
    return Stream(state, slot, _number(request.query_params.get("after", "0"), "query", "after"))


def _number(text: str, *where: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= len(str(LAST)) and (number := int(text)) <= LAST:
        return number
    raise Invalid([{"loc": [*where], "msg": f"must be a number from 0 to {LAST}", "type": "number"}])


class Stream(Response):
    """Sends what follows a number of a slot's log, and a comment now and then where nothing does."""

    def __init__(self, state: RelayState, slot: str, after: int) -> None:
        super().__init__()
        self._state = state
        self._slot = slot
        self._after = after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        # What is sent to a client that went away vanishes: its leaving is to be listened for.
        gone = asyncio.ensure_future(_gone(receive))
        slot, bell, log = self._slot, self._state.bell, self._state.log
        clock, known_until = asyncio.get_running_loop().time, 0.0
        rung = bell.listen(slot)
        try:
            while not (gone.done() or bell.is_closing):
                if rung.done():
                    rung = bell.listen(slot)  # before reading: what is committed between the two rings it
                page = log.at_hand(("events", slot, self._after)) or await self._read()
                if page is not None:
                    self._after, body = page
                elif await bell.hear(rung, KEEP_ALIVE_S):
                    continue
                else:
                    body = NOTHING
                if clock() >= known_until:
                    if not await is_still_known(scope):
                        break
                    known_until = clock() + FRESH_S
                # A client that does not read holds up this, and nobody else.
                await send({"type": "http.response.body", "body": body, "more_body": True})
                # The others that were woken with this one are told before it makes ready for the next.
                await asyncio.sleep(0)
            await send({"type": "http.response.body", "body": b""})
        finally:
            bell.leave(slot, rung)
            gone.cancel()

    async def _read(self) -> tuple[int, bytes] | None:
        slot, after = self._slot, self._after
        return await self._state.log.peek(
            ("events", slot, after), lambda connection: _page(connection, slot, after)
        )


def _page(connection: Connection, slot: str, after: int) -> tuple[int, bytes] | None:
    """The entries after a number as events, the same for all who are there, and the number they reach."""
    found = entries.after(connection, slot, after, PAGE)
    if not found:
        return None
    events = (
        b"id: %d\nevent: %b\ndata: %b\n\n"
        % (entry.seq, entry.kind.encode(), orjson.dumps(entry.model_dump(), option=orjson.OPT_UTC_Z))
        for entry in found
    )
    return found[-1].seq, b"".join(events)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
