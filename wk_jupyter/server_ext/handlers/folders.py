"""The folders that datasets lie in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from wk_jupyter.api.folders import (
    Folder,
    FolderState,
    FolderTreeQuery,
    FolderUpdate,
    FolderWithParent,
    MovedFolder,
    MoveQuery,
    NewFolderQuery,
)
from wk_jupyter.api.metadata import MetadataEntry
from wk_jupyter.server_ext.handlers.base import WkHandler
from wk_jupyter.server_ext.handlers.people import team_document

if TYPE_CHECKING:
    from wk_jupyter.api.people import Team
    from wk_jupyter.store import FolderRecord, Store
    from wk_jupyter.store.folder_tree import FolderPatch


class FolderHandler(WkHandler):
    async def get(self, folder: str) -> None:
        store = await self.store()
        await self.send_folder(await self.services.run(store.folders.get, self.principal, folder))

    async def put(self, folder: str) -> None:
        store = await self.store()
        wanted: FolderUpdate = self.body(FolderUpdate)
        expected = patch_of(wanted.expected or FolderState())
        update = store.folders.update
        await self.send_folder(
            await self.services.run(update, self.principal, folder, patch_of(wanted), expected)
        )

    async def delete(self, folder: str) -> None:
        store = await self.store()
        await self.services.run(store.folders.delete, self.principal, folder)
        self.send({})

    async def send_folder(self, folder: FolderRecord) -> None:
        store = await self.store()
        self.send(await self.services.run(self._document, store, folder))

    def _document(self, store: Store, folder: FolderRecord) -> Folder:
        known = store.people.teams_by_id(folder.cumulative_team_ids)

        def teams(team_ids: frozenset[str]) -> list[Team]:
            return [team_document(team) for team in known if team.id in team_ids]

        return Folder(
            id=folder.id,
            name=folder.name,
            allowed_teams=teams(folder.team_ids),
            allowed_teams_cumulative=teams(folder.cumulative_team_ids),
            is_editable=store.folders.may_edit(self.principal, folder),
            metadata=msgspec.convert(folder.metadata, list[MetadataEntry]),
        )


class RootFolderHandler(FolderHandler):
    async def get(self) -> None:  # type: ignore[override]  # its address has no variable
        store = await self.store()
        await self.send_folder(await self.services.run(store.folders.root, self.principal))


class NewFolderHandler(FolderHandler):
    async def post(self) -> None:
        store = await self.store()
        query = self.query(NewFolderQuery)
        create = store.folders.create
        await self.send_folder(await self.services.run(create, self.principal, query.parent_id, query.name))


class FolderTreeHandler(WkHandler):
    async def get(self) -> None:
        store = await self.store()
        query = self.query(FolderTreeQuery)
        tree = await self.services.run(store.folders.tree, self.principal)
        counts: dict[str, int] | None = None
        if query.include_dataset_counts:
            counts = await self.services.run(store.folders.dataset_counts, self.principal)
        self.send(
            [
                FolderWithParent(
                    id=folder.id,
                    name=folder.name,
                    parent=folder.parent_id,
                    is_editable=store.folders.may_edit(self.principal, folder),
                    dataset_count=None if counts is None else counts.get(folder.id, 0),
                )
                for folder in tree
            ]
        )


class MoveFolderHandler(WkHandler):
    async def put(self, folder: str) -> None:
        store = await self.store()
        query = self.query(MoveQuery)
        moved = await self.services.run(
            store.folders.move, self.principal, folder, query.new_parent_id, preview=query.preview
        )
        self.send(
            MovedFolder(
                id=moved.folder.id,
                name=moved.folder.name,
                preview=query.preview,
                teams_gained=[team_document(team) for team in moved.gained],
                teams_lost=[team_document(team) for team in moved.lost],
                dataset_count=moved.dataset_count,
            )
        )


def patch_of(said: FolderState) -> FolderPatch:
    from wk_jupyter.store.folder_tree import FolderPatch  # noqa: PLC0415 - loads SQLAlchemy

    teams = said.allowed_teams
    return FolderPatch(
        name=said.name,
        team_ids=None
        if teams is None
        else frozenset(team if isinstance(team, str) else team.id for team in teams),
        metadata=None if said.metadata is None else msgspec.to_builtins(said.metadata),
    )
