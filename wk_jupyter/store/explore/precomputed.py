"""Neuroglancer precomputed volumes: a folder with a file ``info``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from wk_jupyter.datasource import ELEMENT_DTYPES, LayerSource, MagSource, element_class_of
from wk_jupyter.errors import CorruptData, UnsupportedFormat, WkError
from wk_jupyter.geometry import BoundingBox, Mag, VoxelSize
from wk_jupyter.store.explore.exploration import FoundLayers, join_paths, layer_name
from wk_jupyter.store.volumes.metadata_files import load_metadata


def find_layers(folder: Path) -> FoundLayers | None:
    """Recognise a volume by its ``info``. Raises CorruptData where that cannot be used."""
    file = folder / "info"
    if not file.is_file():
        return None
    info = load_metadata(file)
    if "scales" not in info:
        return None
    try:
        return _volume(folder, info)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        if isinstance(error, WkError):
            raise
        raise CorruptData(f"{file} is not valid ({type(error).__name__}: {error}).", path=str(file)) from None


def _volume(folder: Path, info: dict[str, Any]) -> FoundLayers:
    scales = sorted(info["scales"], key=lambda scale: scale["resolution"])
    finest = scales[0]
    resolution = finest["resolution"]
    mags: dict[Mag, str] = {}
    for scale in scales:
        if ".." in scale["key"].split("/"):
            raise CorruptData(f"{folder / 'info'} has a scale outside of its folder.", path=str(folder))
        ratio = [max(1, round(a / b)) for a, b in zip(scale["resolution"], resolution, strict=True)]
        mags.setdefault(Mag(ratio), join_paths(scale["key"]))
    dtype = str(info["data_type"]).lower()
    if dtype not in ELEMENT_DTYPES.values():
        raise UnsupportedFormat(f"{folder} has values of type {dtype}, which cannot be voxels.")
    channels = int(info.get("num_channels", 1))
    is_segmentation = info.get("type") == "segmentation" and channels == 1 and dtype[0] in "ui"
    layer = LayerSource(
        name=layer_name(folder.name),
        category="segmentation" if is_segmentation else "color",
        bounding_box=BoundingBox(finest.get("voxel_offset", [0, 0, 0]), finest["size"]),
        element_class=element_class_of(np.dtype(dtype), channels),
        data_format="neuroglancerPrecomputed",
        mags=tuple(MagSource(mag, mags[mag]) for mag in sorted(mags)),
        num_channels=channels,
    )
    x, y, z = (float(number) for number in resolution)
    return FoundLayers((layer,), VoxelSize((x, y, z)))
