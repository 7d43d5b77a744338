"""What a folder is taken for: the dialects are asked in turn, and folders of layers are put together."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from wk_jupyter.datasource import DataSource, LayerSource, read_properties
from wk_jupyter.errors import UnsupportedFormat, WkError
from wk_jupyter.geometry import VoxelSize
from wk_jupyter.properties_document import PROPERTIES_FILE

UNKNOWN_VOXEL_SIZE: Final = VoxelSize((1, 1, 1))
VOXEL_SIZE_NOTICE: Final = (
    "the voxel size is not told by the files: 1 × 1 × 1 nm is assumed. Set it before measuring."
)
_MAX_LAYERS: Final = 100
# Asked in this order; the first that knows the folder takes it.
_DIALECTS: Final = ("ngff", "wkw", "zarr_array", "n5", "precomputed")


@dataclass(frozen=True)
class Exploration:
    """A proposed data source for a folder, and what a person should check (``notices``)."""

    data_source: DataSource
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class FoundLayers:
    """What a dialect made of a folder. Paths of mags are relative to that folder."""

    layers: tuple[LayerSource, ...]
    voxel_size: VoxelSize | None = None
    notices: tuple[str, ...] = ()


Dialect = Callable[[Path], FoundLayers | None]


def explore(folder: Path) -> Exploration:
    """Propose a data source for a folder, with or without a properties file.

    Raises UnsupportedFormat where nothing is recognised, InvalidDataSource or CorruptData where what
    is recognised is wrong; both name the file and the reason.
    """
    if (folder / PROPERTIES_FILE).is_file():
        return Exploration(read_properties(folder))
    found = _recognise(folder) or _layers_below(folder)
    if found is None:
        raise UnsupportedFormat(
            f"{folder} holds nothing that is recognised: no {PROPERTIES_FILE}, and neither WKW, Zarr, N5 nor "
            "Neuroglancer precomputed data.",
            hint="A dataset is a folder with a folder for each layer; other formats are converted first.",
        )
    notices = found.notices
    if found.voxel_size is None:
        notices = (*notices, VOXEL_SIZE_NOTICE)
    source = DataSource(folder.name, found.voxel_size or UNKNOWN_VOXEL_SIZE, _with_unique_names(found.layers))
    return Exploration(source, notices)


def _recognise(folder: Path) -> FoundLayers | None:
    for name in _DIALECTS:
        dialect: Dialect = importlib.import_module(f"wk_jupyter.store.explore.{name}").find_layers
        found = dialect(folder)
        if found is not None:
            return found
    return None


def _layers_below(folder: Path) -> FoundLayers | None:
    """Each folder that is recognised by itself is a layer, or several."""
    layers: list[LayerSource] = []
    notices: list[str] = []
    sizes: list[VoxelSize] = []
    try:
        children = sorted(
            child for child in folder.iterdir() if child.is_dir() and not child.name.startswith(".")
        )
    except OSError as error:
        raise UnsupportedFormat(f"{folder} cannot be listed: {error.strerror}.") from None
    for child in children[:_MAX_LAYERS]:
        try:
            found = _recognise(child)
        except WkError as error:
            notices.append(f"{child.name} is left out: {error.message}")
            continue
        if found is None:
            continue
        layers += [moved_below(layer, child.name, rename=len(found.layers) == 1) for layer in found.layers]
        notices += found.notices
        sizes += [found.voxel_size] if found.voxel_size else []
    if not layers:
        return None
    if len(set(sizes)) > 1:
        notices.append(
            f"the layers have different voxel sizes ({', '.join(map(str, sizes))}); the first is used."
        )
    return FoundLayers(tuple(layers), sizes[0] if sizes else None, tuple(notices))


def moved_below(layer: LayerSource, folder: str, *, rename: bool) -> LayerSource:
    """Return the layer as it looks from one folder further up."""
    mags = tuple(replace(mag, path=join_paths(folder, mag.path or ".")) for mag in layer.mags)
    return replace(layer, mags=mags, name=layer_name(folder) if rename else layer.name)


def join_paths(*parts: str) -> str:
    """Join relative paths into the form ``./a/b``; ``.`` is the folder itself."""
    joined = [piece for part in parts for piece in part.split("/") if piece not in ("", ".")]
    return "./" + "/".join(joined) if joined else "."


def layer_name(text: str) -> str:
    """Make a layer's name of a folder's or a channel's: letters, digits and ``_ . -``, no leading dot."""
    name = re.sub(
        r"[^\w.\-]+", "_", text.removesuffix(".zarr").removesuffix(".ome").removesuffix(".n5")
    ).strip("._")
    return name[:200] or "layer"


def _with_unique_names(layers: Sequence[LayerSource]) -> tuple[LayerSource, ...]:
    taken: set[str] = set()
    unique = []
    for layer in layers:
        name, number = layer.name, 2
        while name in taken:
            name, number = f"{layer.name}_{number}", number + 1
        taken.add(name)
        unique.append(replace(layer, name=name))
    return tuple(unique)
