"""Alerts in: `POST /alerts`; and their raw bytes out."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, HTTPException, Request, Response
from pydantic import BaseModel, TypeAdapter, ValidationError

from ovro_alert import formats
from ovro_alert.alert import Alert, Utc
from ovro_alert.formats.strict_json import loads
from ovro_alert.formats.unreadable import Unreadable
from ovro_alert.relay.body import Invalid, TooLarge, read_body, said
from ovro_alert.relay.intake import Incoming
from ovro_alert.relay.keys import demand
from ovro_alert.relay.rights import Verb
from ovro_alert.relay.state import RelayState, state_of
from ovro_alert.store import alerts, setaside
from ovro_alert.store.alerts import Arrival

SMALL = 32 * 1024  # bytes that are read quicker than a thread is woken
UTC_MOMENT: TypeAdapter[datetime] = TypeAdapter(Utc)
logger = logging.getLogger(__name__)
router = APIRouter(tags=["alerts"])


class DecisionOut(BaseModel):
    rule: str
    verdict: str
    reasons: list[str]


class AlertAnswer(BaseModel):
    """What an alert has led to; the same for the same alert, but for `duplicate`."""

    alert_id: str
    event_id: str
    duplicate: bool
    decisions: list[DecisionOut]
    commands: list[int]


@router.post(
    "/alerts",
    response_model=AlertAnswer,
    openapi_extra={"requestBody": {"required": True, "content": {"application/octet-stream": {}}}},
)
async def post_alert(
    request: Request,
    format: str | None = None,
    x_alert_transport: Annotated[str | None, Header()] = None,
) -> Any:
    """Takes an alert's raw bytes; answers when it, the decisions on it and its commands are on disk.

    The format is told by content, or by name: `?format=`. `X-Alert-Transport` is a JSON object of what the
    transport knows. Bytes that cannot be read are set aside with the reason (422, `GET /setaside`). The key
    needs `send` for the slot that is named as the alert's source.
    """
    state = state_of(request)
    transport = _transport(x_alert_transport)
    arrival = Arrival(transport, arrived(transport), state.clock())
    try:
        content = await read_body(request, state.settings.max_body_bytes)
    except TooLarge as error:
        await set_aside(state, error.beginning, error.size, [str(error)], format, transport)
        raise
    try:
        alert = await _read(content, format)
    except Unreadable as error:
        reasons = [str(reason) for reason in error.reasons]
        kept = await set_aside(state, content, len(content), reasons, format, transport)
        raise Invalid(said(error), kept) from error
    demand(request, Verb.SEND, alert.source)
    taken = await state.log.write_with_others(state.intake.take, Incoming(alert, content, arrival))
    return asdict(taken.answer) | {"duplicate": taken.duplicate}


async def set_aside(
    state: RelayState,
    content: bytes,
    size: int,
    reasons: list[str],
    format: str | None,
    transport: Mapping[str, Any],
) -> int:
    """Keeps bytes that cannot be read; returns their number."""
    logger.warning("set aside %d bytes: %s", size, "; ".join(reasons))
    if format is not None:
        format = format.replace("\0", "")[:100]  # what every database's column keeps
    return await state.log.write(lambda tx: setaside.append(tx, content, size, reasons, format, transport))


async def _read(content: bytes, format: str | None) -> Alert:
    if len(content) <= SMALL:
        return read_alert(content, format)
    return await asyncio.to_thread(read_alert, content, format)


def read_alert(content: bytes, format: str | None) -> Alert:
    """The alert that bytes are. Raises Unreadable, whatever happens."""
    try:
        return formats.read(content, format)
    except Unreadable:
        raise
    except Exception as error:  # a fault of ours must not make a sender repeat the message for ever
        logger.exception("a message that no reader was ready for")
        raise Unreadable.at(f"reading it failed: {type(error).__name__}: {error}") from error


def _transport(header: str | None) -> dict[str, Any]:
    """What the header says; of one that is not a JSON object that the log can keep, that."""
    if header is None:
        return {"via": "http"}
    try:
        return loads(header.encode())
    except Unreadable:
        return {"via": "http", "unreadable": header[:1000]}


def arrived(transport: Mapping[str, Any]) -> datetime | None:
    """When its transport says that a message came to the receiver; None where it does not."""
    try:
        return UTC_MOMENT.validate_python(transport.get("arrived")).astimezone(UTC)
    except (ValidationError, OverflowError):  # the latter: an hour of the year 1 or 9999 that UTC has not
        return None


@router.get("/alerts/{alert_id:path}/raw", response_class=Response)
async def get_raw(alert_id: str, request: Request) -> Response:
    """An alert's bytes as they came. Characters such as `#` in the id are percent-encoded in the address."""
    content = await state_of(request).log.read(lambda connection: alerts.content(connection, alert_id))
    if content is None:
        raise HTTPException(404, f"there is no alert {alert_id}")
    return Response(content, media_type="application/octet-stream")
