"""How sources are heard: what receivers report, whether one is deaf, and who is told."""

import logging
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, HTTPException, Path, Request, Response
from sqlalchemy import Connection

from ovro_alert.hearing import Expectation, Hearing, Report, Source, SourcesNow, judge
from ovro_alert.relay.body import documented, parse, read_body
from ovro_alert.relay.settings import SOURCE_NAME
from ovro_alert.relay.state import RelayState, state_of
from ovro_alert.store import sources
from ovro_alert.store.log import Transaction

LONGEST = 16 * 1024  # bytes of a report
Name = Annotated[str, Path(pattern=SOURCE_NAME)]
logger = logging.getLogger(__name__)
router = APIRouter(prefix="/sources", tags=["sources"])


class Judged(NamedTuple):
    """A source, what is expected of it, how it is heard, and why it is not."""

    source: Source
    expected: Expectation
    hearing: Hearing
    why: str

    @property
    def turns_deaf(self) -> bool:
        return self.hearing is Hearing.DEAF and self.source.deaf_at is None

    @property
    def turns(self) -> bool:
        """Whether people are to be told that it is deaf, or hears again."""
        hears = self.hearing in (Hearing.HEARING, Hearing.BEHIND)
        return self.turns_deaf or (hears and self.source.deaf_at is not None)


@router.put("/{source}", status_code=204, response_class=Response, openapi_extra=documented(Report))
async def put_source(source: Name, request: Request) -> Response:
    """Takes a receiver's word on how it hears a source: about every five seconds. It replaces the one before.

    Ages are in seconds; the relay counts them back from when it gets them. The key needs `send` for any slot.
    """
    said = parse(Report, await read_body(request, LONGEST))
    try:
        await state_of(request).log.write(lambda tx: sources.report(tx, source, said))
    except sources.TooMany as error:
        raise HTTPException(409, str(error)) from error
    return Response(status_code=204)


@router.get("", response_model=SourcesNow)
async def get_sources(request: Request) -> Any:
    """Every source: how it is heard, since when, the last messages, and what is behind.

    These are the sources that were ever reported, and those that the relay's settings name.
    """
    state = state_of(request)
    found = await state.log.read(lambda connection: judged(connection, state))
    told = [
        vars(each.source) | {"state": each.hearing, "why": each.why, "cadence_s": each.expected.cadence_s}
        for each in found
    ]
    return {"now": state.clock(), "sources": told}


@router.delete("/{source}", status_code=204, response_class=Response)
async def delete_source(source: Name, request: Request) -> Response:
    """Forgets a source until it is reported again: its receiver is gone for good. The key needs `admin`."""
    if not await state_of(request).log.write(lambda tx: sources.forget(tx, source)):
        raise HTTPException(404, f"there is no source {source}")
    return Response(status_code=204)


def judged(connection: Connection, state: RelayState) -> list[Judged]:
    """Every source that is known or expected, by name."""
    now, settings = state.clock(), state.settings
    found = []
    for source in sources.listed(connection):
        # One that was only ever expected, and is no longer, is nobody's business.
        if source.reported_at is not None or source.source in settings.sources:
            expected = settings.expected(source.source)
            found.append(Judged(source, expected, *judge(source, expected, state.started, now)))
    return found


async def watch(state: RelayState) -> None:
    """Tells people of sources that have become deaf, or hear again: once, whichever worker notices it."""
    if not any(each.turns for each in await state.log.read(lambda connection: judged(connection, state))):
        return
    for each in await state.log.write(lambda tx: _turn(tx, state)):
        if each.turns_deaf:
            logger.warning("%s is deaf: %s", each.source.source, each.why)
        else:
            logger.info("%s hears again", each.source.source)


def _turn(tx: Transaction, state: RelayState) -> list[Judged]:
    # Judged anew: another worker may have told already.
    turned = [each for each in judged(tx.connection, state) if each.turns]
    for each in turned:
        sources.turn(tx, each.source, each.turns_deaf, each.why)
    return turned
