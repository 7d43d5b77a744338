"""Zarr v2 and v3 arrays on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from wk_jupyter.datasource import LayerSource, MagSource
from wk_jupyter.errors import CorruptData
from wk_jupyter.store.volumes.tensorstore_volume import (
    AxisMap,
    TensorStoreVolume,
    file_store,
    load_metadata,
    open_array,
)
from wk_jupyter.store.volumes.zarr_blocks import zarr_stored_blocks

_DEFAULT_AXES: Final = {1: "x", 2: "xy", 3: "xyz", 4: "cxyz"}


def open_zarr(path: Path, layer: LayerSource, mag: MagSource) -> TensorStoreVolume:
    """Open a Zarr array, of whichever version lies there. Raises CorruptData, UnsupportedFormat."""
    version, metadata = zarr_metadata(path)
    _refuse_empty_chunks(metadata, path)
    store = open_array(
        {"driver": "zarr3" if version == 3 else "zarr", "kvstore": file_store(path)}, str(path)
    )
    axes = axes_of(layer, mag, store.rank, str(path))
    return TensorStoreVolume(store, axes, str(path), zarr_stored_blocks(path, version, metadata, axes))


def zarr_metadata(path: Path) -> tuple[int, dict[str, Any]]:
    """Return the version and the metadata of the array in a folder."""
    for version, name in ((3, "zarr.json"), (2, ".zarray")):
        if (path / name).exists():
            return version, load_metadata(path / name)
    raise CorruptData(
        f"{path} holds no Zarr array: neither zarr.json nor .zarray is there.",
        path=str(path),
        hint="Check the mag's path in datasource-properties.json.",
    )


def axes_of(layer: LayerSource, mag: MagSource, rank: int, label: str) -> AxisMap:
    """The axes of an array as its layer tells them; c, x, y, z where it doesn't.

    Raises CorruptData where they don't fit the array.
    """
    dims = dict(mag.axis_order) if mag.axis_order is not None else None
    if dims is None:
        spatial = rank - len(layer.additional_axes)
        names = _DEFAULT_AXES.get(spatial)
        if names is None:
            raise CorruptData(
                f"{label} has {rank} dimensions and no axisOrder.",
                path=label,
                hint='Name them under "axisOrder" in datasource-properties.json.',
            )
        free = sorted(set(range(rank)) - {axis.index for axis in layer.additional_axes})
        dims = dict(zip(names, free, strict=False))
    dims = {axis: dim for axis, dim in dims.items() if dim < rank or axis != "c"}
    dims.update({axis.name: axis.index for axis in layer.additional_axes})
    if any(dim >= rank for dim in dims.values()) or len(set(dims.values())) != len(dims):
        named = ", ".join(f"{axis} is {dim}" for axis, dim in dims.items())
        raise CorruptData(
            f"{label} has {rank} dimensions, which its axis order ({named}) does not fit.", path=label
        )
    first = {axis.name: axis.lower for axis in layer.additional_axes}
    if mag.channel_index is None:
        return AxisMap(dims, first=first)
    return AxisMap(dims, slice(mag.channel_index, mag.channel_index + layer.num_channels), first)


def _refuse_empty_chunks(metadata: dict[str, Any], path: Path) -> None:
    grid = metadata.get("chunk_grid")
    shape = metadata.get("chunks") or (
        grid.get("configuration", {}).get("chunk_shape") if isinstance(grid, dict) else None
    )
    if isinstance(shape, list) and any(not isinstance(n, int) or n < 1 for n in shape):
        raise CorruptData(
            f"{path} has chunks of shape {shape}; all sizes must be at least 1.", path=str(path)
        )
