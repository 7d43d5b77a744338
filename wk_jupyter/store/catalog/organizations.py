"""Organizations in the catalog, each with its root folder."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from wk_jupyter.store.catalog.database import new_id, now_ms, writing
from wk_jupyter.store.catalog.tables import folders, organizations
from wk_jupyter.store.records import FolderRecord, OrganizationRecord

_ROOT_NAME: Final = "Datasets"


def ensure_organization(engine: sa.Engine, name: str) -> OrganizationRecord:
    """Return the organization of a name, made with its root folder where it is new."""
    found = _find(engine, name)
    if found is None:
        with writing(engine) as connection:
            if connection.scalar(sa.select(organizations.c.id).where(organizations.c.name == name)) is None:
                row = {"id": new_id(), "name": name, "created": now_ms()}
                connection.execute(sa.insert(organizations).values(row))
                root = {"id": new_id(), "organization_id": row["id"], "name": _ROOT_NAME}
                connection.execute(sa.insert(folders).values(root))
        found = _find(engine, name)
        assert found is not None
    return found


def _find(engine: sa.Engine, name: str) -> OrganizationRecord | None:
    wanted = (
        sa.select(organizations.c.id, folders.c.id.label("folder"), folders.c.name)
        .join(folders, folders.c.organization_id == organizations.c.id)
        .where(organizations.c.name == name, folders.c.parent_id.is_(None))
    )
    with engine.connect() as connection:
        row = connection.execute(wanted).first()
    return None if row is None else OrganizationRecord(row.id, name, FolderRecord(row.folder, row.name))
