"""Which files of a delivery belong together: sections of one image, single files, cubes, slices of a scan."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from wk_jupyter.errors import UnsupportedFormat
from wk_jupyter.store.imports.gathering import Folder, Gathered, suffix_reader
from wk_jupyter.store.imports.tiling import Tiled, tiled
from wk_jupyter.store.readers import reader_for, reader_named

SEQUENCE: Final = "sequence"
TILES: Final = "tiles"
_KNOSSOS: Final = "knossos"
_X_FOLDER: Final = re.compile(r"x\d{4,}")
_MAG_FOLDER: Final = re.compile(r"(mag)?[1-9]\d{0,4}", re.IGNORECASE)
_MANY_IMAGES: Final = frozenset({"dicom"})  # readers that put the files of a folder together themselves
_CHANNEL: Final = re.compile(r"(?<![A-Za-z])(?:channel|chan|ch)[ _-]?\d{1,3}(?!\d)", re.IGNORECASE)
_MAX_CHANNELS: Final = 20


@dataclass(frozen=True)
class Group:
    """Files that one reader opens together. ``name``: what its layer may be called; "" for the root."""

    reader: str
    paths: tuple[Path, ...]
    name: str
    hints: dict[str, Any] = field(default_factory=dict)


def groups(root: Path, gathered: Gathered, hints: dict[str, Any]) -> list[Group]:
    """Return the images of a delivery in order. Raises UnsupportedFormat naming the file.

    A folder whose first file is one section is a sequence of sections, one for each channel that names
    tell; else each of its files is an image of its own.
    """
    places: dict[Path, None] = {}
    others: list[Folder] = []
    for folder in gathered.folders:
        place = _cube_root(folder)
        if place is None:
            others.append(folder)
        else:
            places[place] = None
    cubes = [Group(_KNOSSOS, (place,), _cube_name(place, root), hints) for place in _finest(places)]
    grids, plain = tiled(others)
    sections = [group for grid in grids for group in _of_tiles(grid, hints)]
    return cubes + sections + [group for folder in plain for group in _in_folder(folder, hints)]


def _of_tiles(grid: Tiled, hints: dict[str, Any]) -> Iterator[Group]:
    """One image of all tiles, where a tile is one section of a picture; else each file is an image."""
    reader = _reader_of(grid.paths[0])
    if _is_section(reader, grid.paths[0], hints):
        yield Group(TILES, grid.paths, grid.name, {**hints, "reader": reader, "grid": list(grid.grid)})
    else:
        for path in grid.paths:
            name = "/".join((path.parent.parent.name, path.parent.name, _stem(path)))
            yield Group(reader, (path,), name, hints)


def _in_folder(folder: Folder, hints: dict[str, Any]) -> Iterator[Group]:
    by_reader: dict[str, list[Path]] = {}
    first_of: dict[str, str] = {}
    for path in folder.files:
        suffix = path.suffix.lower()
        if suffix not in first_of:  # the first of each kind is looked into; the others when they are opened
            first_of[suffix] = _reader_of(path)
        by_reader.setdefault(first_of[suffix], []).append(path)
    for reader, paths in by_reader.items():
        if len(paths) > 1 and reader in _MANY_IMAGES:
            yield Group(reader, tuple(paths), folder.name, hints)
        elif len(paths) > 1 and _is_section(reader, paths[0], hints):
            for channel, sections in _channels(paths).items():
                name = "/".join(filter(None, (folder.name, channel)))
                yield Group(SEQUENCE, tuple(sections), name, {**hints, "reader": reader})
        else:
            for path in paths:
                name = f"{folder.name}/{_stem(path)}" if folder.name else _stem(path)
                yield Group(reader, (path,), name, hints)


def _reader_of(path: Path) -> str:
    try:
        return reader_for(path).name
    except UnsupportedFormat:
        named = suffix_reader(path.name)
        if named is None:
            raise
        return named  # which says what is wrong with it


def _is_section(reader: str, path: Path, hints: dict[str, Any]) -> bool:
    opened = reader_named(reader).open([path], hints)
    try:
        return len(opened.images) == 1 and opened.images[0].info.size[0::2][:2] == (1, 1)
    finally:
        opened.close()


def _channels(paths: Sequence[Path]) -> dict[str, list[Path]]:
    """Return sections by the channel that their names tell, such as ``ch00``; of one channel: all by ""."""
    channels: dict[str, list[Path]] = {}
    for path in paths:
        told = _CHANNEL.search(path.stem)
        channels.setdefault(told[0] if told else "", []).append(path)
    is_told = "" not in channels and 1 < len(channels) <= _MAX_CHANNELS
    return channels if is_told else {"": list(paths)}


def _stem(path: Path) -> str:
    return re.sub(r"(\.ome)?\.(tiff?|btf)$|\.nii\.gz$|\.[^.]*$", "", path.name, flags=re.IGNORECASE)


def _cube_root(folder: Folder) -> Path | None:
    """Return the folder of x0000, x0001, … that a folder of cubes lies in; None: it is no such folder."""
    z, y, x = folder.path, folder.path.parent, folder.path.parent.parent
    if not _X_FOLDER.fullmatch(x.name) or y.name[:1] != "y" or z.name[:1] != "z":
        return None
    return x.parent if any(path.suffix.lower() == ".raw" for path in folder.files) else None


def _finest(places: Iterable[Path]) -> list[Path]:
    """Of mag folders that lie beside each other, the finest alone: coarser mags are made anew."""
    finest: dict[Path, Path] = {}
    for place in places:
        is_mag = _MAG_FOLDER.fullmatch(place.name) is not None
        key = place.parent if is_mag else place
        if key not in finest or _mag_number(place) < _mag_number(finest[key]):
            finest[key] = place
    return list(finest.values())


def _mag_number(place: Path) -> int:
    digits = re.sub(r"\D", "", place.name)
    return int(digits) if digits else 1


def _cube_name(place: Path, root: Path) -> str:
    layer = place.parent if _MAG_FOLDER.fullmatch(place.name) and place != root else place
    return layer.relative_to(root).as_posix().strip(".") if layer.is_relative_to(root) else ""
