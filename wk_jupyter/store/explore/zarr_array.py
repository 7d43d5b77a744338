"""A Zarr array without OME metadata: its names of dimensions, else the last three are z, y, x."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from wk_jupyter.datasource import AdditionalAxis, LayerSource, MagSource, element_class_of
from wk_jupyter.errors import CorruptData, InvalidInput, UnsupportedFormat
from wk_jupyter.geometry import BoundingBox, Mag, Vec3Int
from wk_jupyter.properties_document import DataFormat
from wk_jupyter.store.explore.category import guess_category
from wk_jupyter.store.explore.exploration import FoundLayers, layer_name
from wk_jupyter.store.volumes import n5, zarr
from wk_jupyter.store.volumes.metadata_files import load_metadata


def find_layers(folder: Path) -> FoundLayers | None:
    """Recognise a folder with .zarray, or with a zarr.json of an array."""
    if not (folder / ".zarray").is_file() and not (folder / "zarr.json").is_file():
        return None
    if (folder / "zarr.json").is_file() and load_metadata(folder / "zarr.json").get("node_type") != "array":
        return None
    array = zarr.read_array(folder)
    version, metadata = array.version, array.document
    data_format: DataFormat = "zarr3" if version == 3 else "zarr"
    shape, dtype = shape_and_dtype(folder, data_format)
    names = metadata.get("dimension_names")
    axes = guess_axes(shape, names if isinstance(names, list) else None)
    layer = array_layer(layer_name(folder.name), data_format, shape, dtype, axes)
    layer = replace(layer, category=guess_category(folder, layer))
    notices = () if names else (f"the axes of {folder.name} are guessed: {', '.join(axes)}.",)
    return FoundLayers((layer,), notices=notices)


def shape_and_dtype(path: Path, data_format: DataFormat) -> tuple[tuple[int, ...], Any]:
    """Return shape and dtype of an array on disk. Raises UnsupportedFormat where values are no numbers."""
    array = n5.read_array(path) if data_format == "n5" else zarr.read_array(path)
    return array.shape, array.dtype


def guess_axes(shape: tuple[int, ...], names: list[Any] | None) -> list[str]:
    """Name each dimension: as it is called, else the last three z, y, x, and before them the channel.

    Three dimensions of which the last is 3 or 4 long are a picture in colour: y, x and the channel.
    """
    rank = len(shape)
    told = [str(name).lower() if name else "" for name in names or []]
    if len(told) == rank and len(set(told)) == rank and set(told) & set("xyz") and all(told):
        return told
    if rank == 3 and shape[2] in (3, 4) and min(shape[:2]) > 4:
        return ["y", "x", "c"]
    axes = ["z", "y", "x"][-rank:] if rank <= 3 else ["c", "z", "y", "x"]
    return [f"axis{n}" for n in range(rank - len(axes))] + axes


def array_layer(
    name: str, data_format: DataFormat, shape: tuple[int, ...], dtype: Any, axes: list[str]
) -> LayerSource:
    """Make a layer of one mag of an array with these axes. Raises CorruptData where it is empty."""
    if not shape or min(shape) < 1:
        raise CorruptData(f"the array {name!r} is empty: its shape is {shape}.")
    dims = {axis: number for number, axis in enumerate(axes)}
    size = Vec3Int.of([shape[dims[axis]] if axis in dims else 1 for axis in "xyz"])
    channels = shape[dims["c"]] if "c" in dims else 1
    try:
        element = element_class_of(np.dtype(np.uint8) if dtype.kind == "b" else np.dtype(dtype), channels)
    except InvalidInput:
        raise UnsupportedFormat(
            f"the array {name!r} has values of type {dtype}, which cannot be voxels."
        ) from None
    return LayerSource(
        name=name,
        category="color",
        bounding_box=BoundingBox((0, 0, 0), size),
        element_class=element,
        data_format=data_format,
        mags=(MagSource(Mag(1), ".", {axis: dims[axis] for axis in "cxyz" if axis in dims}),),
        num_channels=channels,
        additional_axes=tuple(
            AdditionalAxis(axis, 0, shape[dim], dim) for axis, dim in dims.items() if axis not in "cxyz"
        ),
    )
