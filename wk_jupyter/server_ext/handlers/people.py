"""Users: who is asking."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wk_jupyter.api.models import TeamMembership, User
from wk_jupyter.server_ext.handlers.base import WkHandler

if TYPE_CHECKING:
    from wk_jupyter.store.records import UserRecord


class UserHandler(WkHandler):
    async def get(self) -> None:
        store = await self.store()
        self.send(user_document(await self.services.run(store.user_of, self.principal)))


def user_document(user: UserRecord) -> User:
    """Return a user as the wire has her. She has an address even where none is known: clients need one."""
    return User(
        id=user.id,
        email=user.email or f"{user.name}@localhost",
        organization=user.organization,
        first_name=user.first_name or user.name,
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
    )
