"""Following a slot's whole log, by a waiting request."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel
from sqlalchemy import Connection

from ovro_alert.command import Entry
from ovro_alert.relay.slots import JSON, kind_of
from ovro_alert.relay.state import state_of
from ovro_alert.store import entries

PAGE = 200
LAST = 2**62  # no number is greater
router = APIRouter(tags=["slots"])

After = Annotated[int, Query(ge=0, le=LAST)]
Wait = Annotated[float, Query(ge=0, allow_inf_nan=False)]


class Commands(BaseModel):
    commands: list[Entry]
    next: int


@router.get("/{slot}/commands", response_model=Commands)
async def get_commands(slot: str, request: Request, after: After = 0, wait: Wait = 0) -> Response:
    """The slot's log after number `after`, waiting up to `wait` seconds while there is nothing.

    `next` is the number to ask after then. At most 200 entries are given at a time.
    """
    state = state_of(request)
    kind_of(slot, state)
    found = await state.bell.follow(
        slot,
        lambda: state.log.peek(("page", slot, after), lambda connection: _page(connection, slot, after)),
        min(wait, state.settings.max_wait_s),
    )
    return Response(found or orjson.dumps({"commands": [], "next": after}), media_type=JSON)


def _page(connection: Connection, slot: str, after: int) -> bytes:
    """The entries after a number as their answer, the same for all who ask; empty where there are none."""
    found = entries.after(connection, slot, after, PAGE)
    if not found:
        return b""
    commands: list[dict[str, Any]] = [entry.model_dump() for entry in found]
    return orjson.dumps({"commands": commands, "next": found[-1].seq}, option=orjson.OPT_UTC_Z)
