"""Many alerts at once: `POST /alerts/batch`, for whoever comes back with a backlog."""

import asyncio
from dataclasses import asdict
from functools import partial
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from pydantic import Base64Bytes, BaseModel, ConfigDict, Field

from ovro_alert.alert import Alert
from ovro_alert.formats.unreadable import Unreadable
from ovro_alert.relay.alerts import AlertAnswer, arrived, read_alert, set_aside
from ovro_alert.relay.body import documented, parse, read_body, said
from ovro_alert.relay.intake import Incoming
from ovro_alert.relay.keys import demand
from ovro_alert.relay.rights import Verb
from ovro_alert.relay.slots import JSON
from ovro_alert.relay.state import RelayState, state_of
from ovro_alert.store.alerts import Arrival

MOST = 1000
router = APIRouter(tags=["alerts"])


class Message(BaseModel):
    """One message as it came, and what its transport knows."""

    model_config = ConfigDict(extra="forbid")

    content: Base64Bytes
    format: str | None = None
    transport: dict[str, Any] = {}


class Batch(BaseModel):
    model_config = ConfigDict(extra="forbid")

    messages: list[Message] = Field(max_length=MOST)


class Taken(AlertAnswer):
    status: int = 200


class SetAside(BaseModel):
    status: int = 422
    detail: list[dict[str, Any]]
    setaside: int


class Answers(BaseModel):
    answers: list[Taken | SetAside]


@router.post("/alerts/batch", response_model=Answers, openapi_extra=documented(Batch))
async def post_alerts(request: Request) -> Response:
    """Takes many messages, as `POST /alerts` takes each, in their order; one answer each, on disk.

    A message that cannot be read is set aside and keeps no other from being taken. Where the key lacks the
    right to any of them, none is taken.
    """
    state = state_of(request)
    messages = parse(Batch, await read_body(request, state.settings.max_body_bytes)).messages
    # In another thread, however small: who waits for a command must not wait for all of them.
    read = await asyncio.to_thread(lambda: [_read(message) for message in messages])
    for alert in read:
        if isinstance(alert, Alert):
            demand(request, Verb.SEND, alert.source)
    answers = await asyncio.gather(*map(partial(_take, state), messages, read))
    return Response(orjson.dumps({"answers": answers}), media_type=JSON)


def _read(message: Message) -> Alert | Unreadable:
    try:
        return read_alert(message.content, message.format)
    except Unreadable as error:
        return error


async def _take(state: RelayState, message: Message, alert: Alert | Unreadable) -> dict[str, Any]:
    content, transport = message.content, message.transport
    if isinstance(alert, Unreadable):
        reasons = [str(reason) for reason in alert.reasons]
        kept = await set_aside(state, content, len(content), reasons, message.format, transport)
        return {"status": 422, "detail": said(alert), "setaside": kept}
    arrival = Arrival(transport, arrived(transport), state.clock())
    taken = await state.log.write_with_others(state.intake.take, Incoming(alert, content, arrival))
    return {"status": 200, **asdict(taken.answer), "duplicate": taken.duplicate}
