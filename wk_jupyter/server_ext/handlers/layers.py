"""What handlers of a dataset's voxels share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wk_jupyter.server_ext.handlers.base import WkHandler
from wk_jupyter.server_ext.ranges import parse_range

if TYPE_CHECKING:
    from wk_jupyter.datasource import DataSource
    from wk_jupyter.store import DatasetRecord
    from wk_jupyter.store.bricks import LayerReader


class LayerHandler(WkHandler):
    """Resolves a dataset and a layer for the principal who asks."""

    async def data_source_of(self, record: DatasetRecord) -> DataSource:
        store = await self.store()
        return await self.services.run(store.data_source, record)

    async def layer(self, dataset: str, layer: str) -> LayerReader:
        """Raises DatasetNotFound, also for what the principal may not see, and LayerNotFound."""
        return await self.reader(await self.dataset(dataset), layer)

    async def reader(self, record: DatasetRecord, layer: str) -> LayerReader:
        """Raises LayerNotFound."""
        store = await self.store()
        reader = store.cached_layer(record, layer)
        return reader if reader is not None else await self.services.run(store.layer, record, layer)

    def send_ranged(self, body: bytes, media_type: str) -> None:
        """Finish with ``body`` or the ``Range`` of it that is asked for."""
        self.set_header("Content-Type", media_type)
        start, end = self.start_range(len(body))
        self.finish(body if (start, end) == (0, len(body)) else body[start:end])

    def start_range(self, size: int) -> tuple[int, int]:
        """Set status and headers for a content of ``size`` bytes; return its part to send."""
        self.set_header("Accept-Ranges", "bytes")
        part = parse_range(self.request.headers.get("Range"), size)
        if part is None:
            self.set_header("Content-Length", str(size))
            return 0, size
        start, end = part
        self.set_status(206)
        self.set_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        self.set_header("Content-Length", str(end - start))
        return start, end
