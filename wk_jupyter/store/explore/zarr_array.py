"""A Zarr array without OME metadata: its names of dimensions, else the last three are z, y, x."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from wk_jupyter.properties_document import DataFormat
from wk_jupyter.store.explore.category import with_category
from wk_jupyter.store.explore.layers import FoundLayers, array_layer, layer_name, split_channels
from wk_jupyter.store.volumes.metadata_files import load_metadata
from wk_jupyter.store.volumes.zarr_metadata import read_array

LOOKS_FOR: Final = "Zarr arrays (.zarray, zarr.json)"
_SYNONYMS: Final = {"channel": "c", "channels": "c", "ch": "c", "time": "t"}
_MAX_GUESSED_CHANNELS: Final = 64


def find_layers(folder: Path) -> FoundLayers | None:
    """Recognise a folder with .zarray, or with a zarr.json of an array."""
    if not is_array(folder):
        return None
    array = read_array(folder)
    data_format: DataFormat = "zarr3" if array.version == 3 else "zarr"
    names = array.dimension_names or _xarray_names(folder)
    axes = axes_by_name(names, len(array.shape))
    notices: tuple[str, ...] = ()
    if axes is None:
        axes = guess_axes(array.shape)
        notices = (f"the axes of {folder.name} are guessed: {', '.join(axes)}.",)
    layer = array_layer(layer_name(folder.name), data_format, array.shape, array.dtype, axes)
    layers, left_out = split_channels(layer)
    return FoundLayers(tuple(with_category(folder, one) for one in layers), notices=notices + left_out)


def is_array(folder: Path) -> bool:
    """Tell whether a Zarr array of either version lies in the folder."""
    file = folder / "zarr.json"
    if file.is_file():
        return load_metadata(file).get("node_type") == "array"
    return (folder / ".zarray").is_file()


def axes_by_name(names: Sequence[Any] | None, rank: int) -> list[str] | None:
    """Return the axes as they are called, or None where the names don't tell x and y."""
    told = [_SYNONYMS.get(str(name).lower(), str(name).lower()) if name else "" for name in names or ()]
    is_told = len(told) == rank and len(set(told)) == rank and all(told)
    return told if is_told and ({"x", "y"} <= set(told) or told == ["x"]) else None


def guess_axes(shape: Sequence[int]) -> list[str]:
    """Name each dimension: the last three are z, y, x, and the one before them the channel.

    Three dimensions of which the last is 3 or 4 long are a picture in colour: y, x and the channel.
    """
    rank = len(shape)
    if rank == 3 and shape[2] in (3, 4) and min(shape[:2]) > 4:
        return ["y", "x", "c"]
    axes = ["z", "y", "x"][-rank:]
    before = [f"axis{number}" for number in range(rank - len(axes))]
    if before and shape[len(before) - 1] <= _MAX_GUESSED_CHANNELS:
        before[-1] = "c"
    return before + axes


def _xarray_names(folder: Path) -> list[Any] | None:
    file = folder / ".zattrs"
    names = load_metadata(file).get("_ARRAY_DIMENSIONS") if file.is_file() else None
    return names if isinstance(names, list) else None
