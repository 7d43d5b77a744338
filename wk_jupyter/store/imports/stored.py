"""A delivery in a stored format becomes a dataset as it is: arranged into layers, with a properties file."""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path
from typing import Final

from wk_jupyter.datasource import DataSource, write_properties
from wk_jupyter.errors import CorruptData, InvalidInput
from wk_jupyter.properties_document import PROPERTIES_FILE
from wk_jupyter.store.explore import explore
from wk_jupyter.store.explore.exploration import UNKNOWN_VOXEL_SIZE, VOXEL_SIZE_NOTICE, recognise
from wk_jupyter.store.explore.layers import FoundLayers
from wk_jupyter.store.imports.options import ImportOptions
from wk_jupyter.store.volumes import open_volume, resolve_mag_path

_PLAIN: Final = "color"


def arrange(folder: Path, options: ImportOptions, *, linked: bool = False) -> Path:
    """Make a folder of a stored format a dataset's, in place. Returns the folder, which may be another.

    A bare mag becomes ``color/1``, a bare layer ``color`` or what it is called. Without a properties file
    one is written. ``linked``: its links, which were checked, may lead out of it.
    Raises WkError where it cannot be used.
    """
    undo_half_wrapped(folder)
    if not (folder / PROPERTIES_FILE).is_file():
        found = recognise(folder)
        if found is not None:
            folder = _wrapped(folder, _places(folder, found))
    exploration = explore(folder)
    source = exploration.data_source
    voxel_size = options.voxels()
    if VOXEL_SIZE_NOTICE in exploration.notices and voxel_size is None:
        raise needs_voxel_size()
    if voxel_size is not None and (source.voxel_size == UNKNOWN_VOXEL_SIZE or options.voxel_size is not None):
        source = dataclasses.replace(source, voxel_size=voxel_size)
    require_own_files(folder, source, linked=linked)
    if not (folder / PROPERTIES_FILE).is_file() or source != exploration.data_source:
        write_properties(folder, source)
    return folder


def needs_voxel_size() -> InvalidInput:
    """Return the refusal of files that don't tell how large their voxels are."""
    return InvalidInput(
        "the files do not tell the size of a voxel.",
        hint="Give it as voxel_size=(x, y, z), in nanometers or with a unit.",
        missing="voxelSize",
    )


def _places(folder: Path, found: FoundLayers) -> Path:
    """Return where the content of a bare mag or layer belongs within a dataset."""
    layer = found.layers[0]
    is_mag = layer.data_format == "wkw" and any((mag.path or ".") == "." for mag in layer.mags)
    name = layer.name if layer.name != folder.name and len(found.layers) == 1 else _PLAIN
    return Path(name) / layer.mags[0].mag.name if is_mag else Path(name)


def _wrapped(folder: Path, place: Path) -> Path:
    """Move a folder's content down to ``place`` within a new folder of the same name."""
    aside = folder.with_name(_aside_name(folder))
    folder.rename(aside)
    target = folder / place
    target.parent.mkdir(parents=True)
    aside.rename(target)
    return folder


def undo_half_wrapped(folder: Path) -> None:
    """Begin anew where somebody was killed while moving the content down."""
    aside = folder.with_name(_aside_name(folder))
    if aside.exists():
        shutil.rmtree(folder, ignore_errors=True)  # no more than empty folders on the way down
        aside.rename(folder)


def _aside_name(folder: Path) -> str:
    return f".{folder.name}-wrapping"


def require_own_files(folder: Path, source: DataSource, *, linked: bool = False) -> None:
    """Mags lie in the dataset's folder and can be opened, and one of each layer is there. Raises WkError."""
    for layer in source.layers:
        there = 0
        for mag in layer.mags:
            path = resolve_mag_path(folder, layer, mag)
            if not linked and not os.path.realpath(path).startswith(os.path.realpath(folder) + os.sep):
                raise InvalidInput(
                    f"{PROPERTIES_FILE}: the mag {mag.mag} of {layer.name!r} leads out of the dataset.",
                    hint="Paths of mags are relative to the dataset's folder.",
                )
            if path.exists():
                open_volume(folder, layer, mag)  # which says what is wrong with it
                there += 1
        if not there:
            raise CorruptData(
                f"the layer {layer.name!r} is described, but none of its mags is there.", path=layer.name
            )
