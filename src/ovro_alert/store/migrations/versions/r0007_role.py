"""What a command answers: something in the sky, or a test."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    role = sa.Column("role", sa.String(length=20), nullable=False, server_default="observation")
    op.add_column("entries", role)
