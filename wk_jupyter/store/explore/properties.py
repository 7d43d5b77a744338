"""A folder in a dataset's folder that is a dataset itself: its layers are taken as they are described."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from wk_jupyter.datasource import LayerSource, read_properties
from wk_jupyter.properties_document import PROPERTIES_FILE
from wk_jupyter.store.explore.layers import FoundLayers, join_paths

LOOKS_FOR: Final = f"a dataset ({PROPERTIES_FILE})"


def find_layers(folder: Path) -> FoundLayers | None:
    """Recognise a folder by its properties file. Raises InvalidDataSource."""
    if not (folder / PROPERTIES_FILE).is_file():
        return None
    source = read_properties(folder)
    layers = tuple(_with_paths(layer, folder) for layer in source.layers)
    return FoundLayers(layers, source.voxel_size, are_named=True)


def _with_paths(layer: LayerSource, folder: Path) -> LayerSource:
    """Write down the paths that are left out, as they hold for this folder alone."""
    mags = []
    for mag in layer.mags:
        name = mag.mag.name if (folder / layer.name / mag.mag.name).exists() else mag.mag.long_name
        mags.append(mag if mag.path is not None else replace(mag, path=join_paths(layer.name, name)))
    return replace(layer, mags=tuple(mags))
