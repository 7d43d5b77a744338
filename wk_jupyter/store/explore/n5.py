"""N5: single arrays, and the multiscale dialects of BigDataViewer, n5-viewer and Janelia's COSEM."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from wk_jupyter.datasource import MagSource
from wk_jupyter.errors import CorruptData, InvalidInput
from wk_jupyter.geometry import VoxelSize
from wk_jupyter.store.explore.category import with_category
from wk_jupyter.store.explore.layers import (
    FoundLayers,
    array_layer,
    join_paths,
    layer_name,
    mags_by_ratio,
    split_channels,
)
from wk_jupyter.store.explore.units import LengthsByAxis, voxel_size
from wk_jupyter.store.explore.zarr_array import axes_by_name
from wk_jupyter.store.volumes.metadata_files import load_metadata
from wk_jupyter.store.volumes.n5 import ATTRIBUTES_FILE, read_array

LOOKS_FOR: Final = "N5 (attributes.json with dimensions, also in folders called s0, s1)"
_SCALE: Final = re.compile(r"s([0-9]{1,3})")
_DEFAULT_UNIT: Final = "micrometer"
_MAX_GUESSED_CHANNELS: Final = 64


def find_layers(folder: Path) -> FoundLayers | None:
    """Recognise an array (its attributes.json has dimensions) or a group of arrays s0, s1, …

    Raises CorruptData or UnsupportedFormat where it cannot be used.
    """
    attributes = _attributes(folder)
    if "dimensions" in attributes:
        return _pyramid(folder, ["."], attributes)
    scales = sorted(
        (int(matched[1]), child.name)
        for child in folder.iterdir()
        if (matched := _SCALE.fullmatch(child.name)) and "dimensions" in _attributes(child)
    )
    if not scales:
        return None
    return _pyramid(folder, [name for _, name in scales], attributes)


def _attributes(folder: Path) -> dict[str, Any]:
    file = folder / ATTRIBUTES_FILE
    return load_metadata(file) if file.is_file() else {}


def _pyramid(folder: Path, names: Sequence[str], group: Mapping[str, Any]) -> FoundLayers:
    """Make layers of arrays, the finest first. ``group`` are the attributes of the folder they lie in."""
    levels = [_attributes(folder / name) for name in names]
    finest = read_array(folder / names[0])
    told = {**levels[0], **group}
    axes = axes_by_name(_names(told), len(finest.shape))
    guessed = axes is None
    axes = axes or guess_axes(finest.shape)
    ratios = []
    for number, (name, own) in enumerate(zip(names, levels, strict=True)):
        shape = read_array(folder / name).shape
        if len(shape) != len(axes):
            raise CorruptData(f"{folder / name} has another number of dimensions than {names[0]}.")
        ratios.append((name, _ratio(own, group, number, axes, (finest.shape, shape))))
    mags, notices = mags_by_ratio(ratios)
    layer = array_layer(layer_name(folder.name), "n5", finest.shape, finest.dtype, axes)
    order = layer.mags[0].axis_order
    layer = replace(layer, mags=tuple(MagSource(mag, join_paths(path), order) for mag, path in mags))
    layers, left_out = split_channels(layer)
    size, size_notices = _voxel_size(told, axes)
    if guessed and len(axes) != 3:
        notices = (*notices, f"the axes of {folder.name} are guessed: {', '.join(axes)}.")
    return FoundLayers(
        tuple(with_category(folder, one) for one in layers), size, notices + left_out + size_notices
    )


def guess_axes(shape: Sequence[int]) -> list[str]:
    """Name each dimension: N5 counts x first. Channels may come first, as WEBKNOSSOS writes them, or last."""
    rank = len(shape)
    if rank == 3 and shape[0] in (3, 4) and min(shape[1:]) > 4:
        return ["c", "x", "y"]
    if rank == 4 and shape[0] <= min(shape[1:]) and shape[0] <= _MAX_GUESSED_CHANNELS:
        return ["c", "x", "y", "z"]
    axes = ["x", "y", "z"][:rank]
    after = [f"axis{number}" for number in range(3, rank)]
    if after and shape[3] <= _MAX_GUESSED_CHANNELS:
        after[0] = "c"
    return axes + after


def _ratio(
    own: Mapping[str, Any],
    group: Mapping[str, Any],
    number: int,
    axes: Sequence[str],
    shapes: tuple[Sequence[int], Sequence[int]],
) -> list[float]:
    """How much coarser a level is along x, y, z: as written, else by its dimensions.

    Written factors are of the axes x, y, z alone, or of all dimensions.
    """
    factors = own.get("downsamplingFactors")
    listed = group.get("scales") or group.get("downsamplingFactors")
    if factors is None and isinstance(listed, list) and number < len(listed):
        factors = listed[number]
    spatial = [axis for axis in axes if axis in "xyz"]
    if isinstance(factors, list) and all(isinstance(n, int | float) and n > 0 for n in factors):
        by_axis = dict(zip(spatial if len(factors) < len(axes) else axes, factors, strict=False))
    else:
        by_axis = {axis: a / max(1, b) for axis, a, b in zip(axes, *shapes, strict=True)}
    return [float(by_axis.get(axis, 1)) for axis in "xyz"]


def _names(told: Mapping[str, Any]) -> list[Any] | None:
    """The names of axes in the order of the dimensions. Those of a transform are in the reverse order."""
    axes = told.get("axes")
    if isinstance(axes, list):
        return axes
    transform = _transform(told)
    return list(reversed(transform["axes"])) if isinstance(transform.get("axes"), list) else None


def _transform(told: Mapping[str, Any]) -> Mapping[str, Any]:
    """What COSEM writes: scale and units in the order of ``axes``, z first."""
    transform = told.get("transform")
    return transform if isinstance(transform, dict) and "axes" in transform else {}


def _voxel_size(told: Mapping[str, Any], axes: Sequence[str]) -> tuple[VoxelSize | None, tuple[str, ...]]:
    """Return the finest level's voxel size, from whichever of the dialects tells it."""
    spatial = [axis for axis in axes if axis in "xyz"]
    sizes, units = told.get("pixelResolution") or told.get("resolution"), told.get("units")
    transform: Mapping[str, Any] = {}
    if isinstance(sizes, dict):
        units = [sizes.get("unit")] * len(spatial)
        sizes = sizes.get("dimensions")
    if sizes is None:
        transform = _transform(told)
        sizes, units = transform.get("scale"), transform.get("units")
    if not isinstance(sizes, list) or not sizes:
        return None, ()
    names = transform.get("axes") or (axes if len(sizes) == len(axes) else spatial)
    given = units if isinstance(units, list) and len(units) == len(sizes) else [None] * len(sizes)
    try:
        lengths: LengthsByAxis = {
            str(axis): (float(size), unit if isinstance(unit, str) else None)
            for axis, size, unit in zip(names, sizes, given, strict=False)
            if str(axis) in ("x", "y", "z")
        }
        return voxel_size(lengths, default_unit=_DEFAULT_UNIT)
    except (InvalidInput, TypeError, ValueError) as error:
        return None, (f"the resolution in {ATTRIBUTES_FILE} cannot be used: {error}",)
