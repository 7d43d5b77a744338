"""Indexes that hold what lists ask for; names in the order of code points; metadata is searched, too."""

from __future__ import annotations

import unicodedata

import msgspec
import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_OF_PLACE = ["folder_id", "organization_id", "status"]
_NEW = {
    "by_name": ["trashed", "sort_name", "id", *_OF_PLACE, "is_public", "owner_id"],
    "by_age": ["trashed", "created", "id", *_OF_PLACE, "is_public", "owner_id"],
    "by_folder": ["folder_id", "trashed", "sort_name", "id", "created", *_OF_PLACE[1:]],
    "public": ["is_public", "trashed", "sort_name", "id", "created", *_OF_PLACE],
}
_OLD = (
    ["organization_id", "sort_name", "id"],
    ["organization_id", "created", "id"],
    ["folder_id", "sort_name", "id"],
)


def upgrade() -> None:
    for columns in _OLD:
        op.drop_index(f"ix_datasets_{'_'.join(columns)}", "datasets")
    op.drop_index("ix_datasets_public", "datasets")
    _sort_names("C")
    for name, columns in _NEW.items():
        op.create_index(f"ix_datasets_{name}", "datasets", columns)
    _fill()


def downgrade() -> None:
    for name in _NEW:
        op.drop_index(f"ix_datasets_{name}", "datasets")
    _sort_names(None)
    for columns in _OLD:
        op.create_index(f"ix_datasets_{'_'.join(columns)}", "datasets", columns)
    public = sa.text("is_public")
    op.create_index(
        "ix_datasets_public", "datasets", ["sort_name", "id"], sqlite_where=public, postgresql_where=public
    )


def _sort_names(collation: str | None) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("datasets", "sort_name", type_=sa.String(255, collation=collation or "default"))


def _fill() -> None:
    """Write the searched text of rows with metadata, as this revision's code does."""
    connection = op.get_bind()
    texts = sa.text(
        "SELECT id, name, directory_name, description, CAST(tags AS TEXT), CAST(metadata AS TEXT) "
        "FROM datasets WHERE CAST(metadata AS TEXT) <> '[]'"
    )
    rows = [
        {"row": row, "text": _lines([name, directory, description or "", *_decoded(tags), *_values(entries)])}
        for row, name, directory, description, tags, entries in connection.execute(texts)
    ]
    if rows:
        connection.execute(sa.text("UPDATE datasets SET search_text = :text WHERE id = :row"), rows)


def _decoded(text: str) -> list:  # type: ignore[type-arg]
    found = msgspec.json.decode(text)
    return found if isinstance(found, list) else []


def _values(entries: str) -> list[str]:
    found = []
    for entry in _decoded(entries):
        if isinstance(entry, dict):
            value = entry.get("value", "")
            found += [str(entry.get("key", "")), *map(str, value if isinstance(value, list) else [value])]
    return found


def _lines(parts: list[str]) -> str:
    text = "\n".join(part for part in parts if part).replace("\0", "\N{REPLACEMENT CHARACTER}")
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
