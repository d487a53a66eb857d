"""Alerts of the log as they came, with the commands that rules have sent for each."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import BindParameter, Connection, RowMapping, bindparam, or_, select

from ovro_alert.store.schema import UNIX_EPOCH, alerts, entries

EARLIEST, LATEST = UNIX_EPOCH, datetime.max.replace(tzinfo=UTC)
TOGETHER = 500  # alerts whose commands are looked up in one query
IDS: BindParameter[list[str]] = bindparam("ids", expanding=True)
LOGGED_AT = select(alerts.c.logged_at).where(alerts.c.alert_id == bindparam("which"))
WITHIN = (alerts.c.logged_at >= bindparam("since"), alerts.c.logged_at < bindparam("until"))
# What comes before matters to an event that is spoken of again, and to rules that may not act too often.
SPOKEN_OF = (
    select(alerts.c.alert_id, alerts.c.body, alerts.c.logged_at)
    .where(
        alerts.c.logged_at < bindparam("until"),
        or_(
            alerts.c.logged_at >= bindparam("before"),
            alerts.c.event_id.in_(select(alerts.c.event_id).where(*WITHIN)),
        ),
    )
    .order_by(alerts.c.n)
)
SENT = select(entries).where(entries.c.alert_id.in_(IDS), entries.c.rule.is_not(None)).order_by(entries.c.id)


def logged_at(connection: Connection, alert_id: str) -> datetime | None:
    """When an alert was logged, which is when it was decided upon; None where it is unknown."""
    found: datetime | None = connection.scalar(LOGGED_AT, {"which": alert_id})
    return found


def spoken_of(
    connection: Connection,
    since: datetime = EARLIEST,
    until: datetime = LATEST,
    before: timedelta = timedelta(0),
) -> Iterator[tuple[RowMapping, list[RowMapping]]]:
    """The alerts that were logged from one moment until another, in order, after what bears on them.

    That are the earlier ones of the same events, and all of so long before. Each comes with the rows of the
    commands that rules have sent for it.
    """
    about = {"since": since, "until": until, "before": max(since, EARLIEST + before) - before}
    found = connection.execution_options(yield_per=TOGETHER).execute(SPOKEN_OF, about)
    for rows in found.mappings().partitions():
        sent = _sent(connection, [row["alert_id"] for row in rows])
        for row in rows:
            yield row, sent.get(row["alert_id"], [])


def _sent(connection: Connection, alert_ids: Sequence[str]) -> dict[str, list[RowMapping]]:
    found: dict[str, list[RowMapping]] = {}
    for row in connection.execute(SENT, {"ids": list(alert_ids)}).mappings():
        found.setdefault(row["alert_id"], []).append(row)
    return found
