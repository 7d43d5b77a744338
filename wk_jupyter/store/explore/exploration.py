"""What a folder is taken for: the dialects are asked in turn, and folders of layers are put together."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, cast

from wk_jupyter.datasource import DataSource, read_properties
from wk_jupyter.errors import CorruptData, NotFound, UnsupportedFormat, WkError
from wk_jupyter.geometry import VoxelSize
from wk_jupyter.properties_document import PROPERTIES_FILE
from wk_jupyter.store.explore.layers import (
    FoundLayers,
    is_folder,
    on_common_grid,
    with_unique_names,
)

UNKNOWN_VOXEL_SIZE: Final = VoxelSize((1, 1, 1))
VOXEL_SIZE_NOTICE: Final = (
    "the voxel size is not told by the files: 1 × 1 × 1 nm is assumed. Set it before measuring."
)
_MAX_LAYERS: Final = 100
_MAX_CHILDREN: Final = 100
_MAX_DEPTH: Final = 3
# Asked in this order; the first that knows the folder takes it.
_DIALECTS: Final = ("properties", "ngff", "zarr_array", "n5", "precomputed", "wkw")


class Dialect(Protocol):
    """What a module of this package offers: ``LOOKS_FOR`` names its marks in a sentence."""

    LOOKS_FOR: str

    def find_layers(self, folder: Path) -> FoundLayers | None:
        """Return the layers in a folder, or None where it is of another kind.

        Raises WkError where it is of this kind and cannot be used: no other dialect is asked then, as it
        would see a part and take it for the whole.
        """
        ...


@dataclass(frozen=True)
class Exploration:
    """A proposed data source for a folder, and what a person should check (``notices``)."""

    data_source: DataSource
    notices: tuple[str, ...] = ()


def explore(folder: Path) -> Exploration:
    """Propose a data source for a folder, with or without a properties file.

    Paths of mags are relative to the folder. Raises NotFound where it is not there, UnsupportedFormat
    where nothing is recognised, InvalidDataSource or CorruptData where what is recognised is wrong; the
    file and the reason are named.
    """
    if not folder.is_dir():
        if folder.exists():
            raise UnsupportedFormat(f"{folder} is a file; a dataset is a folder.")
        raise NotFound(f"{folder} is not there.")
    if (folder / PROPERTIES_FILE).is_file():
        return Exploration(read_properties(folder))
    found = recognise(folder) or _layers_below(folder)
    notices = found.notices
    if found.voxel_size is None:
        notices = (*notices, VOXEL_SIZE_NOTICE)
    name = folder.absolute().name
    source = DataSource(name, found.voxel_size or UNKNOWN_VOXEL_SIZE, with_unique_names(found.layers))
    return Exploration(source, notices)


def recognise(folder: Path) -> FoundLayers | None:
    """Return what the first dialect that knows the folder makes of it. Raises WkError as that does."""
    for dialect in _dialects():
        found = _ask(dialect, folder)
        if found is not None:
            return found
    return None


def _ask(dialect: Dialect, folder: Path) -> FoundLayers | None:
    try:
        return dialect.find_layers(folder)
    except OSError as error:
        raise UnsupportedFormat(f"{error.filename or folder} cannot be read: {error.strerror}.") from None
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        if isinstance(error, WkError) and str(folder) in error.message:
            raise
        # Metadata of others has any shape: what doesn't fit is its fault, wherever it is noticed.
        reason = error.message if isinstance(error, WkError) else f"{type(error).__name__}: {error}"
        raise CorruptData(
            f"{folder} looks like {dialect.LOOKS_FOR}, but its metadata is not valid ({reason}).",
            path=str(folder),
        ) from None


def _dialects() -> Iterator[Dialect]:
    for name in _DIALECTS:
        yield cast("Dialect", importlib.import_module(f"wk_jupyter.store.explore.{name}"))


@dataclass
class _Walk:
    """What was met on the way through the folders of a dataset."""

    root: Path
    found: list[FoundLayers] = field(default_factory=list)
    refused: list[tuple[str, WkError]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def visit_below(self, folder: Path, depth: int) -> None:
        """Look at each folder in ``folder``, and into those that are of no kind themselves."""
        children = _children(folder)
        if len(children) > _MAX_CHILDREN:
            self.notices.append(f"{folder} has {len(children)} folders; {_MAX_CHILDREN} were looked at.")
        for child in children[:_MAX_CHILDREN]:
            name = child.relative_to(self.root).as_posix()
            try:
                part = recognise(child)
            except WkError as error:
                self.refused.append((name, error))
                continue
            if part is not None:
                self.found.append(part.moved_below(name))
            elif depth > 1 and len(self.found) < _MAX_LAYERS:
                self.visit_below(child, depth - 1)


def _layers_below(folder: Path) -> FoundLayers:
    """Each folder that is recognised by itself is a layer, or several. Raises UnsupportedFormat."""
    walk = _Walk(folder)
    walk.visit_below(folder, _MAX_DEPTH)
    if not walk.found:
        raise _nothing_found(folder, walk.refused)
    found, voxel_size, uneven = on_common_grid(walk.found)
    layers = [layer for part in found for layer in part.layers]
    notices = [*walk.notices, *(notice for part in found for notice in part.notices), *uneven]
    notices += [f"{name} is left out: {error.message}" for name, error in walk.refused]
    if len(layers) > _MAX_LAYERS:
        notices.append(f"only the first {_MAX_LAYERS} of {len(layers)} layers are taken.")
    return FoundLayers(tuple(layers[:_MAX_LAYERS]), voxel_size, tuple(notices))


def _children(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:  # knows folders without asking for each file
            names = [entry.name for entry in entries if entry.name[0] != "." and is_folder(entry)]
    except OSError:
        return []
    return [folder / name for name in sorted(names)]


def _nothing_found(folder: Path, refused: list[tuple[str, WkError]]) -> UnsupportedFormat:
    if refused:
        name, error = refused[0]
        more = f" So are {len(refused) - 1} others." if len(refused) > 1 else ""
        return UnsupportedFormat(
            f"no layer of {folder} can be read: {name} is refused, as {error.message}{more}", hint=error.hint
        )
    tried = "; ".join(dialect.LOOKS_FOR for dialect in _dialects())
    return UnsupportedFormat(
        f"{folder} holds nothing that is recognised. Looked for, here and in the folders below: {tried}.",
        hint="Image files and other formats are converted first.",
    )
