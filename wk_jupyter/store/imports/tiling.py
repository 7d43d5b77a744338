"""Folders of tiles: sections, rows and columns that are numbered, as ``12/3/4.png``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from wk_jupyter.store.imports.gathering import Folder


@dataclass(frozen=True)
class Tiled:
    """Tiles in the order of sections, rows, columns. ``grid``: how many there are of each."""

    name: str
    paths: tuple[Path, ...]
    grid: tuple[int, int, int]


def tiled(folders: Sequence[Folder]) -> tuple[list[Tiled], list[Folder]]:
    """Return the whole grids of tiles among folders, and the folders that are part of none."""
    found: list[Tiled] = []
    rest: list[Folder] = []
    stacks: dict[PurePosixPath, list[Folder]] = {}
    for folder in folders:
        name = PurePosixPath(folder.name)
        numbers = [*name.parts[-2:], *(path.stem for path in folder.files)]
        is_row = len(name.parts) >= 2 and all(part.isdecimal() for part in numbers)
        stacks.setdefault(name.parents[1] if is_row else PurePosixPath("/"), []).append(folder)
    for stack, rows in stacks.items():
        whole = None if stack.is_absolute() else _whole(stack, rows)
        if whole is None:
            rest += rows
        else:
            found.append(whole)
    return found, rest


def _whole(stack: PurePosixPath, rows: Sequence[Folder]) -> Tiled | None:
    """Return tiles of which none is missing, and of which several make a section; else None."""
    tiles: dict[tuple[int, int, int], Path] = {}
    for folder in rows:
        section, row = map(int, PurePosixPath(folder.name).parts[-2:])
        tiles |= {(section, row, int(path.stem)): path for path in folder.files}
    grid = tuple(len({place[axis] for place in tiles}) for axis in range(3))
    count = sum(len(folder.files) for folder in rows)
    is_one_kind = len({path.suffix.lower() for path in tiles.values()}) == 1
    if not is_one_kind or grid[1] < 2 or len(tiles) != count or grid[0] * grid[1] * grid[2] != count:
        return None
    name = "" if stack == PurePosixPath() else str(stack)
    return Tiled(name, tuple(tiles[place] for place in sorted(tiles)), (grid[0], grid[1], grid[2]))
