"""The first schema."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "counters",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_counters"),
    )
    op.create_table(
        "events",
        sa.Column("event_id", sa.String(length=500), nullable=False),
        sa.Column("source", sa.String(length=50), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("retracted_by", sa.String(length=500), nullable=True),
        sa.PrimaryKeyConstraint("event_id", name="pk_events"),
    )
    op.create_index("ix_events_last_at", "events", ["last_at"], unique=False)
    op.create_table(
        "feed",
        sa.Column("n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("event_id", sa.String(length=500), nullable=True),
        sa.Column("alert_id", sa.String(length=500), nullable=True),
        sa.Column("command_id", sa.BigInteger(), nullable=True),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("n", name="pk_feed"),
    )
    op.create_index("ix_feed_event_id", "feed", ["event_id"], unique=False)
    op.create_table(
        "setaside",
        sa.Column("n", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("format", sa.String(length=100), nullable=True),
        sa.Column("transport", sa.JSON(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("n", name="pk_setaside"),
    )
    op.create_table(
        "alerts",
        sa.Column("n", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("alert_id", sa.String(length=500), nullable=False),
        sa.Column("event_id", sa.String(length=500), nullable=False),
        sa.Column("source", sa.String(length=50), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("alert_type", sa.String(length=20), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("transport", sa.JSON(), nullable=False),
        sa.Column("arrived_at", sa.BigInteger(), nullable=True),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("logged_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["events.event_id"], name="fk_alerts_event_id_events"),
        sa.PrimaryKeyConstraint("n", name="pk_alerts"),
        sa.UniqueConstraint("alert_id", name="uq_alerts_alert_id"),
    )
    op.create_index("ix_alerts_event_id", "alerts", ["event_id"], unique=False)
    op.create_table(
        "event_names",
        sa.Column("name", sa.String(length=500), nullable=False),
        sa.Column("event_id", sa.String(length=500), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["events.event_id"], name="fk_event_names_event_id_events"),
        sa.PrimaryKeyConstraint("name", name="pk_event_names"),
    )
    op.create_index("ix_event_names_event_id", "event_names", ["event_id"], unique=False)
    op.create_table(
        "decisions",
        sa.Column("n", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("alert_id", sa.String(length=500), nullable=False),
        sa.Column("rule", sa.String(length=200), nullable=False),
        sa.Column("verdict", sa.String(length=10), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.alert_id"], name="fk_decisions_alert_id_alerts"),
        sa.PrimaryKeyConstraint("n", name="pk_decisions"),
    )
    op.create_index("ix_decisions_alert_id", "decisions", ["alert_id"], unique=False)
    op.create_table(
        "entries",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("slot", sa.String(length=50), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("command", sa.String(length=200), nullable=False),
        sa.Column("args", sa.JSON(), nullable=False),
        sa.Column("command_mjd", sa.Float(precision=53), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=True),
        sa.Column("event_id", sa.String(length=500), nullable=True),
        sa.Column("alert_id", sa.String(length=500), nullable=True),
        sa.Column("rule", sa.String(length=200), nullable=True),
        sa.Column("deadline", sa.BigInteger(), nullable=True),
        sa.Column("queued_at", sa.BigInteger(), nullable=False),
        sa.Column("claimed_at", sa.BigInteger(), nullable=True),
        sa.Column("running_at", sa.BigInteger(), nullable=True),
        sa.Column("over_at", sa.BigInteger(), nullable=True),
        sa.Column("token", sa.BigInteger(), nullable=True),
        sa.Column("client", sa.String(length=200), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("detail", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.alert_id"], name="fk_entries_alert_id_alerts"),
        sa.ForeignKeyConstraint(["event_id"], ["events.event_id"], name="fk_entries_event_id_events"),
        sa.PrimaryKeyConstraint("id", name="pk_entries"),
        sa.UniqueConstraint("slot", "seq", name="uq_entries_slot_seq"),
    )
    op.create_index("ix_entries_alert_id", "entries", ["alert_id"], unique=False)
    op.create_index("ix_entries_event_id", "entries", ["event_id"], unique=False)
    op.create_index("ix_entries_state_deadline", "entries", ["state", "deadline"], unique=False)
    op.create_table(
        "raw",
        sa.Column("alert_id", sa.String(length=500), nullable=False),
        sa.Column("bytes", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.alert_id"], name="fk_raw_alert_id_alerts"),
        sa.PrimaryKeyConstraint("alert_id", name="pk_raw"),
    )

    # Marks this log among all logs: a command's id is this number and its place in the log (20 + 32 bits).
    op.execute(
        sa.text("INSERT INTO counters (name, value) VALUES ('log', :mark)").bindparams(
            mark=1 + secrets.randbelow(2**20 - 1)
        )
    )
