"""Users in the catalog. For now there is one: the server's owner, who administers the organization."""

from __future__ import annotations

import sqlalchemy as sa

from wk_jupyter.store.catalog.database import new_id, now_ms, writing
from wk_jupyter.store.catalog.tables import users
from wk_jupyter.store.records import UserRecord


class UserRepository:
    """Reads and writes rows of one organization's users. Thread-safe."""

    def __init__(self, engine: sa.Engine, organization_id: str) -> None:
        self._engine = engine
        self._organization_id = organization_id

    def ensure_owner(self, name: str) -> UserRecord:
        """Return the user of a name as an admin, made where the name is new."""
        found = self.find(name)
        if found is None or not found.is_admin:
            with writing(self._engine) as connection:
                raised = connection.execute(sa.update(users).where(self._is(name)).values(is_admin=True))
                if not raised.rowcount:
                    row = {"id": new_id(), "name": name, "is_admin": True, "created": now_ms()}
                    connection.execute(sa.insert(users).values(organization_id=self._organization_id, **row))
            found = self.find(name)
            assert found is not None
        return found

    def find(self, name: str) -> UserRecord | None:
        wanted = sa.select(users.c.id, users.c.name, users.c.is_admin, users.c.created).where(self._is(name))
        with self._engine.connect() as connection:
            row = connection.execute(wanted).first()
        return None if row is None else UserRecord(*row)

    def _is(self, name: str) -> sa.ColumnElement[bool]:
        return sa.and_(users.c.organization_id == self._organization_id, users.c.name == name)
