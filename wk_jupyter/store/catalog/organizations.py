"""Organizations in the catalog, each with its root folder and the team that everyone is in."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from wk_jupyter.store.catalog.database import new_id, now_ms, writing
from wk_jupyter.store.catalog.folders import insert_folder
from wk_jupyter.store.catalog.tables import folders, organizations, teams
from wk_jupyter.store.records import OrganizationRecord

ROOT_NAME: Final = "Datasets"
EVERYONE: Final = "default"
_WHOLE: Final = (
    sa.select(organizations.c.id, organizations.c.name, folders.c.id, teams.c.id)
    .join(folders, sa.and_(folders.c.organization_id == organizations.c.id, folders.c.parent_id.is_(None)))
    .join(teams, sa.and_(teams.c.organization_id == organizations.c.id, teams.c.is_organization_team))
)


def ensure_organization(engine: sa.Engine, name: str) -> OrganizationRecord:
    """Return the organization of a name, made with its root folder and team where it is new."""
    found = _find(engine, name)
    if found is None:
        with writing(engine) as connection:
            if connection.scalar(sa.select(organizations.c.id).where(organizations.c.name == name)) is None:
                insert_organization(connection, name)
        found = _find(engine, name)
        assert found is not None
    return found


def insert_organization(connection: sa.Connection, name: str) -> OrganizationRecord:
    """Write a new organization with its root folder and the team of everyone."""
    home, everyone, now = new_id(), new_id(), now_ms()
    connection.execute(sa.insert(organizations).values(id=home, name=name, created=now))
    root = insert_folder(connection, home, None, ROOT_NAME)
    team = {"id": everyone, "name": EVERYONE, "is_organization_team": True, "organization_id": home}
    connection.execute(sa.insert(teams).values(created=now, **team))
    return OrganizationRecord(id=home, name=name, root_folder_id=root, everyone_id=everyone)


def all_organizations(engine: sa.Engine) -> list[OrganizationRecord]:
    """Return the organizations of a catalog, by name."""
    with engine.connect() as connection:
        return [OrganizationRecord(*row) for row in connection.execute(_WHOLE.order_by(organizations.c.name))]


def _find(engine: sa.Engine, name: str) -> OrganizationRecord | None:
    with engine.connect() as connection:
        row = connection.execute(_WHOLE.where(organizations.c.name == name)).first()
    return None if row is None else OrganizationRecord(*row)
