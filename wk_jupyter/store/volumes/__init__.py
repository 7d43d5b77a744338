"""Stored formats, one file each, behind the protocol of ``base``.

A format is added by one file and one line in ``_FORMATS``, or by a package of its own that names a
function ``(path, layer, mag) -> Volume`` under the entry point group ``wk_jupyter.volumes``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from pathlib import Path, PurePosixPath
from typing import Any, Final

from wk_jupyter.datasource import LayerSource, MagSource
from wk_jupyter.errors import CorruptData, UnsupportedFormat
from wk_jupyter.store.volumes.base import Volume
from wk_jupyter.store.volumes.casting import in_type_of

ENTRY_POINTS: Final = "wk_jupyter.volumes"
# Modules are imported when a format is first met.
_FORMATS: Final[dict[str, str]] = {
    "wkw": "wk_jupyter.store.volumes.wkw:open_wkw",
    "zarr": "wk_jupyter.store.volumes.zarr:open_zarr",
    "zarr3": "wk_jupyter.store.volumes.zarr:open_zarr",
    "n5": "wk_jupyter.store.volumes.n5:open_n5",
    "neuroglancerPrecomputed": "wk_jupyter.store.volumes.precomputed:open_precomputed",
}


def open_volume(root: Path, layer: LayerSource, mag: MagSource, *, roots: Sequence[Path] = ()) -> Volume:
    """Open one mag of a layer of the dataset in the folder ``root``. Blocks on the disk.

    ``roots`` are folders that absolute paths may point into. Voxels come in the layer's type: where
    they are stored in another size of integer or float, values are cast, and one that would change
    raises CorruptData. Raises CorruptData or UnsupportedFormat, naming the file.
    """
    path = resolve_mag_path(root, layer, mag, roots)
    volume: Volume = _opener(layer.data_format, path)(path, layer, mag)
    return in_type_of(volume, layer)


def _opener(data_format: str, path: Path) -> Callable[[Path, LayerSource, MagSource], Any]:
    target = _FORMATS.get(data_format)
    if target is None:
        for point in entry_points(group=ENTRY_POINTS):
            if point.name == data_format:
                loaded: Callable[[Path, LayerSource, MagSource], Any] = point.load()
                return loaded
        raise UnsupportedFormat(
            f"no reader is installed for the format {data_format!r} of {path}.",
            hint=f"A package can bring one under the entry point group {ENTRY_POINTS!r}.",
        )
    module, _, function = target.partition(":")
    opener: Callable[[Path, LayerSource, MagSource], Any] = getattr(importlib.import_module(module), function)
    return opener


def resolve_mag_path(root: Path, layer: LayerSource, mag: MagSource, roots: Sequence[Path] = ()) -> Path:
    """Return the folder of a mag. What the JSON says is not trusted, links on disk are.

    A path is relative to the dataset and never leaves it by ``..``; absolute ones must lie below one
    of ``roots``. Whoever could place a link on disk could have placed the data there as well.
    """
    if mag.path is None:
        plain = root / layer.name / mag.mag.name
        return plain if plain.exists() else root / layer.name / mag.mag.long_name
    text = mag.path
    if "://" in text:
        raise UnsupportedFormat(
            f"mag {mag.mag} of layer {layer.name!r} lies at a remote address, which is not read yet.",
            hint="Copy the data into the dataset's folder.",
        )
    path = PurePosixPath(text)
    if "\0" in text or ".." in path.parts:
        raise CorruptData(
            f"the path {text!r} of mag {mag.mag} of layer {layer.name!r} leaves the dataset's folder.",
            path=str(root),
            hint="Use a path inside of it, or a symbolic link.",
        )
    if not path.is_absolute():
        return root / path
    if not any(Path(path).is_relative_to(allowed) for allowed in roots):
        raise CorruptData(
            f"the path {text!r} of mag {mag.mag} of layer {layer.name!r} is absolute, which is not allowed.",
            path=str(root),
            hint="Use a path relative to the dataset's folder, or a symbolic link in it.",
        )
    return Path(path)
