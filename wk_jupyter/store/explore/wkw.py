"""WKW folders: a whole dataset, one layer, or one mag."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from wk_jupyter.datasource import LayerSource, MagSource, element_class_of
from wk_jupyter.errors import CorruptData
from wk_jupyter.geometry import BoundingBox, Mag, Vec3Int
from wk_jupyter.store.explore.category import guess_category
from wk_jupyter.store.explore.exploration import FoundLayers, join_paths, layer_name
from wk_jupyter.store.volumes.wkw_format import HEADER_FILE, WkwHeader, read_header

_MAG: Final = re.compile(r"[0-9]+(-[0-9]+-[0-9]+)?")
_CUBE: Final = re.compile(r"x([0-9]{1,9})\.wkw")


def find_layers(folder: Path) -> FoundLayers | None:
    """Recognise a mag (header.wkw lies in it), a layer (mags lie in it) or a dataset of layers."""
    if (folder / HEADER_FILE).is_file():
        is_mag = _MAG.fullmatch(folder.name) is not None
        return _found(folder, [_layer(folder, "color", {Mag(folder.name if is_mag else 1): "."})])
    mags = _mags(folder)
    if mags:
        return _found(folder, [_layer(folder, layer_name(folder.name), mags)])
    layers = []
    for child in sorted(
        child for child in folder.iterdir() if child.is_dir() and not child.name.startswith(".")
    ):
        below = {mag: join_paths(child.name, path) for mag, path in _mags(child).items()}
        if below:
            layers.append(_layer(folder, layer_name(child.name), below))
    return _found(folder, layers) if layers else None


def _mags(folder: Path) -> dict[Mag, str]:
    return {
        Mag(child.name): join_paths(child.name)
        for child in sorted(folder.iterdir())
        if _MAG.fullmatch(child.name) and child.name.strip("0-") and (child / HEADER_FILE).is_file()
    }


def _layer(root: Path, name: str, paths: dict[Mag, str]) -> LayerSource:
    headers = {mag: read_header(root / path) for mag, path in paths.items()}
    kinds = {(header.dtype, header.num_channels) for header in headers.values()}
    if len(kinds) > 1:
        raise CorruptData(f"the mags of {root / name} have different voxel types.", path=str(root / name))
    dtype, channels = kinds.pop()
    box = BoundingBox((0, 0, 0), (0, 0, 0))
    for mag, header in headers.items():
        box = box.union(_extent(root / paths[mag], header).from_mag(mag))
    if box.is_empty:
        raise CorruptData(f"the layer {name!r} in {root} has headers, but no cube files.", path=str(root))
    return LayerSource(
        name=name,
        category="color",
        bounding_box=box,
        element_class=element_class_of(dtype, channels),
        data_format="wkw",
        mags=tuple(MagSource(mag, paths[mag]) for mag in sorted(paths)),
        num_channels=channels,
    )


def _extent(folder: Path, header: WkwHeader) -> BoundingBox:
    """The box of all cube files, in voxels of the mag. Every folder is looked at: sparse data is common."""
    box = BoundingBox((0, 0, 0), (0, 0, 0))
    one = Vec3Int(1, 1, 1)
    for cube in _cubes(folder):
        box = box.union(BoundingBox(cube, one))
    return BoundingBox(box.topleft * header.cube_side, box.size * header.cube_side)


def _cubes(folder: Path) -> Iterator[Vec3Int]:
    for z, z_folder in _numbered(str(folder), "z"):
        for y, y_folder in _numbered(z_folder, "y"):
            for name in os.listdir(y_folder):  # noqa: PTH208 millions of names: no Path for each
                matched = _CUBE.fullmatch(name)
                if matched:
                    yield Vec3Int(int(matched[1]), y, z)


def _numbered(folder: str, letter: str) -> Iterator[tuple[int, str]]:
    for entry in os.scandir(folder):
        if (
            entry.name[:1] == letter
            and entry.name[1:].isdecimal()
            and len(entry.name) < 11
            and entry.is_dir()
        ):
            yield int(entry.name[1:]), entry.path


def _found(folder: Path, layers: list[LayerSource]) -> FoundLayers:
    return FoundLayers(tuple(replace(layer, category=guess_category(folder, layer)) for layer in layers))
