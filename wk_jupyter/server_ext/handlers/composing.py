"""Parts of datasets in other datasets."""

from __future__ import annotations

from functools import partial

from wk_jupyter.api.dataset_settings import ComposedAttachment, ComposedLayer, ComposedMag
from wk_jupyter.api.documents import attachment_field
from wk_jupyter.geometry import Mag
from wk_jupyter.server_ext.handlers.dataset_settings import ChangingHandler


class AddLayerHandler(ChangingHandler):
    async def post(self, dataset: str) -> None:
        store = await self.store()
        wanted: ComposedLayer = self.body(ComposedLayer)
        add = partial(
            store.composing.add_layer,
            source=wanted.source_dataset_id,
            layer=wanted.source_layer_name,
            name=wanted.target_layer_name,
        )
        await self.send_changed(await self.services.run(add, self.principal, dataset))


class AddMagHandler(ChangingHandler):
    async def post(self, dataset: str) -> None:
        store = await self.store()
        wanted: ComposedMag = self.body(ComposedMag)
        add = partial(
            store.composing.add_mag,
            source=wanted.source_dataset_id,
            layers=(wanted.source_layer_name, wanted.target_layer_name),
            mags=(Mag(wanted.source_mag), Mag(wanted.target_mag)),
        )
        await self.send_changed(await self.services.run(add, self.principal, dataset))


class AddAttachmentHandler(ChangingHandler):
    async def post(self, dataset: str) -> None:
        store = await self.store()
        wanted: ComposedAttachment = self.body(ComposedAttachment)
        add = partial(
            store.composing.add_attachment,
            source=wanted.source_dataset_id,
            layers=(wanted.source_layer_name, wanted.target_layer_name),
            kind=attachment_field(wanted.attachment_type),
            names=(wanted.source_attachment_name, wanted.target_attachment_name),
        )
        await self.send_changed(await self.services.run(add, self.principal, dataset))
