"""The tables of the catalog. A change here needs a migration; a test compares the two.

Further nouns (teams, tokens, uploads) come as tables that point at these.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
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
    Column("name", String(255), nullable=False),
    Column("is_admin", Boolean, nullable=False, server_default=false()),
    Column("created", BigInteger, nullable=False),
    UniqueConstraint("organization_id", "name"),
)

folders: Final = Table(
    "folders",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("organization_id", _ID, ForeignKey("organizations.id"), nullable=False),
    Column("parent_id", _ID, ForeignKey("folders.id")),  # null: the root
    Column("name", String(255), nullable=False),
    UniqueConstraint("organization_id", "parent_id", "name"),
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
    Column("created", BigInteger, nullable=False),
    Column("sorting_key", BigInteger),  # null: ``created``
    Column("status", String(32), nullable=False),
    Column("status_reason", Text, nullable=False, server_default=_EMPTY),
    Column("warnings", JSON, nullable=False, server_default="[]"),
    Column("layers", JSON, nullable=False),  # [[name, category], …]: what lists show
    Column("properties", LargeBinary),  # what was recognised, where there is no properties file
    Column("disk_key", String(64), nullable=False),  # changes when the properties file does
    Column("admin_view_configuration", JSON),
    # Folded by ``text.fold``, as no two databases agree on what is the same letter in another case.
    Column("sort_name", String(SORT_LENGTH), nullable=False, server_default=_EMPTY),
    Column("search_text", Text, nullable=False, server_default=_EMPTY),  # names, description, tags
    Column("layer_text", Text, nullable=False, server_default=_EMPTY),  # names of layers: the scan's own part
    UniqueConstraint("organization_id", "directory_name"),
    Index(None, "organization_id", "sort_name", "id"),
)
