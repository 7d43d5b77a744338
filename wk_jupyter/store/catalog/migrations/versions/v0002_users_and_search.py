"""Users; datasets get a sorting key and folded text to search in and to sort by."""

from __future__ import annotations

import unicodedata

import msgspec
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_JSON_LISTS = ("tags", "metadata", "warnings")
_FOLDED = ("sort_name", "search_text", "layer_text")


def upgrade() -> None:
    identifier = sa.String(24)
    op.create_table(
        "users",
        sa.Column("id", identifier, nullable=False),
        sa.Column("organization_id", identifier, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("is_admin", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="fk_users_organization_id_organizations"
        ),
        sa.UniqueConstraint("organization_id", "name", name="uq_users_organization_id_name"),
    )
    op.drop_index("ix_datasets_organization_id_name", "datasets")
    with op.batch_alter_table("datasets") as table:
        for name in _JSON_LISTS:
            table.alter_column(name, existing_type=sa.JSON, existing_nullable=False, server_default="[]")
        table.alter_column(
            "status_reason", existing_type=sa.Text, existing_nullable=False, server_default=sa.text("''")
        )
        table.add_column(sa.Column("sorting_key", sa.BigInteger))
        for name in _FOLDED:
            kind = sa.String(255) if name == "sort_name" else sa.Text()
            table.add_column(sa.Column(name, kind, nullable=False, server_default=sa.text("''")))
    _fill()
    op.create_index(
        "ix_datasets_organization_id_sort_name_id", "datasets", ["organization_id", "sort_name", "id"]
    )


def downgrade() -> None:
    op.drop_index("ix_datasets_organization_id_sort_name_id", "datasets")
    with op.batch_alter_table("datasets") as table:
        for name in (*_FOLDED, "sorting_key"):
            table.drop_column(name)
        for name in _JSON_LISTS:
            table.alter_column(name, existing_type=sa.JSON, existing_nullable=False, server_default=None)
        table.alter_column(
            "status_reason", existing_type=sa.Text, existing_nullable=False, server_default=None
        )
    op.create_index("ix_datasets_organization_id_name", "datasets", ["organization_id", "name"])
    op.drop_table("users")


def _fill() -> None:
    """Fill the new columns of the rows that are there, as this revision's code does."""
    table = sa.table("datasets", *(sa.column(name) for name in ("id", "name", "directory_name", *_FOLDED)))
    texts = sa.text(
        "SELECT id, name, directory_name, description, CAST(tags AS TEXT), CAST(layers AS TEXT) FROM datasets"
    )
    connection = op.get_bind()
    rows = [
        {
            "row": row_id,
            "sort_name": _fold(name)[:255],
            "search_text": _lines([name, directory, description or "", *msgspec.json.decode(tags)]),
            "layer_text": _lines([layer for layer, _ in msgspec.json.decode(layers)]),
        }
        for row_id, name, directory, description, tags, layers in connection.execute(texts)
    ]
    if rows:
        connection.execute(sa.update(table).where(table.c.id == sa.bindparam("row")), rows)


def _lines(parts: list[str]) -> str:
    return _fold("\n".join(part for part in parts if part))


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
