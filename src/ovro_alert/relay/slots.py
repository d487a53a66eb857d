"""The slots in the protocol of today: PUT a value, GET the newest."""

import re
from typing import Any

import orjson
from fastapi import FastAPI, HTTPException, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import Connection
from starlette.convertors import Convertor, register_url_convertor

from ovro_alert.alert import Finite
from ovro_alert.command import Entry, Kind, to_mjd
from ovro_alert.formats.slot import ROLES, from_slot
from ovro_alert.formats.unreadable import Unreadable
from ovro_alert.relay.alerts import set_aside
from ovro_alert.relay.body import Invalid, TooLarge, documented, parse, read_body, said
from ovro_alert.relay.idempotency import DOCUMENTED, once_of
from ovro_alert.relay.intake import Incoming, Said
from ovro_alert.relay.settings import RESERVED, SlotKind
from ovro_alert.relay.state import RelayState, state_of
from ovro_alert.store import entries
from ovro_alert.store.alerts import Arrival
from ovro_alert.store.entries import NewEntry
from ovro_alert.store.idempotency import Once, only_once
from ovro_alert.store.log import Transaction

JSON = "application/json"


class SlotConvertor(Convertor[str]):
    """A step of a path that is none of the relay's own, so that the slots' routes can be tried first."""

    regex = rf"(?!(?:{'|'.join(map(re.escape, sorted(RESERVED)))})(?:/|$))[^/]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("slot", SlotConvertor())


class Put(BaseModel):
    """What is PUT into a slot."""

    instrument: str = ""
    command: str = Field(max_length=200)
    command_mjd: Finite
    args: dict[str, Any] = {}


class Newest(BaseModel):
    """The newest entry of a slot; nulls before the first PUT."""

    read_mjd: float
    command: str | None = None
    command_mjd: float | None = None
    args: dict[str, Any] | None = None


class PutAnswer(BaseModel):
    id: int
    seq: int
    slot: str
    kind: Kind
    event_id: str | None


def add_to(app: FastAPI) -> None:
    """Adds the slots' routes; before all others, for telescopes wait for these."""
    app.add_api_route(
        "/{slot:slot}",
        put_slot,
        methods=["PUT"],
        response_model=PutAnswer,
        openapi_extra=documented(Put) | {"parameters": [DOCUMENTED]},
        tags=["slots"],
    )
    app.add_api_route("/{slot:slot}", get_slot, methods=["GET"], response_model=Newest, tags=["slots"])


def kind_of(slot: str, state: RelayState) -> SlotKind:
    """Whose slot it is; 404 where there is none."""
    kind = state.settings.slots.get(slot)
    if kind is None:
        raise HTTPException(404, f"there is no slot {slot!r}: there are {', '.join(state.settings.slots)}")
    return kind


async def put_slot(slot: str, request: Request) -> Response:
    """Puts a command to a telescope, or what a sender has seen, which becomes an alert as well.

    In a slot that is both, `observation`, `event` and `test` are the sender's words. Another word of a sender
    is kept in its slot and is no alert.

    With the header `Idempotency-Key` it may be repeated for a week: the same request under the same key is
    answered as it was and adds nothing; another one under that key is refused (422).
    """
    state = state_of(request)
    kind = kind_of(slot, state)
    try:
        body = await read_body(request, state.settings.max_body_bytes)
    except TooLarge as error:
        await set_aside(state, error.beginning, error.size, [str(error)], f"slot:{slot}", {"via": "put"})
        raise
    once = once_of(request, slot, body)
    try:
        put = parse(Put, body)
        if kind is not SlotKind.TELESCOPE and put.command in ROLES:
            entry = await _say(state, slot, put, body, once)
        else:
            said_or_asked = Kind.EVENT if kind is SlotKind.SENDER else Kind.COMMAND
            entry = await _keep(state, slot, put, said_or_asked, once)
    except Invalid as error:
        reasons = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.reasons]
        number = await set_aside(state, body, len(body), reasons, f"slot:{slot}", {"via": "put"})
        raise Invalid(error.reasons, number) from error
    answer = {name: getattr(entry, name) for name in PutAnswer.model_fields}
    return Response(orjson.dumps(answer), media_type=JSON)


async def _keep(state: RelayState, slot: str, put: Put, kind: Kind, once: Once | None) -> Entry:
    new = NewEntry(slot, kind, put.command, put.args, put.command_mjd)
    if once is not None:
        return await state.log.write(only_once(once, lambda tx: entries.append(tx, new)))
    return await state.log.write_with_others(entries.append_many, new)


async def _say(state: RelayState, slot: str, put: Put, body: bytes, once: Once | None) -> Entry:
    try:
        alert = from_slot(slot, put.command, put.command_mjd, put.args, put.instrument)
    except Unreadable as error:
        raise Invalid(said(error)) from error
    words = Said(put.command, put.args, put.command_mjd)
    incoming = Incoming(alert, body, Arrival({"via": "put"}, None, state.clock()), words)

    def say(tx: Transaction) -> Entry:
        (taken,) = state.intake.take(tx, [incoming])
        assert taken.entry is not None  # what was PUT is always said
        return taken.entry

    return await state.log.write(say if once is None else only_once(once, say))


async def get_slot(slot: str, request: Request) -> Response:
    """The newest entry of a slot."""
    state = state_of(request)
    kind_of(slot, state)
    newest = await state.log.peek(("newest", slot), lambda connection: _newest(connection, slot))
    return Response(b'{"read_mjd":%r,%s' % (to_mjd(state.clock()), newest), media_type=JSON)


def _newest(connection: Connection, slot: str) -> bytes:
    """The newest entry as its answer ends, the same until the next commit."""
    entry = entries.newest(connection, slot)
    said: dict[str, Any] = {"command": None, "command_mjd": None}
    if entry is not None:
        said = {"command": entry.command, "command_mjd": entry.command_mjd, "args": entry.args}
    return orjson.dumps(said)[1:]
