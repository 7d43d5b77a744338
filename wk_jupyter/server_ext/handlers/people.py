"""Users, teams and API tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wk_jupyter.api.people import (
    ApiToken,
    LoggedTime,
    NewTeam,
    NewToken,
    NewUser,
    Team,
    TeamMembership,
    User,
    UserState,
    UserUpdate,
)
from wk_jupyter.server_ext.handlers.base import WkHandler

if TYPE_CHECKING:
    from wk_jupyter.store.people import UserPatch
    from wk_jupyter.store.records import TeamRecord, UserRecord
    from wk_jupyter.store.tokens import TokenRecord


class CurrentUserHandler(WkHandler):
    async def get(self) -> None:
        store = await self.store()
        self.send(user_document(await self.services.run(store.user_of, self.principal)))


class UsersHandler(WkHandler):
    async def get(self) -> None:
        store = await self.store()
        found = await self.services.run(store.people.users, self.principal)
        self.send([user_document(user) for user in found])

    async def post(self) -> None:
        store = await self.store()
        wanted: NewUser = self.body(NewUser)
        create = store.people.create_user
        self.send(
            user_document(await self.services.run(create, self.principal, wanted.name, patch_of(wanted)))
        )


class UserHandler(WkHandler):
    async def get(self, user: str) -> None:
        store = await self.store()
        self.send(user_document(await self.services.run(store.people.user, self.principal, user)))

    async def patch(self, user: str) -> None:
        store = await self.store()
        wanted: UserUpdate = self.body(UserUpdate)
        patch, expected = patch_of(wanted), patch_of(wanted.expected or UserState())
        update = store.people.update_user
        self.send(user_document(await self.services.run(update, self.principal, user, patch, expected)))


class LoggedTimeHandler(WkHandler):
    async def get(self, user: str) -> None:
        store = await self.store()
        await self.services.run(store.people.user, self.principal, user)
        self.send(LoggedTime(logged_time=[]))


class TeamsHandler(WkHandler):
    async def get(self) -> None:
        store = await self.store()
        found = await self.services.run(store.people.teams, self.principal)
        self.send([team_document(team) for team in found])

    async def post(self) -> None:
        store = await self.store()
        name = self.body(NewTeam).name
        self.send(team_document(await self.services.run(store.people.create_team, self.principal, name)))

    async def delete(self, team: str) -> None:
        store = await self.store()
        await self.services.run(store.people.delete_team, self.principal, team)
        self.send({})


class TokensHandler(WkHandler):
    async def get(self) -> None:
        store = await self.store()
        found = await self.services.run(store.tokens.list, self.principal)
        self.send([token_document(token) for token in found])

    async def post(self) -> None:
        store = await self.store()
        wanted: NewToken = self.body(NewToken)
        create = store.tokens.create
        record, secret = await self.services.run(create, self.principal, wanted.name, days=wanted.days)
        self.set_header("Cache-Control", "no-store")
        self.send(token_document(record, secret))

    async def delete(self, token: str) -> None:
        store = await self.store()
        await self.services.run(store.tokens.revoke, self.principal, token)
        self.send({})


def patch_of(wanted: UserState) -> UserPatch:
    from wk_jupyter.store.people import UserPatch  # noqa: PLC0415 - loads SQLAlchemy

    return UserPatch(
        email=wanted.email,
        first_name=wanted.first_name,
        last_name=wanted.last_name,
        is_active=wanted.is_active,
        is_admin=wanted.is_admin,
        is_dataset_manager=wanted.is_dataset_manager,
        teams=None if wanted.teams is None else {role.id: role.is_team_manager for role in wanted.teams},
    )


def user_document(user: UserRecord) -> User:
    """Return a user as the wire has her. Clients need an address and a name even where none is known."""
    return User(
        id=user.id,
        email=user.shown_email,
        organization=user.organization,
        first_name=user.shown_first_name,
        last_name=user.last_name,
        created=user.created,
        last_activity=user.last_activity or user.created,
        is_active=user.is_active,
        is_admin=user.is_admin,
        is_dataset_manager=user.is_dataset_manager,
        teams=[
            TeamMembership(id=each.team_id, name=each.team, is_team_manager=each.is_manager)
            for each in user.memberships
        ],
        experiences={},
        name=user.name,
    )


def token_document(token: TokenRecord, secret: str | None = None) -> ApiToken:
    return ApiToken(
        id=token.id,
        name=token.name,
        created=token.created,
        expires=token.expires,
        last_used=token.last_used,
        token=secret,
    )


def team_document(team: TeamRecord) -> Team:
    return Team(
        id=team.id,
        name=team.name,
        organization=team.organization,
        is_organization_team=team.is_organization_team,
    )
