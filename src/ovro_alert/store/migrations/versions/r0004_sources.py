"""How each source is heard."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "sources",
        sa.Column("source", sa.String(length=100), nullable=False),
        sa.Column("watched_at", sa.BigInteger(), nullable=False),
        sa.Column("reported_at", sa.BigInteger(), nullable=True),
        sa.Column("transport", sa.String(length=100), nullable=True),
        sa.Column("reporter", sa.String(length=200), nullable=True),
        sa.Column("connected", sa.Boolean(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=True),
        sa.Column("trouble", sa.String(length=500), nullable=False),
        sa.Column("heard_at", sa.BigInteger(), nullable=True),
        sa.Column("expected_at", sa.BigInteger(), nullable=True),
        sa.Column("behind", sa.BigInteger(), nullable=True),
        sa.Column("waiting", sa.BigInteger(), nullable=True),
        sa.Column("deaf_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("source", name="pk_sources"),
    )
