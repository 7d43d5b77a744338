"""Every layer as a Zarr group, of version 2 and 3, whatever format it is stored in."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from wk_jupyter.api import ngff
from wk_jupyter.api.documents import zarr_document
from wk_jupyter.api.versions import encode_big_integers
from wk_jupyter.errors import MagNotFound, NotFound
from wk_jupyter.geometry import Mag
from wk_jupyter.server_ext.handlers.layers import LayerHandler

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wk_jupyter.datasource import DataSource, LayerSource

_CHUNK2: Final = re.compile(r"\d{1,12}(?:\.\d{1,12})*")
_CHUNK3: Final = re.compile(r"c[/.](\d{1,12}(?:[/.]\d{1,12})*)")


class ZarrHandler(LayerHandler):
    """What the routes of both versions need."""

    frequent = True

    async def data_source(self, dataset: str) -> DataSource:
        return await self.data_source_of(await self.dataset(dataset))

    async def layer_source(self, dataset: str, layer: str) -> LayerSource:
        return (await self.data_source(dataset)).layer(layer)

    def send_document(self, document: Any) -> None:
        """JSON, with ``Range`` where it is asked for (fsspec does so)."""
        self.send_ranged(msgspec.json.encode(document), "application/json")

    def send_listing(self, names: Sequence[str]) -> None:
        """A page of links, from which tools that walk HTTP folders find their way."""
        links = "".join(f'<li><a href="{html.escape(name)}">{html.escape(name)}</a></li>' for name in names)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(f"<!DOCTYPE html><title>Zarr</title><ul>{links}</ul>")

    async def send_chunk(self, dataset: str, layer: str, mag: str, indices: list[int]) -> None:
        """The voxels of a chunk, whole 32³ ones even at the edges; 404 where nothing is stored."""
        reader = await self.layer(dataset, layer)
        known = mag_of(reader.layer, mag)
        axes = reader.layer.additional_axes
        if len(indices) != 4 + len(axes) or indices[0] != 0:
            raise NotFound(f"There is no chunk {indices} in {layer}/{mag}.")
        position = {axis.name: index for axis, index in zip(axes, indices[1:-3], strict=True)}
        outside = any(not axis.lower <= position[axis.name] < axis.upper for axis in axes)
        async with self.services.decode_slots:
            x, y, z = indices[-3:]
            raw = None if outside else await reader.brick(known, (x, y, z), position)
        if raw is None:
            raise NotFound(f"Chunk {indices} of {layer}/{mag} is not stored; its voxels are 0.")
        self.send_ranged(raw, "application/octet-stream")


def mag_of(layer: LayerSource, name: str) -> Mag:
    """The layer's mag of a folder name, ``2`` or ``2-2-1`` or ``2-2-2``; raises MagNotFound."""
    wanted = (
        Mag(name) if re.fullmatch(r"\d{1,9}(-\d{1,9}-\d{1,9})?", name) and set(name) - set("0-") else None
    )
    if wanted is None or all(mag.mag != wanted for mag in layer.mags):
        raise MagNotFound(
            f"Layer {layer.name} has no mag {name}.",
            hint=f"There are {', '.join(mag.mag.name for mag in layer.mags)}.",
        )
    return wanted


# --- version 2 ------------------------------------------------------------------------------


class Zarr2RootHandler(ZarrHandler):
    async def get(self, dataset: str) -> None:
        source = await self.data_source(dataset)
        folders = [f"{layer.name}/" for layer in source.layers]
        self.send_listing([".zgroup", "datasource-properties.json", *folders])


class Zarr2GroupHandler(ZarrHandler):
    async def get(self, dataset: str, layer: str | None = None) -> None:
        source = await self.data_source(dataset)
        if layer is not None:
            source.layer(layer)
        self.send_document({"zarr_format": 2})


class Zarr2PropertiesHandler(ZarrHandler):
    async def get(self, dataset: str) -> None:
        document = zarr_document(await self.data_source(dataset), data_format="zarr")
        self.send_document(encode_big_integers(document, self.version))


class Zarr2LayerHandler(ZarrHandler):
    async def get(self, dataset: str, layer: str) -> None:
        source = await self.layer_source(dataset, layer)
        self.send_listing([".zgroup", ".zattrs", *(f"{mag.mag.name}/" for mag in source.mags)])


class Zarr2LayerAttributesHandler(ZarrHandler):
    async def get(self, dataset: str, layer: str) -> None:
        source = await self.data_source(dataset)
        self.send_document(ngff.zarr2_layer_attributes(source.layer(layer), source.voxel_size))


class Zarr2MagHandler(ZarrHandler):
    async def get(self, dataset: str, layer: str, mag: str) -> None:
        mag_of(await self.layer_source(dataset, layer), mag)
        self.send_listing([".zarray"])


class Zarr2ArrayHandler(ZarrHandler):
    async def get(self, dataset: str, layer: str, mag: str) -> None:
        source = await self.layer_source(dataset, layer)
        self.send_document(ngff.zarr2_array(source, mag_of(source, mag)))


class Zarr2ChunkHandler(ZarrHandler):
    async def get(self, dataset: str, layer: str, mag: str, chunk: str) -> None:
        if not _CHUNK2.fullmatch(chunk):
            raise NotFound(f"There is no file {chunk} in {layer}/{mag}.")
        await self.send_chunk(dataset, layer, mag, [int(part) for part in chunk.split(".")])


# --- version 3 ------------------------------------------------------------------------------


class Zarr3RootHandler(ZarrHandler):
    async def get(self, dataset: str) -> None:
        source = await self.data_source(dataset)
        folders = [f"{layer.name}/" for layer in source.layers]
        self.send_listing(["zarr.json", "datasource-properties.json", *folders])


class Zarr3GroupHandler(ZarrHandler):
    async def get(self, dataset: str) -> None:
        await self.dataset(dataset)
        self.send_document(ngff.zarr3_group())


class Zarr3PropertiesHandler(ZarrHandler):
    async def get(self, dataset: str) -> None:
        document = zarr_document(await self.data_source(dataset), data_format="zarr3")
        self.send_document(encode_big_integers(document, self.version))


class Zarr3LayerHandler(ZarrHandler):
    async def get(self, dataset: str, layer: str) -> None:
        source = await self.layer_source(dataset, layer)
        self.send_listing(["zarr.json", *(f"{mag.mag.name}/" for mag in source.mags)])


class Zarr3LayerGroupHandler(ZarrHandler):
    async def get(self, dataset: str, layer: str) -> None:
        source = await self.data_source(dataset)
        self.send_document(ngff.zarr3_layer_group(source.layer(layer), source.voxel_size))


class Zarr3MagHandler(ZarrHandler):
    async def get(self, dataset: str, layer: str, mag: str) -> None:
        mag_of(await self.layer_source(dataset, layer), mag)
        self.send_listing(["zarr.json"])


class Zarr3ArrayHandler(ZarrHandler):
    async def get(self, dataset: str, layer: str, mag: str) -> None:
        source = await self.layer_source(dataset, layer)
        self.send_document(ngff.zarr3_array(source, mag_of(source, mag)))


class Zarr3ChunkHandler(ZarrHandler):
    async def get(self, dataset: str, layer: str, mag: str, chunk: str) -> None:
        match = _CHUNK3.fullmatch(chunk)
        if match is None:
            raise NotFound(f"There is no file {chunk} in {layer}/{mag}.")
        await self.send_chunk(dataset, layer, mag, [int(part) for part in re.split(r"[/.]", match[1])])
