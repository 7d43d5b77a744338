"""N5: single arrays, and the multiscale dialects of BigDataViewer, n5-viewer and Janelia's COSEM."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from wk_jupyter.datasource import MagSource
from wk_jupyter.errors import InvalidInput
from wk_jupyter.geometry import Mag, VoxelSize
from wk_jupyter.store.explore.category import guess_category
from wk_jupyter.store.explore.exploration import FoundLayers, join_paths, layer_name
from wk_jupyter.store.explore.zarr_array import array_layer, shape_and_dtype
from wk_jupyter.store.volumes.metadata_files import load_metadata

_SCALE: Final = re.compile(r"s([0-9]{1,3})")
_DEFAULT_UNIT: Final = "micrometer"


def find_layers(folder: Path) -> FoundLayers | None:
    """Recognise an array (its attributes.json has dimensions) or a group of arrays s0, s1, …"""
    attributes = _attributes(folder)
    if "dimensions" in attributes:
        return _array(folder, {Mag(1): "."}, attributes)
    scales = sorted(
        (int(matched[1]), child.name)
        for child in folder.iterdir()
        if (matched := _SCALE.fullmatch(child.name)) and "dimensions" in _attributes(child)
    )
    if not scales:
        return None
    finest = _attributes(folder / scales[0][1])
    paths: dict[Mag, str] = {}
    for number, name in scales:
        paths.setdefault(_mag(folder / name, attributes, finest, number), join_paths(name))
    return _array(folder, paths, {**finest, **attributes})


def _attributes(folder: Path) -> dict[str, Any]:
    file = folder / "attributes.json"
    return load_metadata(file) if file.is_file() else {}


def _mag(folder: Path, group: dict[str, Any], finest: dict[str, Any], number: int) -> Mag:
    """The factors as they are written, else the ratio of the dimensions."""
    own = _attributes(folder)
    listed = group.get("scales") or group.get("downsamplingFactors")
    factors = own.get("downsamplingFactors")
    if factors is None and isinstance(listed, list) and number < len(listed):
        factors = listed[number]
    if not isinstance(factors, list):
        factors = [
            max(1, round(a / b)) if isinstance(b, int) and b > 0 else 1
            for a, b in zip(finest["dimensions"], own["dimensions"], strict=False)
        ]
    return Mag(([*factors[:3], 1, 1, 1])[:3])


def _array(folder: Path, paths: dict[Mag, str], attributes: dict[str, Any]) -> FoundLayers:
    finest = folder / paths[min(paths)]
    shape, dtype = shape_and_dtype(finest, "n5")
    axes = _axes(attributes.get("axes"), shape)
    layer = array_layer(layer_name(folder.name), "n5", shape, dtype, axes)
    order = layer.mags[0].axis_order
    layer = replace(layer, mags=tuple(MagSource(mag, paths[mag], order) for mag in sorted(paths)))
    layer = replace(layer, category=guess_category(folder, layer))
    size, notices = _voxel_size(attributes, axes)
    return FoundLayers((layer,), size, notices)


def _axes(told: Any, shape: tuple[int, ...]) -> list[str]:
    """N5 counts x first. A short first dimension of four is taken for channels, as WEBKNOSSOS writes them."""
    rank = len(shape)
    if isinstance(told, list) and len(told) == rank:
        names = [str(name).lower() for name in told]
        if len(set(names)) == rank and set(names) & set("xyz"):
            return names
    if rank == 3 and shape[0] in (3, 4) and min(shape[1:]) > 4:
        return ["c", "x", "y"]
    if rank == 4:
        return ["c", "x", "y", "z"] if shape[0] <= min(shape[1:]) else ["x", "y", "z", "c"]
    return list("xyz")[:rank] if rank <= 3 else ["x", "y", "z", "c", *(f"axis{n}" for n in range(4, rank))]


def _voxel_size(attributes: dict[str, Any], axes: list[str]) -> tuple[VoxelSize | None, tuple[str, ...]]:
    resolution = attributes.get("pixelResolution") or attributes.get("resolution")
    units = attributes.get("units")
    if isinstance(resolution, dict):
        units, resolution = [resolution.get("unit")], resolution.get("dimensions")
    if not isinstance(resolution, list) or not resolution:
        return None, ()
    named = dict(zip((axis for axis in axes if axis != "c"), resolution, strict=False))
    notices: tuple[str, ...] = ()
    unit = next((u for u in units if isinstance(u, str)), None) if isinstance(units, list) else None
    if unit is None:
        unit, notices = (
            _DEFAULT_UNIT,
            ("no unit of length is told: micrometers are assumed, as N5 tools do.",),
        )
    try:
        x, y, z = (float(named.get(axis, named.get("x", 1))) for axis in "xyz")
        return VoxelSize((x, y, z), unit), notices
    except (InvalidInput, TypeError, ValueError) as error:
        return None, (f"the resolution of the N5 metadata cannot be used: {error}",)
