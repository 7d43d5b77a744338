"""The tables of the catalog. A change here needs a migration; a test compares the two."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
    true,
)

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_ID: Final = String(24)  # 24 hexadecimal digits, as WEBKNOSSOS has them
SORT_LENGTH: Final = 255
_EMPTY: Final = text("''")
# In the order of code points, as SQLite has it: a language's own order would not be what ``fold`` is for.
_SORTED: Final = String(SORT_LENGTH).with_variant(String(SORT_LENGTH, collation="C"), "postgresql")
_OF_PLACE: Final = ("folder_id", "organization_id", "status")
_TESTED: Final = (*_OF_PLACE, "is_public", "owner_id")

organizations: Final = Table(
    "organizations",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("name", String(255), nullable=False, unique=True),
    Column("created", BigInteger, nullable=False),  # all times are milliseconds since 1970
)

users: Final = Table(
    "users",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("organization_id", _ID, ForeignKey("organizations.id"), nullable=False),
    Column("name", String(255), nullable=False),  # by which she signs in; once in an organization
    Column("email", Text, nullable=False, server_default=_EMPTY),
    Column("first_name", Text, nullable=False, server_default=_EMPTY),
    Column("last_name", Text, nullable=False, server_default=_EMPTY),
    Column("is_admin", Boolean, nullable=False, server_default=false()),
    Column("is_dataset_manager", Boolean, nullable=False, server_default=false()),
    Column("is_active", Boolean, nullable=False, server_default=true()),
    Column("created", BigInteger, nullable=False),
    Column("last_activity", BigInteger),
    UniqueConstraint("organization_id", "name"),
)

teams: Final = Table(
    "teams",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("organization_id", _ID, ForeignKey("organizations.id"), nullable=False),
    Column("name", String(255), nullable=False),
    Column("is_organization_team", Boolean, nullable=False, server_default=false()),  # everyone is in it
    Column("created", BigInteger, nullable=False),
    UniqueConstraint("organization_id", "name"),
)

team_members: Final = Table(
    "team_members",
    metadata,
    Column("team_id", _ID, ForeignKey("teams.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", _ID, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("is_manager", Boolean, nullable=False, server_default=false()),
)

api_tokens: Final = Table(
    "api_tokens",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("user_id", _ID, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", String(255), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),  # SHA-256; the token itself is kept nowhere
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger),
    Column("last_used", BigInteger),
)

folders: Final = Table(
    "folders",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("organization_id", _ID, ForeignKey("organizations.id"), nullable=False),
    Column("parent_id", _ID, ForeignKey("folders.id"), index=True),  # null: the root
    Column("name", String(255), nullable=False),
    Column("metadata", JSON, nullable=False, server_default="[]"),
    UniqueConstraint("organization_id", "parent_id", "name"),
)

folder_ancestors: Final = Table(
    "folder_ancestors",  # each folder with itself and all above it; ``folders.py`` keeps it
    metadata,
    Column("folder_id", _ID, ForeignKey("folders.id", ondelete="CASCADE"), primary_key=True),
    Column("ancestor_id", _ID, ForeignKey("folders.id", ondelete="CASCADE"), primary_key=True),
    Index(None, "ancestor_id", "folder_id"),
)

folder_teams: Final = Table(
    "folder_teams",
    metadata,
    Column("folder_id", _ID, ForeignKey("folders.id", ondelete="CASCADE"), primary_key=True),
    Column("team_id", _ID, ForeignKey("teams.id", ondelete="CASCADE"), primary_key=True, index=True),
)

datasets: Final = Table(
    "datasets",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("organization_id", _ID, ForeignKey("organizations.id"), nullable=False),
    Column("folder_id", _ID, ForeignKey("folders.id"), nullable=False),
    Column("directory_name", String(255), nullable=False),  # the folder on disk
    Column("name", Text, nullable=False),  # what people read
    Column("description", Text),
    Column("tags", JSON, nullable=False, server_default="[]"),
    Column("metadata", JSON, nullable=False, server_default="[]"),
    Column("is_public", Boolean, nullable=False, server_default=false()),
    Column("owner_id", _ID, ForeignKey("users.id")),  # who brought it; null: found on disk
    Column("sharing_nonce", String(32)),  # null: there is no sharing token (see ``sharing.py``)
    Column("created", BigInteger, nullable=False),
    Column("sorting_key", BigInteger),  # null: ``created``
    Column("trashed", BigInteger),  # when it went to the trash; its folder is in .trash/<id> then
    Column("trashed_from", String(255)),  # the folder's name before
    Column("status", String(32), nullable=False),
    Column("status_reason", Text, nullable=False, server_default=_EMPTY),
    Column("warnings", JSON, nullable=False, server_default="[]"),
    Column("layers", JSON, nullable=False),  # [[name, category], …]: what lists show
    Column("properties", LargeBinary),  # what was recognised, where there is no properties file
    Column("disk_key", String(64), nullable=False),  # changes when the properties file does
    Column("admin_view_configuration", JSON),
    # Folded by ``text.fold``, as no two databases agree on what is the same letter in another case.
    Column("sort_name", _SORTED, nullable=False, server_default=_EMPTY),
    Column("search_text", Text, nullable=False, server_default=_EMPTY),  # names, description, tags
    Column("layer_text", Text, nullable=False, server_default=_EMPTY),  # names of layers: the scan's own part
    Column("element_classes", String(255), nullable=False, server_default=_EMPTY),  # " uint8 uint32 "
    Column("used_storage_bytes", BigInteger),  # null: not counted yet
    UniqueConstraint("organization_id", "directory_name"),
    # Lists are read from these alone, see ``listing.py``: in the two orders, by folders, and what is public.
    Index("ix_datasets_by_name", "trashed", "sort_name", "id", *_TESTED),
    Index("ix_datasets_by_age", "trashed", "created", "id", *_TESTED),
    Index("ix_datasets_by_folder", "folder_id", "trashed", "sort_name", "id", "created", *_OF_PLACE[1:]),
    Index("ix_datasets_public", "is_public", "trashed", "sort_name", "id", "created", *_OF_PLACE),
    Index(None, "owner_id"),
)

dataset_teams: Final = Table(
    "dataset_teams",
    metadata,
    Column("dataset_id", _ID, ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True),
    Column("team_id", _ID, ForeignKey("teams.id", ondelete="CASCADE"), primary_key=True, index=True),
)

dataset_tags: Final = Table(
    "dataset_tags",  # the same as datasets.tags, a row each, to filter by
    metadata,
    Column("dataset_id", _ID, ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True),
    Column("tag", String(255), primary_key=True),
    Index(None, "tag", "dataset_id"),
)

dataset_uses: Final = Table(
    "dataset_uses",  # what one user has with one dataset
    metadata,
    Column("user_id", _ID, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("dataset_id", _ID, ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("last_used", BigInteger),
    Column("view_configuration", JSON),
)

jobs: Final = Table(
    "jobs",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("organization_id", _ID, ForeignKey("organizations.id"), nullable=False),
    Column("owner_id", _ID, ForeignKey("users.id")),
    Column("dataset_id", _ID, ForeignKey("datasets.id", ondelete="SET NULL"), index=True),
    Column("dataset_name", Text, nullable=False),  # kept when the dataset is gone
    Column("kind", String(32), nullable=False),
    Column("state", String(16), nullable=False),  # pending, running, succeeded, failed, cancelled
    Column("progress", Float, nullable=False),  # from 0 to 1
    Column("message", Text, nullable=False),  # what is being done
    Column("error", JSON),  # why it failed: message, hint, code, details
    Column("request", JSON, nullable=False),  # what was asked for
    Column("log", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("started", BigInteger),
    Column("finished", BigInteger),
    Column("runner", String(255)),  # the process that works on it
    Column("seen", BigInteger),  # when that process was last known to be alive
    Index(None, "state", "created"),
)

changes: Final = Table(
    "changes",  # what happened, for open pages and other processes to learn of
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("time", BigInteger, nullable=False),
    Column("organization_id", _ID, nullable=False),
    Column("noun", String(16), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("subject_id", _ID),  # null: many
    Column("before", JSON),  # what decided who could see the subject, before
    sqlite_autoincrement=True,
)
