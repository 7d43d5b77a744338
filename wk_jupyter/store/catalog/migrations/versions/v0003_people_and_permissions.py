"""Teams, tokens and roles; who may see folders and datasets; trash, tags as rows, uses, changes."""

from __future__ import annotations

import secrets
import time

import msgspec
import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ID = sa.String(24)
_EMPTY = sa.text("''")
_NEW_TABLES = (
    "changes", "dataset_uses", "dataset_tags", "dataset_teams", "folder_teams",
    "api_tokens", "team_members", "teams",
)  # fmt: skip
_DATASET_COLUMNS = (
    "owner_id", "sharing_nonce", "trashed", "trashed_from", "element_classes", "used_storage_bytes",
)  # fmt: skip


def upgrade() -> None:
    _extend_users()
    op.add_column("folders", sa.Column("metadata", sa.JSON, nullable=False, server_default="[]"))
    op.create_index("ix_folders_parent_id", "folders", ["parent_id"])
    _extend_datasets()
    _create_people()
    _create_grants()
    _create_journal()
    _fill()


def downgrade() -> None:
    for name in _NEW_TABLES:
        op.drop_table(name)
    for name in ("public", "owner_id", "folder_id_sort_name_id", "organization_id_created_id"):
        op.drop_index(f"ix_datasets_{name}", "datasets")
    with op.batch_alter_table("datasets") as table:
        table.drop_constraint("fk_datasets_owner_id_users", type_="foreignkey")
        for name in _DATASET_COLUMNS:
            table.drop_column(name)
    op.drop_index("ix_folders_parent_id", "folders")
    # One by one: SQLite may not make a table anew that others point at, as a batch would.
    op.drop_column("folders", "metadata")
    for name in ("email", "first_name", "last_name", "is_dataset_manager", "is_active", "last_activity"):
        op.drop_column("users", name)


def _extend_users() -> None:
    for name in ("email", "first_name", "last_name"):
        op.add_column("users", sa.Column(name, sa.Text, nullable=False, server_default=_EMPTY))
    for name, default in (("is_dataset_manager", sa.false()), ("is_active", sa.true())):
        op.add_column("users", sa.Column(name, sa.Boolean, nullable=False, server_default=default))
    op.add_column("users", sa.Column("last_activity", sa.BigInteger))


def _extend_datasets() -> None:
    with op.batch_alter_table("datasets") as table:
        table.add_column(sa.Column("owner_id", _ID))
        table.add_column(sa.Column("sharing_nonce", sa.String(32)))
        table.add_column(sa.Column("trashed", sa.BigInteger))
        table.add_column(sa.Column("trashed_from", sa.String(255)))
        table.add_column(sa.Column("element_classes", sa.String(255), nullable=False, server_default=_EMPTY))
        table.add_column(sa.Column("used_storage_bytes", sa.BigInteger))
        table.create_foreign_key("fk_datasets_owner_id_users", "users", ["owner_id"], ["id"])
    op.create_index(
        "ix_datasets_organization_id_created_id", "datasets", ["organization_id", "created", "id"]
    )
    op.create_index("ix_datasets_folder_id_sort_name_id", "datasets", ["folder_id", "sort_name", "id"])
    op.create_index("ix_datasets_owner_id", "datasets", ["owner_id"])
    public = sa.text("is_public")
    op.create_index(
        "ix_datasets_public", "datasets", ["sort_name", "id"], sqlite_where=public, postgresql_where=public
    )


def _create_people() -> None:
    op.create_table(
        "teams",
        sa.Column("id", _ID, nullable=False),
        sa.Column("organization_id", _ID, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("is_organization_team", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_teams"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="fk_teams_organization_id_organizations"
        ),
        sa.UniqueConstraint("organization_id", "name", name="uq_teams_organization_id_name"),
    )
    op.create_table(
        "team_members",
        sa.Column("team_id", _ID, nullable=False),
        sa.Column("user_id", _ID, nullable=False),
        sa.Column("is_manager", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("team_id", "user_id", name="pk_team_members"),
        _cascading("team_members", "team_id", "teams"),
        _cascading("team_members", "user_id", "users"),
    )
    op.create_index("ix_team_members_user_id", "team_members", ["user_id"])
    op.create_table(
        "api_tokens",
        sa.Column("id", _ID, nullable=False),
        sa.Column("user_id", _ID, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.BigInteger),
        sa.Column("last_used", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_api_tokens"),
        _cascading("api_tokens", "user_id", "users"),
        sa.UniqueConstraint("digest", name="uq_api_tokens_digest"),
    )
    op.create_index("ix_api_tokens_user_id", "api_tokens", ["user_id"])


def _create_grants() -> None:
    for noun in ("folder", "dataset"):
        name, column = f"{noun}_teams", f"{noun}_id"
        op.create_table(
            name,
            sa.Column(column, _ID, nullable=False),
            sa.Column("team_id", _ID, nullable=False),
            sa.PrimaryKeyConstraint(column, "team_id", name=f"pk_{name}"),
            _cascading(name, column, f"{noun}s"),
            _cascading(name, "team_id", "teams"),
        )
        op.create_index(f"ix_{name}_team_id", name, ["team_id"])


def _create_journal() -> None:
    op.create_table(
        "dataset_tags",
        sa.Column("dataset_id", _ID, nullable=False),
        sa.Column("tag", sa.String(255), nullable=False),
        sa.PrimaryKeyConstraint("dataset_id", "tag", name="pk_dataset_tags"),
        _cascading("dataset_tags", "dataset_id", "datasets"),
    )
    op.create_index("ix_dataset_tags_tag", "dataset_tags", ["tag"])
    op.create_table(
        "dataset_uses",
        sa.Column("user_id", _ID, nullable=False),
        sa.Column("dataset_id", _ID, nullable=False),
        sa.Column("last_used", sa.BigInteger),
        sa.Column("view_configuration", sa.JSON),
        sa.PrimaryKeyConstraint("user_id", "dataset_id", name="pk_dataset_uses"),
        _cascading("dataset_uses", "user_id", "users"),
        _cascading("dataset_uses", "dataset_id", "datasets"),
    )
    op.create_index("ix_dataset_uses_dataset_id", "dataset_uses", ["dataset_id"])
    op.create_table(
        "changes",
        sa.Column("number", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("organization_id", _ID, nullable=False),
        sa.Column("noun", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("subject_id", _ID),
        sa.Column("before", sa.JSON),
        sa.PrimaryKeyConstraint("number", name="pk_changes"),
        sqlite_autoincrement=True,
    )


def _cascading(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], [f"{target}.id"], name=f"fk_{table}_{column}_{target}", ondelete="CASCADE"
    )


def _fill() -> None:
    """Give each organization its team of everyone, with all users in it; write tags as rows."""
    connection = op.get_bind()
    now = time.time_ns() // 1_000_000
    for (organization,) in connection.execute(sa.text("SELECT id FROM organizations")).all():
        team = f"{now // 1000:08x}{secrets.token_hex(8)}"
        connection.execute(
            sa.text(
                "INSERT INTO teams (id, organization_id, name, is_organization_team, created) "
                "VALUES (:team, :organization, 'default', :yes, :now)"
            ).bindparams(team=team, organization=organization, yes=True, now=now)
        )
        connection.execute(
            sa.text(
                "INSERT INTO team_members (team_id, user_id) "
                "SELECT :team, id FROM users WHERE organization_id = :organization"
            ).bindparams(team=team, organization=organization)
        )
    rows = [
        {"dataset_id": dataset, "tag": tag[:255]}
        for dataset, tags in connection.execute(sa.text("SELECT id, CAST(tags AS TEXT) FROM datasets"))
        for tag in dict.fromkeys(msgspec.json.decode(tags))
    ]
    if rows:
        connection.execute(
            sa.text("INSERT INTO dataset_tags (dataset_id, tag) VALUES (:dataset_id, :tag)"), rows
        )
