"""Alerts of other events near in time: what may be of one thing with this one."""

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError
from sqlalchemy import Connection, bindparam, or_, select
from sqlalchemy.sql.expression import ColumnElement

from ovro_alert.alert import Alert, AlertType
from ovro_alert.store.schema import alerts, events

FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
MOST = 1000  # in a storm the newest
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
        alerts.c.event_id != bindparam("own"),
        alerts.c.alert_type != AlertType.RETRACTION,
        events.c.retracted_by.is_(None),
    )
    .order_by(alerts.c.n.desc())
    .limit(MOST)
)


@dataclass(frozen=True)
class Near:
    """An alert of another event."""

    alert: Alert
    event_id: str  # of the log, which may know the alert's event by another name


def times(connection: Connection, event_id: str) -> list[datetime]:
    """When an event is said to have happened, by each of its alerts that says it."""
    return list(connection.scalars(TIMES, {"which": event_id}))


def near(
    connection: Connection,
    event_id: str,
    moment: datetime,
    seconds: float,
    speakers: Collection[str] | None = None,
) -> Iterator[Near]:
    """The alerts of other events within so many s of a moment, the newest first.

    Of `speakers` only, where they are named: sources, or missions as the names of their events begin.
    """
    query = NEAR if speakers is None else NEAR.where(_spoken_by(speakers))
    which = {"begin": _moved(moment, -seconds), "end": _moved(moment, seconds), "own": event_id}
    for other, body in connection.execute(query, which):
        with suppress(ValidationError):  # of another version, which had other words
            yield Near(Alert.model_validate(body), other)


def _spoken_by(speakers: Collection[str]) -> ColumnElement[bool]:
    begins = (alerts.c.event_id.startswith(f"{name}-", autoescape=True) for name in sorted(speakers))
    return or_(alerts.c.source.in_(sorted(speakers)), *begins)


def _moved(moment: datetime, seconds: float) -> datetime:
    """So much later, or the end of time."""
    try:
        return moment + timedelta(seconds=seconds)
    except OverflowError:
        return LAST if seconds > 0 else FIRST
