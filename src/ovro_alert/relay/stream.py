"""Following a slot's log by server-sent events: one answer that does not end (HTML standard, §9.2)."""

import asyncio
from typing import Annotated

import orjson
from fastapi import APIRouter, Header, HTTPException, Request, Response
from sqlalchemy import Connection
from starlette.types import Receive, Scope, Send

from ovro_alert.relay.following import PAGE, After
from ovro_alert.relay.keys import is_still_known
from ovro_alert.relay.slots import kind_of
from ovro_alert.relay.state import RelayState, state_of
from ovro_alert.store import entries

KEEP_ALIVE_S = 15.0  # proxies cut what is silent for a minute or less
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would keep the events to itself
]
router = APIRouter(tags=["slots"])


@router.get(
    "/{slot}/stream",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {}}, "description": "Entries as they come."}},
)
async def get_stream(
    slot: str,
    request: Request,
    after: After = 0,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """The slot's log after number `after` as server-sent events, for as long as the client listens.

    Each has the entry's number as its id, its kind (`event`, `command`) as its type, and the entry as its
    data. A client that comes back says `Last-Event-ID` and goes on from there. It ends when the key does.
    """
    state = state_of(request)
    kind_of(slot, state)
    if last_event_id is not None:
        if not (last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) < 19):
            raise HTTPException(
                422, [{"loc": ["header", "Last-Event-ID"], "msg": "must be an entry's number"}]
            )
        after = int(last_event_id)
    return Stream(state, slot, after)


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
        bell = self._state.bell
        try:
            while not (gone.done() or bell.is_closing):
                page = await bell.follow(self._slot, self._read, KEEP_ALIVE_S)
                body = b": nothing new\n\n"
                if page is not None:
                    self._after, body = page
                if not await is_still_known(scope):
                    break
                # A client that does not read holds up this, and nobody else.
                await send({"type": "http.response.body", "body": body, "more_body": True})
                # The others that were woken with this one are told before it makes ready for the next.
                await asyncio.sleep(0)
            await send({"type": "http.response.body", "body": b""})
        finally:
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
