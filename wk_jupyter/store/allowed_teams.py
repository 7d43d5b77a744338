"""The teams that are allowed on a dataset or a folder: who may put which there and take it off."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from wk_jupyter.errors import Forbidden, InvalidInput
from wk_jupyter.store.access import Principal
from wk_jupyter.store.catalog.tables import teams
from wk_jupyter.store.catalog.teams import find_teams


def teams_to_be(
    connection: sa.Connection,
    principal: Principal,
    organization_id: str,
    *,
    current: frozenset[str],
    wanted: Iterable[str],
) -> frozenset[str]:
    """Return the teams that shall be allowed, of those that somebody names.

    Admins and dataset managers name any of the organization. Team managers add and take off those that
    they manage; others that are there stay, whether they name them or not. Raises InvalidInput for a team
    that the organization does not have, Forbidden for one that is not theirs to add.
    """
    asked = frozenset(wanted)
    known = {team.id: team for team in find_teams(connection, teams.c.organization_id == organization_id)}
    unknown = sorted(asked - set(known))
    if unknown:
        raise InvalidInput(
            f"teams: there is no team {unknown[0][:100]!r} in this organization.", hint="See wk.teams()."
        )
    if principal.manages_datasets(organization_id):
        return asked
    foreign = sorted(known[team].name for team in asked - current - principal.managed_team_ids)
    if foreign:
        raise Forbidden(
            f"you do not manage the team {foreign[0]!r}.",
            hint="An admin, a dataset manager or a manager of that team may allow it.",
        )
    return (current - principal.managed_team_ids) | (asked & (current | principal.managed_team_ids))


def write_teams(
    connection: sa.Connection,
    table: sa.Table,
    key: dict[str, str],
    *,
    current: frozenset[str],
    wanted: frozenset[str],
) -> None:
    """Bring the rows of one thing, ``{"dataset_id": …}``, from the current teams to the wanted ones."""
    ((column, thing_id),) = key.items()
    gone = sorted(current - wanted)
    if gone:
        connection.execute(sa.delete(table).where(table.c[column] == thing_id, table.c.team_id.in_(gone)))
    fresh = [{column: thing_id, "team_id": team} for team in sorted(wanted - current)]
    if fresh:
        connection.execute(sa.insert(table), fresh)
