"""Zarr v2 and v3 arrays on disk."""

from __future__ import annotations

import math
from pathlib import Path

from wk_jupyter.datasource import LayerSource, MagSource
from wk_jupyter.store.volumes.axes import axes_of
from wk_jupyter.store.volumes.chunk_codecs import MOST_WIDENING
from wk_jupyter.store.volumes.chunk_guard import packed_limit
from wk_jupyter.store.volumes.tensorstore_volume import (
    TensorStoreVolume,
    file_store,
    open_array,
)
from wk_jupyter.store.volumes.transcoded import StoredChunks, TranscodedVolume, read_chunk
from wk_jupyter.store.volumes.zarr_blocks import zarr_stored_blocks
from wk_jupyter.store.volumes.zarr_guard import zarr_guard
from wk_jupyter.store.volumes.zarr_metadata import ZarrArray, read_array


def open_zarr(path: Path, layer: LayerSource, mag: MagSource) -> TensorStoreVolume:
    """Open a Zarr array, of whichever version lies there. Raises CorruptData, UnsupportedFormat."""
    array = read_array(path)
    label = str(path)
    axes = axes_of(layer, mag, len(array.shape), label)
    spec = {"driver": "zarr3" if array.version == 3 else "zarr", "metadata": array.metadata}
    if array.unpack is not None:
        return TranscodedVolume(spec, _chunks(path, array), axes, label)
    blocks = zarr_stored_blocks(path, array.version, array.document, axes)
    store = open_array({**spec, "kvstore": file_store(path)}, label)
    return TensorStoreVolume(store, axes, label, blocks=blocks, guard=zarr_guard(path, array))


def _chunks(path: Path, array: ZarrArray) -> StoredChunks:
    prefix, separator, unpack = array.key_prefix, array.separator, array.unpack
    limit = packed_limit(math.prod(array.chunk) * array.dtype.itemsize * MOST_WIDENING)

    def name(cell: tuple[int, ...]) -> str:
        return prefix + separator.join(map(str, cell))

    def load(cell: tuple[int, ...]) -> bytes | None:
        return read_chunk(path / name(cell), unpack, limit)

    return StoredChunks((0,) * len(array.shape), array.chunk, name, load)
