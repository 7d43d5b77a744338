"""Stored formats, one file each, behind the protocol of ``base``.

A format is added by one file and one line in ``_FORMATS``, or by a package of its own that names a
function ``(path, layer, mag) -> Volume`` under the entry point group ``wk_jupyter.volumes``.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path, PurePosixPath
from typing import Final

from wk_jupyter.datasource import LayerSource, MagSource
from wk_jupyter.errors import CorruptData, UnsupportedFormat
from wk_jupyter.store.volumes.base import Volume

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

    ``roots`` are folders that absolute paths may point into. Raises CorruptData or UnsupportedFormat,
    naming the file.
    """
    path = resolve_mag_path(root, layer, mag, roots)
    target = _FORMATS.get(layer.data_format)
    if target is None:
        found = [
            point for point in entry_points(group="wk_jupyter.volumes") if point.name == layer.data_format
        ]
        if not found:
            raise UnsupportedFormat(f"no reader is installed for the format {layer.data_format!r} of {path}.")
        volume: Volume = found[0].load()(path, layer, mag)
        return volume
    module, _, function = target.partition(":")
    opened: Volume = getattr(importlib.import_module(module), function)(path, layer, mag)
    return opened


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
