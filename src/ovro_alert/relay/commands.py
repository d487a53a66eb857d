"""What is done with a command: clients look at it, claim it and report; people approve, deny or cancel it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from ovro_alert.alert import Utc
from ovro_alert.command import Entry
from ovro_alert.command import State as CommandState
from ovro_alert.relay.body import documented, json_body
from ovro_alert.relay.keys import demand
from ovro_alert.relay.rights import Verb
from ovro_alert.relay.state import state_of
from ovro_alert.store import commands
from ovro_alert.store.entries import to_entry
from ovro_alert.store.log import Transaction

T = TypeVar("T")
CommandId = Annotated[int, Path(ge=0, lt=2**63)]  # what a database's integer holds
router = APIRouter(prefix="/commands", tags=["commands"])


class ClaimBody(BaseModel):
    """Who claims, and for how long; with the token of a claim that it still holds, to renew that."""

    client: str = Field(min_length=1, max_length=200)
    lease_s: float = Field(gt=0, le=3600, allow_inf_nan=False)
    token: int | None = None


class ClaimAnswer(BaseModel):
    token: int
    expires: Utc
    retracted_by: str | None = None


class ReportBody(BaseModel):
    """What has become of a claimed command; `detail` is any JSON that people should see."""

    token: int
    state: CommandState
    detail: Any = None


class CancelBody(BaseModel):
    """Why it is cancelled, for the people who will ask."""

    reason: str = Field(min_length=1, max_length=1000)


class ApproveBody(BaseModel):
    """Who approves: a name that the people who will ask know."""

    by: str = Field(min_length=1, max_length=200)


class DenyBody(ApproveBody):
    """Who denies, and why."""

    reason: str = Field(min_length=1, max_length=1000)


@router.get("/{command_id}", response_model=Entry)
async def get_command(command_id: CommandId, request: Request) -> Any:
    """One command as it stands."""
    return await _find(request, Verb.READ, command_id)


@router.post("/{command_id}/claim", response_model=ClaimAnswer, openapi_extra=documented(ClaimBody))
async def claim(
    command_id: CommandId, request: Request, body: Annotated[ClaimBody, Depends(json_body(ClaimBody))]
) -> Any:
    """Gives a command to one client until its lease runs out; 409 while it is another's, or over."""
    lease = timedelta(seconds=body.lease_s)
    claimed = await _do(
        request,
        Verb.CLAIM,
        command_id,
        lambda tx: commands.claim(tx, command_id, body.client, lease, body.token),
    )
    return vars(claimed)


@router.post("/{command_id}/report", response_model=Entry, openapi_extra=documented(ReportBody))
async def report(
    command_id: CommandId, request: Request, body: Annotated[ReportBody, Depends(json_body(ReportBody))]
) -> Any:
    """Writes down how a claimed command goes: running, done, failed or refused. To repeat it is harmless.

    What runs may be reported again with another `detail`: how far it is."""
    return await _do(
        request,
        Verb.CLAIM,
        command_id,
        lambda tx: commands.report(tx, command_id, body.token, body.state, body.detail),
    )


@router.post("/{command_id}/cancel", response_model=Entry, openapi_extra=documented(CancelBody))
async def cancel(
    command_id: CommandId, request: Request, body: Annotated[CancelBody, Depends(json_body(CancelBody))]
) -> Any:
    """Cancels a command that has not begun; 409 with its state where it runs or is over.

    A client that has claimed it is refused when it next renews its claim or reports.
    """
    return await _do(request, Verb.SEND, command_id, lambda tx: commands.cancel(tx, command_id, body.reason))


@router.post("/{command_id}/approve", response_model=Entry, openapi_extra=documented(ApproveBody))
async def approve(
    command_id: CommandId, request: Request, body: Annotated[ApproveBody, Depends(json_body(ApproveBody))]
) -> Any:
    """Queues a command that a rule wants a person to approve; 409 where it does not wait for that."""
    return await _do(request, Verb.APPROVE, command_id, lambda tx: commands.approve(tx, command_id, body.by))


@router.post("/{command_id}/deny", response_model=Entry, openapi_extra=documented(DenyBody))
async def deny(
    command_id: CommandId, request: Request, body: Annotated[DenyBody, Depends(json_body(DenyBody))]
) -> Any:
    """Refuses a command that a rule wants a person to approve; 409 where it does not wait for that."""
    return await _do(
        request, Verb.APPROVE, command_id, lambda tx: commands.deny(tx, command_id, body.by, body.reason)
    )


async def _find(request: Request, verb: Verb, command_id: int) -> Entry:
    """The command as it stands, for a key with the right to the verb for its slot."""
    entry = await state_of(request).log.peek(
        ("command", command_id), lambda connection: to_entry(commands.find(connection, command_id))
    )
    demand(request, verb, entry.slot)
    return entry


async def _do(
    request: Request, verb: Verb, command_id: int, job: Callable[[Transaction], T | commands.Refused]
) -> T:
    """What the log answers; raises Refused once that it was refused is on disk."""
    await _find(request, verb, command_id)
    result = await state_of(request).log.write(job)
    if isinstance(result, commands.Refused):
        raise result
    return result


async def answer_unknown(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 404)


async def answer_refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, commands.Refused)
    return JSONResponse({"detail": str(error), "state": error.state}, 409)
