"""A small lab for tests: people of all kinds, teams, and datasets in folders."""

from __future__ import annotations

import sqlalchemy as sa

from wk_jupyter.store import Store
from wk_jupyter.store.access import Principal, principal_of
from wk_jupyter.store.catalog.folders import insert_folder
from wk_jupyter.store.catalog.organizations import ensure_organization
from wk_jupyter.store.catalog.tables import folder_teams
from wk_jupyter.store.catalog.users import ensure_owner
from wk_jupyter.store.people import UserPatch
from wk_jupyter.store.records import DatasetRecord


class Lab:
    """``ada`` is the admin, ``eve`` that of another organization."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.ada = principal_of(store.owner)
        elsewhere = ensure_organization(store.context.engine, "elsewhere")
        self.eve = principal_of(ensure_owner(store.context.engine, elsewhere, "eve"))
        self.elsewhere = elsewhere

    def team(self, name: str) -> str:
        return self.store.people.create_team(self.ada, name).id

    def hire(
        self, name: str, *, member: tuple[str, ...] = (), manager: tuple[str, ...] = (), **roles
    ) -> Principal:
        teams = (
            {self.store.home.everyone_id: False} | dict.fromkeys(member, False) | dict.fromkeys(manager, True)
        )
        return principal_of(self.store.people.create_user(self.ada, name, UserPatch(teams=teams, **roles)))

    def folder(self, name: str, parent: str | None = None, teams: tuple[str, ...] = ()) -> str:
        home = self.store.home
        with self.store.changes.writing() as writer:
            folder_id = insert_folder(writer.connection, home.id, parent or home.root_folder_id, name)
            for team in teams:
                writer.connection.execute(sa.insert(folder_teams).values(folder_id=folder_id, team_id=team))
            writer.note("folder", "added", folder_id, home.id)
        return folder_id

    def dataset(self, name: str) -> DatasetRecord:
        """The dataset of a folder on disk, as it is now."""
        return self.store.dataset_in_folder(self.ada, self.store.home.name, name)
