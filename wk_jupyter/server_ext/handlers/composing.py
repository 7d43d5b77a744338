"""Parts of datasets in other datasets."""

from __future__ import annotations

from functools import partial

from wk_jupyter.api.dataset_settings import ComposedAttachment, ComposedLayer, ComposedMag
from wk_jupyter.api.documents import ATTACHMENT_TYPES
from wk_jupyter.errors import InvalidInput
from wk_jupyter.geometry import Mag
from wk_jupyter.server_ext.handlers.dataset_settings import ChangingHandler

_FIELDS = {kind: field for field, kind in ATTACHMENT_TYPES.items()}
_FIELDS |= {field: field for field in ATTACHMENT_TYPES}


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
        kind = _FIELDS.get(wanted.attachment_type)
        if kind is None:
            raise InvalidInput(
                f"attachmentType: {wanted.attachment_type[:100]!r} is none.",
                hint=f"One of {', '.join(_FIELDS)}.",
            )
        add = partial(
            store.composing.add_attachment,
            source=wanted.source_dataset_id,
            layers=(wanted.source_layer_name, wanted.target_layer_name),
            kind=kind,
            names=(wanted.source_attachment_name, wanted.target_attachment_name),
        )
        await self.send_changed(await self.services.run(add, self.principal, dataset))
