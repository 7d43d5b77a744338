"""Many files that make one image: tiles of equal size, row by row, section by section."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wk_jupyter.errors import InvalidInput
from wk_jupyter.store.readers.base import Hints, Image, ImageFile, Region


class TilesReader:
    """``hints``: ``grid`` has the number of sections, rows and columns; the others go to the sequence."""

    name = "tiles"
    suffixes: tuple[str, ...] = ()

    def recognises(self, path: Path, head: bytes) -> bool:  # noqa: ARG002 - no file by itself is one
        return False

    def open(self, paths: Sequence[Path], hints: Hints) -> _Tiles:
        from wk_jupyter.store.readers import reader_named  # noqa: PLC0415 - it lists this module

        sections, rows, columns = hints["grid"]
        if sections * rows * columns != len(paths):
            raise InvalidInput(f"{len(paths)} files are no grid of {sections} × {rows} × {columns} tiles.")
        own = {key: value for key, value in hints.items() if key != "grid"}
        return _Tiles(reader_named("sequence").open(paths, own), (sections, rows, columns))


READER = TilesReader()


class _Tiles:
    def __init__(self, tiles: ImageFile, grid: tuple[int, int, int]) -> None:
        self._tiles = tiles
        self.images: list[Image] = [_TiledImage(tiles.images[0], grid)]

    def close(self) -> None:
        self._tiles.close()


class _TiledImage:
    """``tiles``: all of them one after the other along z."""

    def __init__(self, tiles: Image, grid: tuple[int, int, int]) -> None:
        self._tiles = tiles
        self._rows, self._columns = grid[1:]
        self._tile = tiles.info.size
        size = self._tile._replace(z=grid[0], y=self._tile.y * grid[1], x=self._tile.x * grid[2])
        note = f"{grid[1]} × {grid[2]} files make a section (folders: section, row; files: column)."
        self.info = replace(tiles.info, size=size, notes=(*tiles.info.notes, note))

    def read(self, region: Region) -> NDArray[Any]:
        out = np.empty(region.shape, self.info.dtype)
        for z in range(*region.z):
            for row in _touched(region.y, self._tile.y):
                for column in _touched(region.x, self._tile.x):
                    self._paste(out[:, z - region.z[0]], region, (z, row, column))
        return out

    def _paste(self, out: NDArray[Any], region: Region, place: tuple[int, int, int]) -> None:
        """Put what a tile has of a region into one section (c, y, x) of it."""
        z, row, column = place
        number = (z * self._rows + row) * self._columns + column
        (y, into_y), (x, into_x) = _part(region.y, row, self._tile.y), _part(region.x, column, self._tile.x)
        out[:, into_y, into_x] = self._tiles.read(Region(region.t, region.c, (number, number + 1), y, x))[
            :, 0
        ]


def _touched(along: tuple[int, int], tile: int) -> range:
    return range(along[0] // tile, -(-along[1] // tile))


def _part(along: tuple[int, int], number: int, tile: int) -> tuple[tuple[int, int], slice]:
    """Return the range within a tile, and where it belongs in the region."""
    start, end = max(along[0], number * tile), min(along[1], (number + 1) * tile)
    return (start - number * tile, end - number * tile), slice(start - along[0], end - along[0])
