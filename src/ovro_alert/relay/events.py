"""What happened: the feed, the events, and what was set aside."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Query, Request, Response

from ovro_alert.command import Entry
from ovro_alert.relay.following import After, Wait
from ovro_alert.relay.hops import hops
from ovro_alert.relay.keys import demand
from ovro_alert.relay.rights import Verb
from ovro_alert.relay.state import state_of
from ovro_alert.store import events, feed, setaside
from ovro_alert.store.numbers import FEED

PAGE = 200
Limit = Annotated[int, Query(ge=1, le=1000)]
SetAsideNumber = Annotated[int, Path(ge=0, lt=2**63)]
ALERT_FIELDS = (
    "alert_id source role alert_type summary transport arrived_at received_at logged_at body".split()  # noqa: SIM905
)
DECISION_FIELDS = ("alert_id", "rule", "verdict", "reasons", "decided_at")
COMMAND_FIELDS = (*Entry.model_fields, "alert_id", "rule", "client", "detail")
router = APIRouter(tags=["events"])


@router.get("/feed")
async def get_feed(request: Request, after: After = 0, wait: Wait = 0) -> dict[str, Any]:
    """Everything that happened after number `after`, in order, waiting up to `wait` s while there is nothing.

    `next` is the number to ask after then; any number seen before will do to resume.
    """
    state = state_of(request)
    found = await state.bell.follow(
        FEED,
        lambda: state.log.peek(("feed", after), lambda connection: feed.after(connection, after, PAGE)),
        min(wait, state.settings.max_wait_s),
    )
    return {"entries": found, "next": found[-1]["n"] if found else after}


@router.get("/events")
async def get_events(request: Request, limit: Limit = 100) -> dict[str, Any]:
    """The events last spoken of, newest first."""
    return {"events": await state_of(request).log.read(lambda connection: events.newest(connection, limit))}


@router.get("/events/{event_id:path}")
async def get_event(event_id: str, request: Request) -> dict[str, Any]:
    """An event by any of its names: its alerts, the decisions on them, its commands, and how each went."""
    event = await state_of(request).log.read(lambda connection: events.whole(connection, event_id))
    if event is None:
        raise HTTPException(404, f"there is no event {event_id}")
    demand(request, Verb.READ, event["source"])
    by_id = {alert["alert_id"]: alert for alert in event["alerts"]}
    return event | {
        "alerts": [_pick(alert, ALERT_FIELDS) for alert in event["alerts"]],
        "decisions": [_pick(decision, DECISION_FIELDS) for decision in event["decisions"]],
        "commands": [
            _pick(command, COMMAND_FIELDS) | {"hops": hops(by_id.get(command["alert_id"]), command)}
            for command in event["commands"]
        ],
    }


def _pick(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: row[name] for name in names}


@router.get("/setaside")
async def get_setaside(request: Request, limit: Limit = 100) -> dict[str, Any]:
    """What could not be read, newest first, with the reasons."""
    log = state_of(request).log
    return {"setaside": await log.read(lambda connection: setaside.newest(connection, limit))}


@router.get("/setaside/{n}/raw", response_class=Response)
async def get_setaside_raw(n: SetAsideNumber, request: Request) -> Response:
    """The bytes that were set aside; of a body that was too large, their beginning."""
    content = await state_of(request).log.read(lambda connection: setaside.content(connection, n))
    if content is None:
        raise HTTPException(404, f"nothing was set aside under number {n}")
    return Response(content, media_type="application/octet-stream")
