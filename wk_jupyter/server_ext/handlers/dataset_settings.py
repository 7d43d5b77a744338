"""What people set about a dataset, and how they share it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from wk_jupyter.api.dataset_settings import (
    Access,
    AccessQuery,
    AllowedTeamsUpdate,
    DatasetUpdate,
    DeletionQuery,
    SharingToken,
    ViewUpdate,
)
from wk_jupyter.api.documents import attachment_field
from wk_jupyter.errors import InvalidInput
from wk_jupyter.server_ext.handlers.datasets import DatasetHandler

if TYPE_CHECKING:
    from wk_jupyter.store import DatasetRecord
    from wk_jupyter.store.attachment_edits import AttachmentRenaming
    from wk_jupyter.store.dataset_settings import DatasetPatch


class ChangingHandler(DatasetHandler):
    """Answers with the dataset as it is after the change."""

    async def send_changed(self, record: DatasetRecord) -> None:
        store = await self.store()
        # Who gave up the right to see it has changed it all the same.
        document = await self.services.run(self.full, store, record)
        document["usedStorageBytes"] = record.used_storage_bytes
        self.send(document)


class DatasetChangeHandler(ChangingHandler):
    """A dataset as a whole."""

    async def patch(self, dataset: str) -> None:
        store = await self.store()
        wanted: DatasetUpdate = self.body(DatasetUpdate)
        update = store.settings.update
        # Who sends a dataset whole sends its data source as served, and means the rest.
        patch = patch_of(wanted, is_partial=self.request.path.endswith("updatePartial"))
        await self.send_changed(
            await self.services.run(update, self.principal, dataset, patch, wanted.expected)
        )

    async def delete(self, dataset: str) -> None:
        """To the trash; with ``purge`` for good. An import is given up, with all that was sent."""
        store = await self.store()
        record = await self.services.run(store.dataset, self.principal, dataset)
        is_purge = self.query(DeletionQuery).purge
        remove = store.trash.purge if is_purge else store.trash.delete
        if record.status in {"importing", "failed"}:
            remove = store.imports.discard
        await self.services.run(remove, self.principal, dataset)
        self.send({})


class RestoreHandler(ChangingHandler):
    async def post(self, dataset: str) -> None:
        store = await self.store()
        await self.send_changed(await self.services.run(store.trash.restore, self.principal, dataset))


class AllowedTeamsHandler(ChangingHandler):
    async def patch(self, dataset: str) -> None:
        store = await self.store()
        said: list[str] | AllowedTeamsUpdate = self.body(list[str] | AllowedTeamsUpdate)
        wanted = AllowedTeamsUpdate(teams=said) if isinstance(said, list) else said
        set_teams = store.settings.set_teams
        await self.send_changed(
            await self.services.run(set_teams, self.principal, dataset, wanted.teams, wanted.expected)
        )


class SharingTokenHandler(DatasetHandler):
    async def get(self, dataset: str) -> None:
        store = await self.store()
        make = store.settings.sharing_token
        token = await self.services.run(make, self.principal, dataset)
        self.set_header("Cache-Control", "no-store")
        self.send(SharingToken(sharing_token=token))

    async def delete(self, dataset: str) -> None:
        store = await self.store()
        await self.services.run(store.settings.revoke_sharing_token, self.principal, dataset)
        self.send({})


class ViewConfigurationHandler(DatasetHandler):
    """How a dataset is shown to the one who asks. The body of a POST names volume annotations: none."""

    async def get(self, dataset: str) -> None:
        record = await self.dataset(dataset)
        store = await self.store()
        self.send(await self.services.run(store.views.of, self.principal, record))

    async def post(self, dataset: str) -> None:
        self.body(list[str])
        await self.get(dataset)

    async def patch(self, dataset: str) -> None:
        wanted: ViewUpdate = self.body(ViewUpdate)
        store = await self.store()
        change = store.views.change_own
        self.send(await self.services.run(change, self.principal, dataset, wanted.settings, wanted.forget))


class ViewDefaultsHandler(DatasetHandler):
    """How a dataset is shown to those who have set nothing; a PUT may say what was ``expected``."""

    async def get(self, dataset: str) -> None:
        record = await self.dataset(dataset)
        store = await self.store()
        self.send(await self.services.run(store.views.defaults, record))

    async def put(self, dataset: str) -> None:
        wanted = self.body(dict[str, Any])
        expected = wanted.pop("expected", None)
        if expected is not None and not isinstance(expected, dict):
            raise InvalidInput("expected: it has to be an object.")
        store = await self.store()
        set_defaults = store.views.set_defaults
        self.send(await self.services.run(set_defaults, self.principal, dataset, wanted, expected))


class AccessHandler(DatasetHandler):
    async def get(self, dataset: str) -> None:
        store = await self.store()
        user = self.query(AccessQuery).user_id or (await self.services.run(store.user_of, self.principal)).id
        explain = store.settings.explain_access
        reasons = await self.services.run(explain, self.principal, dataset, user)
        self.send(Access(user_id=user, reasons=reasons))


def patch_of(wanted: DatasetUpdate, *, is_partial: bool) -> DatasetPatch:
    from wk_jupyter.store.data_source_edits import Renaming  # noqa: PLC0415 - loads stored formats
    from wk_jupyter.store.dataset_settings import DatasetPatch  # noqa: PLC0415 - loads SQLAlchemy

    metadata: tuple[dict[str, Any], ...] | msgspec.UnsetType = msgspec.UNSET
    if not isinstance(wanted.metadata, msgspec.UnsetType):
        metadata = tuple(msgspec.to_builtins(entry) for entry in wanted.metadata or ())
    return DatasetPatch(
        name=wanted.name,
        description=wanted.description,
        tags=tuple(wanted.tags) if isinstance(wanted.tags, list) else wanted.tags,
        metadata=metadata,
        is_public=wanted.is_public,
        folder_id=wanted.folder_id,
        sorting_key=wanted.sorting_key,
        data_source=wanted.data_source if is_partial else msgspec.UNSET,
        layer_renamings=tuple(Renaming(each.old_name, each.new_name) for each in wanted.layer_renamings),
        attachment_renamings=_attachment_renamings(wanted),
    )


def _attachment_renamings(wanted: DatasetUpdate) -> tuple[AttachmentRenaming, ...] | None:
    from wk_jupyter.store.attachment_edits import AttachmentRenaming  # noqa: PLC0415 - as the others

    if isinstance(wanted.attachment_renamings, msgspec.UnsetType):
        return None
    return tuple(
        AttachmentRenaming(
            each.layer_name, attachment_field(each.attachment_type), each.old_name, each.new_name
        )
        for each in wanted.attachment_renamings
    )
