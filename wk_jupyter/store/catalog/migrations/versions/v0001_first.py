"""Organizations, folders and datasets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    identifier = sa.String(24)
    op.create_table(
        "organizations",
        sa.Column("id", identifier, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_organizations"),
        sa.UniqueConstraint("name", name="uq_organizations_name"),
    )
    op.create_table(
        "folders",
        sa.Column("id", identifier, nullable=False),
        sa.Column("organization_id", identifier, nullable=False),
        sa.Column("parent_id", identifier),
        sa.Column("name", sa.String(255), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_folders"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="fk_folders_organization_id_organizations"
        ),
        sa.ForeignKeyConstraint(["parent_id"], ["folders.id"], name="fk_folders_parent_id_folders"),
        sa.UniqueConstraint(
            "organization_id", "parent_id", "name", name="uq_folders_organization_id_parent_id_name"
        ),
    )
    op.create_table(
        "datasets",
        sa.Column("id", identifier, nullable=False),
        sa.Column("organization_id", identifier, nullable=False),
        sa.Column("folder_id", identifier, nullable=False),
        sa.Column("directory_name", sa.String(255), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("description", sa.Text),
        sa.Column("tags", sa.JSON, nullable=False),
        sa.Column("metadata", sa.JSON, nullable=False),
        sa.Column("is_public", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("status_reason", sa.Text, nullable=False),
        sa.Column("warnings", sa.JSON, nullable=False),
        sa.Column("layers", sa.JSON, nullable=False),
        sa.Column("properties", sa.LargeBinary),
        sa.Column("disk_key", sa.String(64), nullable=False),
        sa.Column("admin_view_configuration", sa.JSON),
        sa.PrimaryKeyConstraint("id", name="pk_datasets"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="fk_datasets_organization_id_organizations"
        ),
        sa.ForeignKeyConstraint(["folder_id"], ["folders.id"], name="fk_datasets_folder_id_folders"),
        sa.UniqueConstraint(
            "organization_id", "directory_name", name="uq_datasets_organization_id_directory_name"
        ),
    )
    op.create_index("ix_datasets_organization_id_name", "datasets", ["organization_id", "name"])


def downgrade() -> None:
    for table in ("datasets", "folders", "organizations"):
        op.drop_table(table)
