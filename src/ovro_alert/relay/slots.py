"""The slots: the protocol of today (newest value, PUT and GET), and each slot's whole log to follow."""

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import BaseModel

from ovro_alert.alert import Finite
from ovro_alert.command import Entry, Kind, to_mjd
from ovro_alert.formats.slot import ROLES, from_slot
from ovro_alert.formats.unreadable import Unreadable
from ovro_alert.relay.alerts import set_aside
from ovro_alert.relay.body import Invalid, TooLarge, documented, parse, read_body, said
from ovro_alert.relay.intake import Said, take
from ovro_alert.relay.settings import SlotKind
from ovro_alert.relay.state import RelayState, state_of
from ovro_alert.store import entries
from ovro_alert.store.alerts import Arrival
from ovro_alert.store.entries import NewEntry

PAGE = 200
router = APIRouter(tags=["slots"])

After = Annotated[int, Query(ge=0, le=2**62)]
Wait = Annotated[float, Query(ge=0, allow_inf_nan=False)]


class Put(BaseModel):
    """What is PUT into a slot."""

    instrument: str = ""
    command: str
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


class Commands(BaseModel):
    commands: list[Entry]
    next: int


def _kind_of(slot: str, state: RelayState) -> SlotKind:
    kind = state.settings.slots.get(slot)
    if kind is None:
        raise HTTPException(404, f"there is no slot {slot!r}: there are {', '.join(state.settings.slots)}")
    return kind


@router.put("/{slot}", response_model=PutAnswer, openapi_extra=documented(Put))
async def put_slot(slot: str, request: Request) -> Any:
    """Puts a command to a telescope, or what a sender has seen, which becomes an alert as well.

    In a slot that is both, `observation`, `event` and `test` are the sender's words. Another word of a sender
    is kept in its slot and is no alert.
    """
    state = state_of(request)
    kind = _kind_of(slot, state)
    try:
        body = await read_body(request, state.settings.max_body_bytes)
    except TooLarge as error:
        await set_aside(state, error.beginning, error.size, [str(error)], f"slot:{slot}", {"via": "put"})
        raise
    try:
        put = parse(Put, body)
        if kind is not SlotKind.TELESCOPE and put.command in ROLES:
            entry = await _say(state, slot, put, body)
        else:
            entry = await _keep(state, slot, put, Kind.EVENT if kind is SlotKind.SENDER else Kind.COMMAND)
    except Invalid as error:
        reasons = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.reasons]
        number = await set_aside(state, body, len(body), reasons, f"slot:{slot}", {"via": "put"})
        raise Invalid(error.reasons, number) from error
    return entry.model_dump(include=set(PutAnswer.model_fields))


async def _keep(state: RelayState, slot: str, put: Put, kind: Kind) -> Entry:
    new = NewEntry(slot, kind, put.command, put.args, put.command_mjd)
    return await state.log.write_with_others(entries.append_many, new)


async def _say(state: RelayState, slot: str, put: Put, body: bytes) -> Entry:
    try:
        alert = from_slot(slot, put.command, put.command_mjd, put.args, put.instrument)
    except Unreadable as error:
        raise Invalid(said(error)) from error
    words = Said(put.command, put.args, put.command_mjd)
    arrival = Arrival({"via": "put"}, None, state.clock())
    slots = state.settings.slots
    taken = await state.log.write(lambda tx: take(tx, state.policy, slots, alert, body, arrival, words))
    assert taken.entry is not None  # what was PUT is always said
    return taken.entry


@router.get("/{slot}", response_model=Newest, response_model_exclude_unset=True)
async def get_slot(slot: str, request: Request) -> Any:
    """The newest entry of a slot."""
    state = state_of(request)
    _kind_of(slot, state)
    newest = await state.log.peek(("newest", slot), lambda connection: entries.newest(connection, slot))
    read_mjd = to_mjd(state.clock())
    if newest is None:
        return {"read_mjd": read_mjd, "command": None, "command_mjd": None}
    return {"read_mjd": read_mjd} | newest.model_dump(include={"command", "command_mjd", "args"})


@router.get("/{slot}/commands", response_model=Commands)
async def get_commands(slot: str, request: Request, after: After = 0, wait: Wait = 0) -> Any:
    """The slot's log after number `after`, waiting up to `wait` seconds while there is nothing.

    `next` is the number to ask after then. At most 200 entries are given at a time.
    """
    state = state_of(request)
    _kind_of(slot, state)
    found = await state.bell.follow(
        slot,
        lambda: state.log.peek(
            ("after", slot, after), lambda connection: entries.after(connection, slot, after, PAGE)
        ),
        min(wait, state.settings.max_wait_s),
    )
    return {"commands": found, "next": found[-1].seq if found else after}
