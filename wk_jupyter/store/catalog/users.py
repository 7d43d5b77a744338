"""Users in the catalog, with the teams that they are in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa

from wk_jupyter.store.catalog.database import new_id, now_ms, writing
from wk_jupyter.store.catalog.tables import organizations, team_members, teams, users
from wk_jupyter.store.records import Membership, OrganizationRecord, UserRecord

_SHOWN: Final = (
    users.c.id,
    users.c.organization_id,
    organizations.c.name.label("organization"),
    users.c.name,
    users.c.email,
    users.c.first_name,
    users.c.last_name,
    users.c.is_admin,
    users.c.is_dataset_manager,
    users.c.is_active,
    users.c.created,
    users.c.last_activity,
)
_USERS: Final = sa.select(*_SHOWN).join(organizations, organizations.c.id == users.c.organization_id)


def find_users(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> list[UserRecord]:
    """Return users by name, each with the teams that she is in."""
    rows = connection.execute(_USERS.where(condition).order_by(users.c.name, users.c.id)).mappings().all()
    memberships = _memberships(connection, condition)
    return [UserRecord(**row, memberships=tuple(memberships.get(row["id"], ()))) for row in rows]


def insert_user(connection: sa.Connection, organization: OrganizationRecord, name: str, **values: Any) -> str:
    """Write a new user, who is in the team of everyone. Returns her id."""
    user_id = new_id()
    row = {"id": user_id, "organization_id": organization.id, "name": name, "created": now_ms(), **values}
    connection.execute(sa.insert(users).values(row))
    connection.execute(sa.insert(team_members).values(team_id=organization.everyone_id, user_id=user_id))
    return user_id


def ensure_owner(engine: sa.Engine, organization: OrganizationRecord, name: str) -> UserRecord:
    """Return the user of a name as an active admin, made where the name is new."""
    is_she = sa.and_(users.c.organization_id == organization.id, users.c.name == name)
    with engine.connect() as connection:
        found = find_users(connection, is_she)
    if not found or not found[0].is_admin or not found[0].is_active:
        with writing(engine) as connection:
            raised = connection.execute(sa.update(users).where(is_she).values(is_admin=True, is_active=True))
            if not raised.rowcount:
                insert_user(connection, organization, name, is_admin=True, first_name=name)
            found = find_users(connection, is_she)
    return found[0]


def _memberships(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> dict[str, list[Membership]]:
    rows: Sequence[Any] = connection.execute(
        sa.select(users.c.id, teams.c.id, teams.c.name, team_members.c.is_manager)
        .join(team_members, team_members.c.user_id == users.c.id)
        .join(teams, teams.c.id == team_members.c.team_id)
        .where(condition)
        .order_by(teams.c.name)
    ).all()
    found: dict[str, list[Membership]] = {}
    for user_id, *membership in rows:
        found.setdefault(user_id, []).append(Membership(*membership))
    return found
