"""Users and teams of an organization: who may see them, and who may change what about them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from wk_jupyter.errors import Conflict, Forbidden, InvalidInput, NotFound
from wk_jupyter.store.access import Principal
from wk_jupyter.store.catalog.database import new_id, now_ms
from wk_jupyter.store.catalog.organizations import all_organizations, insert_organization
from wk_jupyter.store.catalog.tables import team_members, teams, users
from wk_jupyter.store.catalog.teams import find_teams
from wk_jupyter.store.catalog.users import find_users, insert_user
from wk_jupyter.store.changes import Writer
from wk_jupyter.store.context import Context
from wk_jupyter.store.data_dir import prepare
from wk_jupyter.store.expectations import require_as_expected
from wk_jupyter.store.names import checked_name
from wk_jupyter.store.records import OrganizationRecord, TeamRecord, UserRecord

_MAX_EMAIL: Final = 320
_ADMINS_ALONE: Final = "An admin of the organization may."


@dataclass(frozen=True)
class UserPatch:
    """What shall change about a user, or what she was; None: nothing is said.

    ``teams``: whether she manages each, by team id.
    """

    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    is_active: bool | None = None
    is_admin: bool | None = None
    is_dataset_manager: bool | None = None
    teams: Mapping[str, bool] | None = None


_UNSAID: Final = UserPatch()


class People:
    """Reads and changes users and teams on somebody's behalf. Thread-safe."""

    def __init__(self, context: Context) -> None:
        self._context = context

    # --- users ------------------------------------------------------------------------------

    def users(self, principal: Principal) -> list[UserRecord]:
        """Return whom she may see: admins all, team managers those of their teams, everybody herself."""
        with self._context.engine.connect() as connection:
            return find_users(connection, _visible_users(principal))

    def user(self, principal: Principal, user_id: str) -> UserRecord:
        """Return a user. Raises NotFound, also for whom one may not see."""
        with self._context.engine.connect() as connection:
            return _user(connection, principal, user_id)

    def create_user(self, principal: Principal, name: str, patch: UserPatch) -> UserRecord:
        """Hire somebody, who is active at once and in the team of everyone.

        Raises Forbidden, InvalidInput, Conflict for a name that is taken.
        """
        name = checked_name(name, "name")
        with self._context.changes.writing() as writer:
            home = self._home(principal)
            self._require_admin(principal, home.id)
            try:
                with writer.connection.begin_nested():
                    user_id = insert_user(writer.connection, home, name)
            except IntegrityError:
                raise Conflict(f"there is a user {name!r} already.", hint="Take another name.") from None
            if patch.teams is not None:
                patch = replace(patch, teams={home.everyone_id: False, **patch.teams})
            self._apply(writer, principal, _user(writer.connection, principal, user_id), patch)
            writer.note("user", "added", user_id, home.id)
            return _user(writer.connection, principal, user_id)

    def update_user(
        self, principal: Principal, user_id: str, patch: UserPatch, expected: UserPatch = _UNSAID
    ) -> UserRecord:
        """Change a user; what is as it was needs no right.

        Raises NotFound, Forbidden, InvalidInput, Conflict where something is not as it was ``expected``.

        Admins change everything; everybody her own names; team managers whether somebody of their teams is
        active, and her part in the teams that they manage: other teams stay as they are.
        """
        with self._context.changes.writing() as writer:
            user = _user(writer.connection, principal, user_id)
            require_as_expected(f"the user {user.name!r}", _said(expected), _said(_as_patch(user)))
            if self._apply(writer, principal, user, patch):
                writer.note("user", "changed", user_id, user.organization_id, before=user)
            # Without asking again: she may have left the team by which she was seen.
            return find_users(writer.connection, users.c.id == user_id)[0]

    def _apply(self, writer: Writer, principal: Principal, user: UserRecord, patch: UserPatch) -> bool:
        """Write what differs. Returns whether anything did."""
        values = _checked(user, patch)
        self._require_rights(principal, user, values)
        if values:
            is_she = users.c.id == user.id
            writer.connection.execute(sa.update(users).where(is_she).values(values))
            if user.is_admin and user.is_active:
                self._keep_an_admin(writer.connection, user.organization_id)
        joined = patch.teams is not None and self._set_teams(
            writer, principal, user, patch.teams, stays_admin=patch.is_admin is not False
        )
        return bool(values) or joined

    @staticmethod
    def _require_rights(principal: Principal, user: UserRecord, values: Mapping[str, Any]) -> None:
        if principal.administers(user.organization_id):
            return
        may = {"email", "first_name", "last_name"} if user.id == principal.user_id else set()
        # No team manager puts out an admin.
        if not user.is_admin and _managed_by(principal, user):
            may.add("is_active")
        refused = sorted(set(values) - may)
        if refused:
            raise Forbidden(f"you may not change {', '.join(refused)} of {user.name}.", hint=_ADMINS_ALONE)

    @staticmethod
    def _keep_an_admin(connection: sa.Connection, organization_id: str) -> None:
        is_admin = sa.and_(users.c.organization_id == organization_id, users.c.is_admin, users.c.is_active)
        if not connection.scalar(sa.select(sa.func.count()).select_from(users).where(is_admin)):
            raise Conflict(
                "the organization would be without an admin.", hint="Make somebody else an admin first."
            )

    def _set_teams(
        self,
        writer: Writer,
        principal: Principal,
        user: UserRecord,
        wanted: Mapping[str, bool],
        *,
        stays_admin: bool,
    ) -> bool:
        """Make somebody a member or manager of just these teams, as far as the principal may."""
        known = {
            team.id: team
            for team in find_teams(writer.connection, teams.c.organization_id == user.organization_id)
        }
        unknown = sorted(set(wanted) - set(known))
        if unknown:
            raise InvalidInput(f"teams: there is no team {unknown[0][:100]!r}.", hint="See wk.teams().")
        now = {each.team_id: each.is_manager for each in user.memberships}
        changed = {team_id for team_id in {*now, *wanted} if now.get(team_id) != wanted.get(team_id)}
        for team_id in sorted(changed):
            team = known[team_id]
            if not (principal.administers(user.organization_id) or team_id in principal.managed_team_ids):
                if team_id not in wanted:
                    continue  # a team manager names those that she knows of: the others stay
                raise Forbidden(f"you do not manage the team {team.name!r}.", hint=_ADMINS_ALONE)
            if team_id not in wanted:
                _require_leavable(user, team, is_admin=user.is_admin and stays_admin)
            is_it = sa.and_(team_members.c.team_id == team_id, team_members.c.user_id == user.id)
            writer.connection.execute(sa.delete(team_members).where(is_it))
            if team_id in wanted:
                row = {"team_id": team_id, "user_id": user.id, "is_manager": wanted[team_id]}
                writer.connection.execute(sa.insert(team_members).values(row))
        return bool(changed)

    # --- teams ------------------------------------------------------------------------------

    def teams(self, principal: Principal) -> list[TeamRecord]:
        """Return teams by name: for admins and dataset managers all, for others those that they are in."""
        with self._context.engine.connect() as connection:
            return find_teams(connection, _visible_teams(principal))

    def teams_by_id(self, team_ids: Collection[str]) -> list[TeamRecord]:
        """Return teams by name, whoever asks: they are told with the things that they are allowed on."""
        with self._context.engine.connect() as connection:
            return find_teams(connection, teams.c.id.in_(sorted(team_ids)))

    def create_team(self, principal: Principal, name: str) -> TeamRecord:
        """Found a team. Raises Forbidden, InvalidInput, Conflict for a name that is taken."""
        name = checked_name(name, "name")
        with self._context.changes.writing() as writer:
            home = self._home(principal)
            self._require_admin(principal, home.id)
            team_id = new_id()
            row = {"id": team_id, "organization_id": home.id, "name": name, "created": now_ms()}
            try:
                with writer.connection.begin_nested():
                    writer.connection.execute(sa.insert(teams).values(row))
            except IntegrityError:
                raise Conflict(f"there is a team {name!r} already.", hint="Take another name.") from None
            writer.note("team", "added", team_id, home.id)
            return find_teams(writer.connection, teams.c.id == team_id)[0]

    def delete_team(self, principal: Principal, team_id: str) -> None:
        """Dissolve a team: nobody sees anything by it any more. Raises NotFound, Forbidden, InvalidInput."""
        with self._context.changes.writing() as writer:
            found = find_teams(writer.connection, sa.and_(teams.c.id == team_id, _visible_teams(principal)))
            if not found:
                raise NotFound(f"there is no team {team_id[:100]!r}.", hint="See wk.teams().")
            self._require_admin(principal, found[0].organization_id)
            if found[0].is_organization_team:
                raise InvalidInput(f"the team {found[0].name!r} is everybody's: it cannot be deleted.")
            writer.connection.execute(sa.delete(teams).where(teams.c.id == team_id))
            writer.note("team", "removed", team_id, found[0].organization_id)
            writer.note("dataset", "changed", None, found[0].organization_id)  # its members see less now
            writer.note("folder", "changed", None, found[0].organization_id)

    # --- organizations ----------------------------------------------------------------------

    def organizations(self, principal: Principal) -> list[OrganizationRecord]:
        """Return the organizations that she is in, by name: all, for who holds the data directory."""
        found = all_organizations(self._context.engine)
        return [each for each in found if principal.is_member_of(each.id)]

    def create_organization(self, principal: Principal, name: str, admin: str) -> OrganizationRecord:
        """Found another organization with its first admin and its folder, empty, on disk.

        Raises Forbidden, InvalidInput, Conflict for a name that is taken.
        """
        name, admin = checked_name(name, "name"), checked_name(admin, "admin")
        if not (principal.is_admin and principal.organization_id is None):
            raise Forbidden("organizations are made by whoever holds the data directory.")
        prepare(self._context.data_dir, name)
        with self._context.changes.writing() as writer:
            try:
                with writer.connection.begin_nested():
                    made = insert_organization(writer.connection, name)
            except IntegrityError:
                raise Conflict(f"there is an organization {name!r} already.") from None
            user_id = insert_user(writer.connection, made, admin, is_admin=True)
            writer.note("user", "added", user_id, made.id)
            return made

    # --- shared -----------------------------------------------------------------------------

    def _home(self, principal: Principal) -> OrganizationRecord:
        """Return the principal's organization; the server's own for whoever holds the data directory."""
        wanted = principal.organization_id or self._context.home.id
        return next(each for each in all_organizations(self._context.engine) if each.id == wanted)

    @staticmethod
    def _require_admin(principal: Principal, organization_id: str) -> None:
        if not principal.administers(organization_id):
            raise Forbidden(f"{principal.name} is no admin.", hint=_ADMINS_ALONE)


def _require_leavable(user: UserRecord, team: TeamRecord, *, is_admin: bool) -> None:
    if team.is_organization_team:
        raise InvalidInput(f"teams: everybody is in the team {team.name!r}, and stays.")
    if is_admin:
        raise InvalidInput(
            f"teams: {user.name} is an admin, and stays in the team {team.name!r}.",
            hint="Admins cannot be taken out of teams: end that role first.",
        )


def _checked(user: UserRecord, patch: UserPatch) -> dict[str, Any]:
    """Return the columns that a patch changes. Raises InvalidInput."""
    values = {
        name: value
        for name in ("email", "first_name", "last_name", "is_active", "is_admin", "is_dataset_manager")
        # Clients send back what they were told, which for some fields is not what is kept.
        if (value := getattr(patch, name)) is not None
        and value not in (getattr(user, name), getattr(user, f"shown_{name}", None))
    }
    for name in ("first_name", "last_name"):
        if values.get(name):
            values[name] = checked_name(values[name], name)
    if values.get("email"):
        values["email"] = checked_name(values["email"], "email", most=_MAX_EMAIL)
    return values


def _as_patch(user: UserRecord) -> UserPatch:
    """Return what clients are told of a user."""
    return UserPatch(
        user.shown_email,
        user.shown_first_name,
        user.last_name,
        user.is_active,
        user.is_admin,
        user.is_dataset_manager,
        {each.team_id: each.is_manager for each in user.memberships},
    )


def _said(about: UserPatch) -> dict[str, Any]:
    """Return what is said about a user, to be compared, by the names that the wire has."""
    said = {
        "email": about.email,
        "firstName": about.first_name,
        "lastName": about.last_name,
        "isActive": about.is_active,
        "isAdmin": about.is_admin,
        "isDatasetManager": about.is_dataset_manager,
        "teams": about.teams,
    }
    return {name: value for name, value in said.items() if value is not None}


def _managed_by(principal: Principal, user: UserRecord) -> bool:
    return not principal.managed_team_ids.isdisjoint(team_ids_of(user))


def _visible_users(principal: Principal) -> sa.ColumnElement[bool]:
    if principal.is_admin and principal.organization_id is None:
        return sa.true()
    if principal.is_admin:
        return users.c.organization_id == principal.organization_id
    subordinates = sa.select(team_members.c.user_id).where(
        team_members.c.team_id.in_(sorted(principal.managed_team_ids))
    )
    return sa.or_(users.c.id == principal.user_id, users.c.id.in_(subordinates))


def sees_user(principal: Principal, organization_id: str, user_id: str, team_ids: Collection[str]) -> bool:
    """The rule of ``_visible_users``, asked of one user with the teams that she is in."""
    return (
        principal.administers(organization_id)
        or principal.user_id == user_id
        or not principal.managed_team_ids.isdisjoint(team_ids)
    )


def team_ids_of(user: UserRecord) -> frozenset[str]:
    return frozenset(each.team_id for each in user.memberships)


def sees_team(principal: Principal, team: TeamRecord) -> bool:
    """The rule of ``_visible_teams``, asked of one team."""
    return principal.manages_datasets(team.organization_id) or team.id in principal.team_ids


def _visible_teams(principal: Principal) -> sa.ColumnElement[bool]:
    if principal.is_admin and principal.organization_id is None:
        return sa.true()
    if principal.organization_id is not None and principal.manages_datasets(principal.organization_id):
        return teams.c.organization_id == principal.organization_id
    return teams.c.id.in_(sorted(principal.team_ids))


def _user(connection: sa.Connection, principal: Principal, user_id: str) -> UserRecord:
    found = find_users(connection, sa.and_(users.c.id == user_id, _visible_users(principal)))
    if not found:
        raise NotFound(f"there is no user {user_id[:100]!r}, or you may not see her.", hint="See wk.users().")
    return found[0]
