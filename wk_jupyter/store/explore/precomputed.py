"""Neuroglancer precomputed volumes: a folder with a file ``info``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from wk_jupyter.datasource import LayerSource, MagSource, element_class_of
from wk_jupyter.errors import CorruptData
from wk_jupyter.geometry import VoxelSize
from wk_jupyter.store.explore.layers import (
    FoundLayers,
    join_paths,
    layer_name,
    mags_by_ratio,
    split_channels,
)
from wk_jupyter.store.volumes.metadata_files import load_metadata
from wk_jupyter.store.volumes.precomputed import INFO_FILE, read_info

LOOKS_FOR: Final = "Neuroglancer precomputed volumes (info)"


def find_layers(folder: Path) -> FoundLayers | None:
    """Recognise a volume by its ``info``; those of meshes and skeletons have no scales.

    Raises CorruptData or UnsupportedFormat where it cannot be used.
    """
    file = folder / INFO_FILE
    if not file.is_file() or "scales" not in load_metadata(file):
        return None
    volume = read_info(folder)
    scales = sorted(volume.scales, key=lambda scale: scale.resolution)
    finest = scales[0]
    if finest.box.is_empty:
        raise CorruptData(f"{file} describes an empty volume.", path=str(file))
    mags, notices = mags_by_ratio(
        (scale.key, [a / b for a, b in zip(scale.resolution, finest.resolution, strict=True)])
        for scale in scales
    )
    can_be_ids = volume.num_channels == 1 and volume.dtype.kind in "ui"
    layer = LayerSource(
        name=layer_name(folder.name),
        category="segmentation" if volume.kind == "segmentation" and can_be_ids else "color",
        bounding_box=finest.box,
        element_class=element_class_of(volume.dtype, volume.num_channels),
        data_format="neuroglancerPrecomputed",
        mags=tuple(MagSource(mag, join_paths(key)) for mag, key in mags),
        num_channels=volume.num_channels,
    )
    layers, left_out = split_channels(layer)
    return FoundLayers(layers, VoxelSize(finest.resolution), notices + left_out)
