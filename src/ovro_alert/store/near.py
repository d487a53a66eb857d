"""Alerts near in time: what may be of one thing."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, Select, bindparam, literal, or_, select

from ovro_alert.alert import Alert, AlertType
from ovro_alert.store.schema import alerts, events

FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
MOST = 300  # in a storm the newest
TIMES = select(alerts.c.event_time).where(
    alerts.c.event_id == bindparam("which"), alerts.c.event_time.is_not(None)
)
# Not what was retracted, nor a retraction: that says nothing of its own of what it is about.
NEAR = (
    select(alerts.c.event_id, alerts.c.body)
    .join(events, events.c.event_id == alerts.c.event_id)
    .where(
        alerts.c.event_time >= bindparam("begin"),
        alerts.c.event_time <= bindparam("end"),
        alerts.c.event_id != bindparam("but"),
        alerts.c.alert_type != AlertType.RETRACTION,
        events.c.retracted_by.is_(None),
    )
    .order_by(alerts.c.n.desc())
    .limit(MOST)
)
ANY = NEAR.with_only_columns(literal(1)).order_by(None).limit(1)


@dataclass(frozen=True)
class Near:
    """An alert, and its event in the log, which may know that by another name."""

    alert: Alert
    event_id: str


def times(connection: Connection, event_id: str) -> list[datetime]:
    """When an event is said to have happened, by each of its alerts that says it."""
    return list(connection.scalars(TIMES, {"which": event_id}))


def near(
    connection: Connection,
    moments: Sequence[datetime],
    seconds: float,
    *,
    but: str = "",
    speakers: Collection[str] | None = None,
    without: Collection[str] = (),
) -> list[Near]:
    """The alerts within so many s of moments, the newest first, `but` those of one event.

    Of `speakers` only, where they are named: sources, or missions as the names of their events begin. And
    `without` those of some sources.
    """
    found = []
    for event_id, body in connection.execute(_of(NEAR, speakers, without), _which(moments, seconds, but)):
        with suppress(ValidationError):  # of another version, which had other words
            found.append(Near(Alert.model_validate(body), event_id))
    return found


def is_any_near(
    connection: Connection,
    moments: Sequence[datetime],
    seconds: float,
    *,
    but: str = "",
    speakers: Collection[str] | None = None,
    without: Collection[str] = (),
) -> bool:
    """Whether `near` would find any."""
    query = _of(ANY, speakers, without)
    return connection.execute(query, _which(moments, seconds, but)).first() is not None


def _of(query: Select[Any], speakers: Collection[str] | None, without: Collection[str]) -> Select[Any]:
    if without:
        query = query.where(alerts.c.source.not_in(sorted(without)))
    if speakers is None:
        return query
    begins = (alerts.c.event_id.startswith(f"{name}-", autoescape=True) for name in sorted(speakers))
    return query.where(or_(alerts.c.source.in_(sorted(speakers)), *begins))


def _which(moments: Sequence[datetime], seconds: float, but: str) -> dict[str, Any]:
    return {"begin": _moved(min(moments), -seconds), "end": _moved(max(moments), seconds), "but": but}


def _moved(moment: datetime, seconds: float) -> datetime:
    """So much later, or the end of time."""
    try:
        return moment + timedelta(seconds=seconds)
    except OverflowError:
        return LAST if seconds > 0 else FIRST
