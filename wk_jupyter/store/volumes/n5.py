"""N5 arrays on disk. Dimensions are x first, and so tensorstore gives them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wk_jupyter.datasource import LayerSource, MagSource
from wk_jupyter.errors import CorruptData
from wk_jupyter.store.volumes.tensorstore_volume import (
    TensorStoreVolume,
    file_store,
    load_metadata,
    open_array,
)
from wk_jupyter.store.volumes.zarr import axes_of


def open_n5(path: Path, layer: LayerSource, mag: MagSource) -> TensorStoreVolume:
    """Open an N5 array. Raises CorruptData, UnsupportedFormat."""
    attributes = load_metadata(path / "attributes.json")
    block_size = attributes.get("blockSize")
    if not isinstance(block_size, list) or any(not isinstance(n, int) or n < 1 for n in block_size):
        raise CorruptData(f"{path / 'attributes.json'} has no usable blockSize.", path=str(path))
    spec: dict[str, Any] = {"driver": "n5", "kvstore": file_store(path)}
    store = open_array(spec, str(path))
    return TensorStoreVolume(store, axes_of(layer, mag, store.rank, str(path)), str(path))
