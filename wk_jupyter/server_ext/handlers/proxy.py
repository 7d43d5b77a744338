"""The dataset's own files, byte for byte, for clients that read the stored format themselves."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import msgspec

from wk_jupyter.api.documents import attachments, proxy_document
from wk_jupyter.api.versions import encode_big_integers
from wk_jupyter.errors import NotFound
from wk_jupyter.properties_document import PROPERTIES_FILE
from wk_jupyter.server_ext.files import open_below
from wk_jupyter.server_ext.handlers.layers import LayerHandler
from wk_jupyter.server_ext.handlers.zarr import mag_of

if TYPE_CHECKING:
    from pathlib import Path

_PIECE_BYTES: Final = 1024**2


class ProxyPropertiesHandler(LayerHandler):
    async def get(self, dataset: str) -> None:
        source = await self.data_source_of(await self.dataset(dataset))
        document = encode_big_integers(proxy_document(source), self.version)
        self.send_ranged(msgspec.json.encode(document), "application/json")


class ProxyHandler(LayerHandler):
    """Sends files below a folder of the dataset."""

    frequent = True

    async def send_file(self, folder: Path, rest: str, dataset_folder: Path) -> None:
        """Send ``rest`` below ``folder``, or its ``Range``; links may lead within the dataset's folder."""
        descriptor, size = await self.services.run(open_below, folder, rest, also_below=[dataset_folder])
        try:
            self.set_header("Content-Type", "application/octet-stream")
            start, end = self.start_range(size)
            while start < end and self.request.method != "HEAD":
                piece = await self.services.run(os.pread, descriptor, min(_PIECE_BYTES, end - start), start)
                if not piece:
                    raise OSError(f"A file became shorter while it was sent: {rest}")
                self.write(piece)
                start += len(piece)
                if start < end:
                    await self.flush()
            self.finish()
        finally:
            os.close(descriptor)


class ProxyMagHandler(ProxyHandler):
    async def get(self, dataset: str, layer: str, mag: str, rest: str) -> None:
        if rest.rpartition("/")[2] == PROPERTIES_FILE:  # it may lie in the folder of a mag, with secrets
            raise NotFound(f"There is no file {rest[:200]!r} here.")
        record = await self.dataset(dataset)
        source = (await self.data_source_of(record)).layer(layer)
        wanted = mag_of(source, mag)
        store = await self.store()
        folder = await self.services.run(store.mag_folder, record, layer, wanted)
        await self.send_file(folder, rest, store.folder(record))


class ProxyAttachmentHandler(ProxyHandler):
    """``rest`` begins with the attachment's name; where that is a folder, a path in it follows."""

    async def get(self, dataset: str, layer: str, kind: str, rest: str) -> None:
        record = await self.dataset(dataset)
        document = (await self.data_source_of(record)).layer(layer).to_document()
        name, _, inner = rest.partition("/")
        for found_kind, attachment in attachments(document):
            path = str(attachment.get("path", "")).removeprefix("./")
            if found_kind == kind and attachment.get("name") == name and path:
                folder = (await self.store()).folder(record)
                await self.send_file(folder, "/".join(filter(None, [path, inner])), folder)
                return
        raise NotFound(f"Layer {layer} has no attachment {kind}/{name}.")
