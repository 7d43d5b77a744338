"""Parts of datasets that a client, which sees the server's disk, puts there itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wk_jupyter.api.documents import attachment_field
from wk_jupyter.api.uploads import AttachmentPath, DatasetPaths, MagPath, ReservedPaths
from wk_jupyter.errors import InvalidInput
from wk_jupyter.server_ext.handlers.base import WkHandler

if TYPE_CHECKING:
    from wk_jupyter.store.upload_parts import Part


class ReserveDatasetHandler(WkHandler):
    async def post(self) -> None:
        from wk_jupyter.store.upload_paths import PathReservation  # noqa: PLC0415 - with the store

        store = await self.store()
        wanted: DatasetPaths = self.body(DatasetPaths)
        _require_no_prefix(wanted.path_prefix)
        links = wanted.layers_to_link or []
        reservation = PathReservation(
            name=wanted.dataset_name,
            document=wanted.data_source,
            folder_id=wanted.folder_id,
            team_ids=tuple(wanted.initial_team_ids),
            links=tuple(
                (each.dataset_id or "", each.layer_name, each.new_layer_name or each.layer_name)
                for each in links
            ),
            is_unique=wanted.require_unique_name,
        )
        made = await self.services.run(store.upload_paths.reserve, self.principal, reservation)
        self.send(ReservedPaths(new_dataset_id=made[0], data_source=made[1]))


class FinishDatasetHandler(WkHandler):
    async def post(self, dataset: str) -> None:
        store = await self.store()
        await self.services.run(store.upload_paths.finish, self.principal, dataset)
        self.send({})


class _PathHandler(WkHandler):
    """``part`` reads the body; reserving answers with a path, finishing with nothing."""

    def part(self, dataset: str) -> Part:
        raise NotImplementedError

    async def reserve(self, dataset: str) -> None:
        store = await self.store()
        part = self.part(dataset)
        self.send(str(await self.services.run(store.upload_parts.reserve, self.principal, part)))

    async def take(self, dataset: str) -> None:
        store = await self.store()
        await self.services.run(store.upload_parts.finish, self.principal, self.part(dataset))
        self.send({})


class _MagHandler(_PathHandler):
    def part(self, dataset: str) -> Part:
        from wk_jupyter.store.upload_parts import MagPart  # noqa: PLC0415 - with the store

        wanted: MagPath = self.body(MagPath)
        _require_no_prefix(wanted.path_prefix)
        return MagPart(dataset, wanted.layer_name, wanted.mag, wanted.axis_order, wanted.channel_index)


class _AttachmentHandler(_PathHandler):
    def part(self, dataset: str) -> Part:
        from wk_jupyter.store.upload_parts import AttachmentPart  # noqa: PLC0415 - with the store

        wanted: AttachmentPath = self.body(AttachmentPath)
        _require_no_prefix(wanted.path_prefix)
        kind = attachment_field(wanted.attachment_type)
        return AttachmentPart(
            dataset, wanted.layer_name, kind, wanted.attachment_name, wanted.attachment_dataformat
        )


class ReserveMagHandler(_MagHandler):
    async def post(self, dataset: str) -> None:
        await self.reserve(dataset)


class FinishMagHandler(_MagHandler):
    async def post(self, dataset: str) -> None:
        await self.take(dataset)


class ReserveAttachmentHandler(_AttachmentHandler):
    async def post(self, dataset: str) -> None:
        await self.reserve(dataset)


class FinishAttachmentHandler(_AttachmentHandler):
    async def post(self, dataset: str) -> None:
        await self.take(dataset)


def _require_no_prefix(prefix: str | None) -> None:
    if prefix is not None:
        raise InvalidInput("pathPrefix: files go into the dataset's folder.", hint="Leave it out.")
