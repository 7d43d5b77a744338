"""Layers that were found in a folder, and what is done with them: moved, named, split, lined up."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from wk_jupyter.datasource import AdditionalAxis, LayerSource, MagSource, element_class_of
from wk_jupyter.errors import CorruptData
from wk_jupyter.geometry import BoundingBox, Mag, Vec3Int, VoxelSize
from wk_jupyter.properties_document import DataFormat

_MAX_CHANNELS: Final = 64
_MISFIT: Final = 0.01  # how far from a whole number a ratio of voxel sizes may be


@dataclass(frozen=True)
class FoundLayers:
    """What a dialect made of a folder. Paths of mags are relative to that folder.

    ``are_named`` tells that the layers have names of their own, not the folder's.
    """

    layers: tuple[LayerSource, ...]
    voxel_size: VoxelSize | None = None
    notices: tuple[str, ...] = ()
    are_named: bool = False

    def moved_below(self, folder: str) -> FoundLayers:
        """Return the layers as they look from further up."""
        rename = len(self.layers) == 1 and not self.are_named
        moved = []
        for layer in self.layers:
            mags = tuple(replace(mag, path=join_paths(folder, mag.path or ".")) for mag in layer.mags)
            name = layer_name(folder.rsplit("/", 1)[-1]) if rename else layer.name
            moved.append(replace(layer, mags=mags, name=name))
        return replace(self, layers=tuple(moved))


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Tell whether an entry is a folder or a link to one; links that go in circles are none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def join_paths(*parts: str) -> str:
    """Join relative paths into the form ``./a/b``; ``.`` is the folder itself."""
    joined = [piece for part in parts for piece in part.split("/") if piece not in ("", ".")]
    return "./" + "/".join(joined) if joined else "."


def layer_name(text: str) -> str:
    """Make a layer's name of a folder's or a channel's: letters, digits and ``_ . -``, no leading dot."""
    name = text
    for ending in (".zarr", ".ome", ".n5"):
        name = name.removesuffix(ending)
    return re.sub(r"[^\w.\-]+", "_", name).strip("._")[:200] or "layer"


def with_unique_names(layers: Sequence[LayerSource]) -> tuple[LayerSource, ...]:
    """Number the names that occur again: ``color``, ``color_2``."""
    taken: set[str] = set()
    unique = []
    for layer in layers:
        name, number = layer.name, 2
        while name in taken:
            name, number = f"{layer.name}_{number}", number + 1
        taken.add(name)
        unique.append(replace(layer, name=name))
    return tuple(unique)


def array_layer(
    name: str, data_format: DataFormat, shape: Sequence[int], dtype: np.dtype[Any], axes: Sequence[str]
) -> LayerSource:
    """Make a layer of an array with these axes: one mag, at the path ``.``.

    Axes other than c, x, y, z become additional ones. Raises CorruptData where the array is empty.
    """
    if not shape or min(shape) < 1:
        raise CorruptData(f"the array {name!r} is empty: its shape is {tuple(shape)}.")
    dims = {axis: number for number, axis in enumerate(axes)}
    channels = shape[dims["c"]] if "c" in dims else 1
    return LayerSource(
        name=name,
        category="color",
        bounding_box=BoundingBox((0, 0, 0), [shape[dims[axis]] if axis in dims else 1 for axis in "xyz"]),
        element_class=element_class_of(dtype, channels),
        data_format=data_format,
        mags=(MagSource(Mag(1), ".", {axis: dims[axis] for axis in "cxyz" if axis in dims}),),
        num_channels=channels,
        additional_axes=tuple(
            AdditionalAxis(axis, 0, shape[dim], dim) for axis, dim in dims.items() if axis not in "cxyz"
        ),
    )


def split_channels(
    layer: LayerSource, views: Sequence[Mapping[str, Any]] = (), labels: Sequence[str] = ()
) -> tuple[tuple[LayerSource, ...], tuple[str, ...]]:
    """Make a layer of each channel, so that each has its own colour and range.

    Three channels of uint8 without ``views`` stay together: that is a picture in colour.
    Returns the layers and notices.
    """
    count = layer.num_channels
    if count == 1:
        return (replace(layer, default_view_configuration=views[0] if views else {}),), ()
    if layer.element_class == "uint24" and not views:
        return (layer,), ()
    notices: tuple[str, ...] = ()
    if count > _MAX_CHANNELS:
        notices = (f"only the first {_MAX_CHANNELS} of {count} channels of {layer.name} become layers.",)
    element = "uint8" if layer.element_class == "uint24" else layer.element_class
    layers = []
    for number in range(min(count, _MAX_CHANNELS)):
        label = labels[number] if number < len(labels) and labels[number].strip() else f"channel{number}"
        layers.append(
            replace(
                layer,
                name=f"{layer.name}_{layer_name(label)}",
                element_class=element,
                num_channels=1,
                mags=tuple(replace(mag, channel_index=number) for mag in layer.mags),
                default_view_configuration=views[number] if number < len(views) else {},
            )
        )
    return tuple(layers), notices


def mags_by_ratio(
    ratios: Iterable[tuple[str, Sequence[float]]],
) -> tuple[list[tuple[Mag, str]], tuple[str, ...]]:
    """Name levels, given as path and how much coarser each is along x, y, z, by rounded mags, each once.

    Returns them finest first, and notices for what was rounded much or left out.
    """
    found: dict[Mag, str] = {}
    notices = []
    for path, ratio in ratios:
        mag = Mag([max(1, round(number)) for number in ratio])
        if mag in found:
            notices.append(f"the level {path} is left out: it has the same mag {mag} as {found[mag]}.")
            continue
        if any(abs(number - whole) > 0.05 * whole for number, whole in zip(ratio, mag, strict=True)):
            told = " × ".join(f"{number:.3g}" for number in ratio)
            notices.append(f"the level {path} is {told} times coarser, which is taken as mag {mag}.")
        found[mag] = path
    return sorted(found.items(), key=lambda item: item[0]), tuple(notices)


def on_common_grid(
    parts: Sequence[FoundLayers],
) -> tuple[list[FoundLayers], VoxelSize | None, tuple[str, ...]]:
    """Bring layers of different voxel sizes onto the finest one's grid: mags and boxes are multiplied.

    Returns the parts, the common voxel size, and a notice for each part that does not line up.
    """
    sizes = [part.voxel_size for part in parts if part.voxel_size is not None]
    if len(set(sizes)) < 2:
        return list(parts), sizes[0] if sizes else None, ()
    finest = [min(axis) for axis in zip(*(size.nanometers for size in sizes), strict=True)]
    unit_nm = VoxelSize((1, 1, 1), sizes[0].unit).nanometers[0]
    x, y, z = (float(f"{number / unit_nm:.12g}") for number in finest)
    placed, notices = [], []
    for part in parts:
        factors = [a / b for a, b in zip((part.voxel_size or sizes[0]).nanometers, finest, strict=True)]
        whole = Vec3Int.of([round(factor) for factor in factors])
        if any(abs(a - b) > _MISFIT * b for a, b in zip(factors, whole, strict=True)):
            names = ", ".join(layer.name for layer in part.layers)
            notices.append(
                f"the voxels of {names} ({part.voxel_size}) are no multiple of the finest ones; its box and "
                f"mags are rounded."
            )
        placed.append(replace(part, layers=tuple(scaled(layer, whole) for layer in part.layers)))
    return placed, VoxelSize((x, y, z), sizes[0].unit), tuple(notices)


def scaled(layer: LayerSource, factor: Vec3Int) -> LayerSource:
    """Return the layer for voxels that are smaller by ``factor``: its mag 1 is no longer there."""
    if factor == (1, 1, 1):
        return layer
    box = layer.bounding_box
    return replace(
        layer,
        bounding_box=BoundingBox(box.topleft * factor, box.size * factor),
        mags=tuple(replace(mag, mag=Mag(mag.mag.as_vec() * factor)) for mag in layer.mags),
    )
