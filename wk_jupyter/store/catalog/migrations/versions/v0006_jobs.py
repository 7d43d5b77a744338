"""Jobs: what is done in the background, how far it is, and why it failed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(24), primary_key=True),
        sa.Column("organization_id", sa.String(24), sa.ForeignKey("organizations.id"), nullable=False),
        sa.Column("owner_id", sa.String(24), sa.ForeignKey("users.id")),
        sa.Column("dataset_id", sa.String(24), sa.ForeignKey("datasets.id", ondelete="SET NULL")),
        sa.Column("dataset_name", sa.Text, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("progress", sa.Float, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("error", sa.JSON),
        sa.Column("request", sa.JSON, nullable=False),
        sa.Column("log", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("started", sa.BigInteger),
        sa.Column("finished", sa.BigInteger),
        sa.Column("runner", sa.String(255)),
        sa.Column("seen", sa.BigInteger),
    )
    op.create_index("ix_jobs_state_created", "jobs", ["state", "created"])
    op.create_index("ix_jobs_dataset_id", "jobs", ["dataset_id"])


def downgrade() -> None:
    op.drop_table("jobs")
