"""When what alerts are about has happened, so that those near in time are found; known sources."""

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PAGE = 1000
alerts = sa.table(
    "alerts",
    sa.column("n", sa.BigInteger),
    sa.column("body", sa.JSON),
    sa.column("event_time", sa.BigInteger),
)


def upgrade() -> None:
    op.add_column("alerts", sa.Column("event_time", sa.BigInteger(), nullable=True))
    _fill()
    op.create_index("ix_alerts_event_time", "alerts", ["event_time"], unique=False)
    op.create_table(
        "known_sources",
        sa.Column("n", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("catalogue", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("ra", sa.Float(53), nullable=False),
        sa.Column("dec", sa.Float(53), nullable=False),
        sa.Column("dm", sa.Float(53), nullable=True),
        sa.Column("error_deg", sa.Float(53), nullable=True),
        sa.Column("repeats", sa.Boolean(), nullable=False),
        sa.Column("imported_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("n", name="pk_known_sources"),
    )
    op.create_index("ix_known_sources_catalogue", "known_sources", ["catalogue"], unique=False)


def _fill() -> None:
    """The time stands in the body that was logged, ISO 8601."""
    connection = op.get_bind()
    change = sa.update(alerts).where(alerts.c.n == sa.bindparam("which"))
    last = 0
    while rows := connection.execute(
        sa.select(alerts.c.n, alerts.c.body).where(alerts.c.n > last).order_by(alerts.c.n).limit(PAGE)
    ).all():
        last = rows[-1].n
        if known := [{"which": n, "event_time": _time(body)} for n, body in rows if body.get("event_time")]:
            connection.execute(change, known)


def _time(body: dict[str, Any]) -> int:
    return (datetime.fromisoformat(body["event_time"]) - UNIX_EPOCH) // timedelta(microseconds=1)
