"""Commands that wait for a person have no place in their slot's log yet; how urgent a command is."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    with op.batch_alter_table("entries") as entries:
        entries.alter_column("seq", existing_type=sa.BigInteger(), nullable=True)
        entries.add_column(sa.Column("margin_s", sa.Float(53), nullable=True))
        entries.add_column(sa.Column("priority", sa.Integer(), nullable=False, server_default="0"))
        entries.add_column(sa.Column("approved_by", sa.String(length=200), nullable=True))
    op.create_index("ix_entries_rule_queued_at", "entries", ["rule", "queued_at"], unique=False)
