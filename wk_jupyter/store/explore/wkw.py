"""WKW folders: one layer of mags, or one mag. A dataset of layers is a folder of these."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from wk_jupyter.datasource import LayerSource, MagSource, element_class_of
from wk_jupyter.errors import CorruptData
from wk_jupyter.geometry import BoundingBox, Mag
from wk_jupyter.store.explore.category import with_category
from wk_jupyter.store.explore.layers import FoundLayers, is_folder, join_paths, layer_name
from wk_jupyter.store.volumes.wkw import WkwVolume
from wk_jupyter.store.volumes.wkw_format import HEADER_FILE, WkwHeader, read_header

LOOKS_FOR: Final = "WKW (header.wkw, also in folders called 1, 2, 2-2-1)"
_MAG: Final = re.compile(r"[1-9][0-9]{0,8}(-[1-9][0-9]{0,8}-[1-9][0-9]{0,8})?")
_MAX_READ: Final = 2**26  # bytes of a coarse mag that are looked at
_CUBE: Final = re.compile(r"x([0-9]{1,9})\.wkw")


def find_layers(folder: Path) -> FoundLayers | None:
    """Recognise a mag (header.wkw lies in it) or a layer (mags lie in it). Raises CorruptData."""
    if (folder / HEADER_FILE).is_file():
        is_mag = _MAG.fullmatch(folder.name) is not None
        paths = {Mag(folder.name if is_mag else 1): "."}
        return _found(folder, "color" if is_mag else layer_name(folder.name), paths)
    paths = {
        Mag(child.name): join_paths(child.name)
        for child in sorted(folder.iterdir())
        if _MAG.fullmatch(child.name) and (child / HEADER_FILE).is_file()
    }
    return _found(folder, layer_name(folder.name), paths) if paths else None


def _found(folder: Path, name: str, paths: dict[Mag, str]) -> FoundLayers:
    headers = {mag: read_header(folder / paths[mag]) for mag in sorted(paths)}
    kinds = {(header.dtype, header.num_channels) for header in headers.values()}
    if len(kinds) > 1:
        raise CorruptData(f"the mags of {folder} have different voxel types.", path=str(folder))
    dtype, channels = kinds.pop()
    layer = LayerSource(
        name=name,
        category="color",
        bounding_box=_box(folder, paths, headers),
        element_class=element_class_of(dtype, channels),
        data_format="wkw",
        mags=tuple(MagSource(mag, paths[mag]) for mag in headers),
        num_channels=channels,
    )
    return FoundLayers((with_category(folder, layer),))


def _box(folder: Path, paths: dict[Mag, str], headers: dict[Mag, WkwHeader]) -> BoundingBox:
    """The box of the cube files of the finest mag that has any, and of the voxels of the coarsest.

    Cube files of coarse mags reach far out of what is in them; but where only parts of a dataset are
    there in fine mags, as in annotations, coarse ones tell where the rest is.
    """
    box = BoundingBox((0, 0, 0), (0, 0, 0))
    for mag, header in headers.items():
        box = _extent(folder / paths[mag], header).from_mag(mag)
        if not box.is_empty:
            break
    coarsest = max(headers)
    if len(headers) > 1:
        box = box.union(_nonzero(folder / paths[coarsest], headers[coarsest]).from_mag(coarsest))
    if box.is_empty:
        raise CorruptData(
            f"{folder} has {HEADER_FILE}, but no cube files.",
            path=str(folder),
            hint="Copy the folders z0, z1, … as well.",
        )
    return box


def _nonzero(folder: Path, header: WkwHeader) -> BoundingBox:
    """The smallest box round all voxels of a mag that are not 0; empty where it is too much to read."""
    extent = _extent(folder, header)
    if extent.is_empty or extent.volume * header.voxel_bytes > _MAX_READ:
        return BoundingBox((0, 0, 0), (0, 0, 0))
    volume = WkwVolume(folder)
    try:
        voxels = volume.read(extent)
    except CorruptData:  # told when it is read
        return BoundingBox((0, 0, 0), (0, 0, 0))
    finally:
        volume.close()
    found = [np.flatnonzero(voxels.any(axis=tuple({0, 1, 2, 3} - {axis}))) for axis in (1, 2, 3)]
    if not found[0].size:
        return BoundingBox((0, 0, 0), (0, 0, 0))
    first, last = [int(axis[0]) for axis in found], [int(axis[-1]) + 1 for axis in found]
    return BoundingBox.from_corners(extent.topleft + first, extent.topleft + last)


def _extent(folder: Path, header: WkwHeader) -> BoundingBox:
    """The box of all cube files, in voxels of the mag. Every folder is looked at: sparse data is common."""
    ranges: list[tuple[int, int]] = []
    for cube in _cubes(str(folder)):
        if not ranges:
            ranges = [(place, place) for place in cube]
        ranges = [(min(low, n), max(high, n)) for (low, high), n in zip(ranges, cube, strict=True)]
    if not ranges:
        return BoundingBox((0, 0, 0), (0, 0, 0))
    side = header.cube_side
    return BoundingBox([low * side for low, _ in ranges], [(high - low + 1) * side for low, high in ranges])


def _cubes(folder: str) -> Iterator[tuple[int, int, int]]:
    for z, z_folder in _numbered(folder, "z"):
        for y, y_folder in _numbered(z_folder, "y"):
            for name in os.listdir(y_folder):  # noqa: PTH208 millions of names: no Path for each
                matched = _CUBE.fullmatch(name)
                if matched:
                    yield int(matched[1]), y, z


def _numbered(folder: str, letter: str) -> Iterator[tuple[int, str]]:
    for entry in os.scandir(folder):
        digits = entry.name[1:]
        if entry.name[:1] == letter and re.fullmatch("[0-9]{1,9}", digits) and is_folder(entry):
            yield int(digits), entry.path
