"""The tables of the catalog. A change here needs a migration; a test compares the two."""

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

organizations: Final = Table(
    "organizations",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("name", String(255), nullable=False, unique=True),
    Column("created", BigInteger, nullable=False),  # all times are milliseconds since 1970
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
    Column("tags", JSON, nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("is_public", Boolean, nullable=False, server_default=false()),
    Column("created", BigInteger, nullable=False),
    Column("status", String(32), nullable=False),
    Column("status_reason", Text, nullable=False),
    Column("warnings", JSON, nullable=False),
    Column(
        "layers", JSON, nullable=False
    ),  # [[name, category], …]: what lists show and searches look through
    Column("properties", LargeBinary),  # what was recognised, where there is no properties file
    Column("disk_key", String(64), nullable=False),  # changes when the properties file does
    Column("admin_view_configuration", JSON),
    UniqueConstraint("organization_id", "directory_name"),
    Index(None, "organization_id", "name"),
)
