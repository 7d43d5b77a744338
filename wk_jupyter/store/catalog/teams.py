"""Teams in the catalog."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from wk_jupyter.store.catalog.tables import organizations, teams
from wk_jupyter.store.records import TeamRecord

_TEAMS: Final = sa.select(
    teams.c.id,
    teams.c.organization_id,
    organizations.c.name,
    teams.c.name,
    teams.c.is_organization_team,
    teams.c.created,
).join(organizations, organizations.c.id == teams.c.organization_id)


def find_teams(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> list[TeamRecord]:
    """Return teams by name."""
    rows = connection.execute(_TEAMS.where(condition).order_by(teams.c.name, teams.c.id))
    return [TeamRecord(*row) for row in rows]
