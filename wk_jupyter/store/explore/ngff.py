"""OME-NGFF multiscales in Zarr v2 and v3: one layer a channel, and one for each image below ``labels``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from wk_jupyter.datasource import LayerSource, MagSource
from wk_jupyter.errors import CorruptData, InvalidInput, UnsupportedFormat, WkError
from wk_jupyter.geometry import VoxelSize
from wk_jupyter.properties_document import DataFormat
from wk_jupyter.store.explore.category import with_category
from wk_jupyter.store.explore.layers import (
    FoundLayers,
    array_layer,
    join_paths,
    layer_name,
    mags_by_ratio,
    on_common_grid,
    split_channels,
)
from wk_jupyter.store.explore.ngff_metadata import (
    Multiscale,
    channel_views,
    group_attributes,
    parse_multiscale,
)
from wk_jupyter.store.explore.units import voxel_size
from wk_jupyter.store.volumes.zarr_metadata import ZarrArray, read_array

LOOKS_FOR: Final = "OME-NGFF images (a Zarr group with multiscales)"
_DEFAULT_UNIT: Final = "micrometer"  # as microscopes write them


@dataclass(frozen=True)
class _Level:
    """A level whose array is there; ``scale`` and ``translation`` are by axis, empty where not told."""

    path: str
    array: ZarrArray
    scale: Mapping[str, float]
    translation: Mapping[str, float]


def find_layers(folder: Path) -> FoundLayers | None:
    """Recognise a group with multiscales, and its labels.

    Raises UnsupportedFormat for a version that is not known and for plates, CorruptData for metadata or
    arrays that cannot be used.
    """
    attributes = group_attributes(folder)
    if attributes is None:
        return None
    for kind in ("plate", "well"):
        if kind in attributes:
            raise UnsupportedFormat(
                f"{folder} is a {kind} of many images.", hint="Open one of the images in it."
            )
    if "multiscales" not in attributes:
        return None
    image = _image(folder, attributes)
    parts = [image, *_labels(folder, image.voxel_size)]
    notices = tuple(notice for part in parts for notice in part.notices)
    placed, size, uneven = on_common_grid(parts)
    layers = tuple(layer for part in placed for layer in part.layers)
    return FoundLayers(layers, size if image.voxel_size else None, notices + uneven)


def _image(folder: Path, attributes: Mapping[str, Any]) -> FoundLayers:
    multiscale = parse_multiscale(attributes, str(folder))
    notices: list[str] = []
    if len(attributes["multiscales"]) > 1:
        notices.append(f"{folder.name} has several multiscales; the first is taken.")
    levels, axes = _levels(folder, multiscale, notices)
    finest = levels[0]
    data_format: DataFormat = "zarr3" if finest.array.version == 3 else "zarr"
    layer = array_layer(layer_name(folder.name), data_format, finest.array.shape, finest.array.dtype, axes)
    mags, mag_notices = mags_by_ratio((level.path, _ratio(level, finest, axes)) for level in levels)
    order = layer.mags[0].axis_order
    layer = replace(
        layer,
        mags=tuple(MagSource(mag, join_paths(path), order) for mag, path in mags),
        coordinate_transformations=_moved(finest),
    )
    if finest.translation and any(finest.translation.values()):
        notices.append(f"{folder.name} is shifted by its metadata; that is kept as a transformation.")
    layers, left_out = split_channels(layer, *channel_views(attributes.get("omero")))
    size, size_notices = _voxel_size(multiscale, axes, finest)
    return FoundLayers(
        tuple(_categorised(folder, one, attributes) for one in layers),
        size,
        (*notices, *mag_notices, *left_out, *size_notices),
    )


def _categorised(folder: Path, layer: LayerSource, attributes: Mapping[str, Any]) -> LayerSource:
    """Return the layer with the category that the metadata tells, or its name or voxels."""
    if "image-label" in attributes:
        return _as_segmentation(layer)
    # Colours and windows are for images, whatever the folder is called.
    return layer if "omero" in attributes else with_category(folder, layer)


def _levels(folder: Path, multiscale: Multiscale, notices: list[str]) -> tuple[list[_Level], tuple[str, ...]]:
    """Read the arrays of the levels, finest first. Coarser ones that cannot be used are left out."""
    arrays: dict[str, ZarrArray] = {}
    for level in multiscale.levels:
        try:
            arrays[level.path] = read_array(folder / join_paths(level.path))
        except WkError as error:
            if level is multiscale.levels[0]:
                raise
            notices.append(f"the level {level.path} is left out: {error.message}")
    first = arrays[multiscale.levels[0].path]
    try:
        axes = multiscale.axes_for(len(first.shape))
    except ValueError as error:
        raise CorruptData(f"{folder}: {error}.", path=str(folder)) from None
    found = [
        _Level(
            level.path,
            arrays[level.path],
            dict(zip(axes, level.scale or (), strict=False)),
            dict(zip(axes, level.translation or (), strict=False)),
        )
        for level in multiscale.levels
        if level.path in arrays and len(arrays[level.path].shape) == len(axes)
    ]
    if all(level.scale == found[0].scale for level in found):  # told for the pyramid as a whole
        found = [found[0], *(replace(level, scale={}) for level in found[1:])]
    return found, axes


def _ratio(level: _Level, finest: _Level, axes: Sequence[str]) -> list[float]:
    """How much coarser a level is along x, y, z: by the scales, else by the shapes."""
    if level.scale and finest.scale:
        return [level.scale[axis] / finest.scale[axis] if axis in level.scale else 1.0 for axis in "xyz"]
    sizes = dict(zip(axes, zip(finest.array.shape, level.array.shape, strict=True), strict=True))
    return [sizes[axis][0] / max(1, sizes[axis][1]) if axis in sizes else 1.0 for axis in "xyz"]


def _moved(finest: _Level) -> tuple[Mapping[str, Any], ...]:
    """Return the translation as WEBKNOSSOS has it: an affine matrix in voxels of mag 1."""
    if not any(finest.translation.get(axis) for axis in "xyz"):
        return ()
    matrix = [[float(row == column) for column in range(4)] for row in range(4)]
    for row, axis in enumerate("xyz"):
        matrix[row][3] = finest.translation.get(axis, 0.0) / finest.scale.get(axis, 1.0)
    return ({"type": "affine", "matrix": matrix},)


def _voxel_size(
    multiscale: Multiscale, axes: Sequence[str], finest: _Level
) -> tuple[VoxelSize | None, tuple[str, ...]]:
    units = dict(zip(axes, multiscale.units, strict=False))
    lengths = {axis: (finest.scale[axis], units.get(axis)) for axis in "xyz" if axis in finest.scale}
    try:
        return voxel_size(lengths, default_unit=_DEFAULT_UNIT)
    except InvalidInput as error:
        return None, (f"the voxel size in the metadata cannot be used: {error.message}",)


def _labels(folder: Path, size: VoxelSize | None) -> list[FoundLayers]:
    """Images below ``labels`` are segmentations. A size that they lack is their image's."""
    names = (group_attributes(folder / "labels") or {}).get("labels")
    found = []
    for name in names if isinstance(names, list) else []:
        below = folder / "labels" / str(name)
        if not isinstance(name, str) or ".." in name.split("/") or not below.is_dir():
            found.append(FoundLayers((), size, (f"the labels {str(name)[:80]!r} are not there.",)))
            continue
        try:
            part = _image(below, group_attributes(below) or {})
        except WkError as error:
            found.append(FoundLayers((), size, (f"the labels {name} are left out: {error.message}",)))
            continue
        moved = part.moved_below(f"labels/{name}")
        layers = tuple(_as_segmentation(layer) for layer in moved.layers)
        found.append(replace(moved, layers=layers, voxel_size=part.voxel_size or size))
    return found


def _as_segmentation(layer: LayerSource) -> LayerSource:
    is_integer = layer.dtype.kind in "ui" and layer.num_channels == 1
    return replace(layer, category="segmentation" if is_integer else "color")
