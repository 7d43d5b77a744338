"""Bricks of volumes that must be decoded by a library: neighbours are read together.

Such a volume decodes whole chunks. Two bricks in one chunk of 64³ would decode it twice, 27 bricks
around a corner of chunks of 100³ many times. So bricks are grouped into cells about as large as a
chunk, and the smallest box that holds a cell's bricks is read once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, Final

from numpy.typing import NDArray

from wk_jupyter.api.frames import BRICK_SIDE
from wk_jupyter.geometry import BoundingBox, Vec3Int
from wk_jupyter.store.volumes.base import BlockIndex

MAX_CELL_BYTES: Final = 4 * 1024**2


@dataclass
class Cell:
    """Bricks to be read together: their places in the request and their indices, all of them by the time
    that the box is asked for."""

    places: list[int] = field(default_factory=list)
    bricks: list[BlockIndex] = field(default_factory=list)

    @cached_property
    def box(self) -> BoundingBox:
        """The smallest box that holds them, in voxels."""
        axes = list(zip(*self.bricks, strict=True))
        first = Vec3Int.of([min(axis) for axis in axes])
        last = Vec3Int.of([max(axis) for axis in axes])
        return BoundingBox.from_corners(first * BRICK_SIDE, (last + 1) * BRICK_SIDE)

    def single(self) -> list[Cell]:
        """Cells of one brick each: where something in the box is damaged, they tell which bricks are not."""
        return [Cell([place], [brick]) for place, brick in zip(self.places, self.bricks, strict=True)]


def group(
    places: Sequence[int], bricks: Sequence[BlockIndex], chunk_shape: Vec3Int, brick_bytes: int
) -> list[Cell]:
    """Sort bricks into cells; ``places`` are carried along."""
    width, height, depth = _bricks_per_cell(chunk_shape, brick_bytes)
    cells: dict[BlockIndex, Cell] = {}
    for place, brick in zip(places, bricks, strict=True):
        x, y, z = brick
        cell = cells.setdefault((x // width, y // height, z // depth), Cell())
        cell.places.append(place)
        cell.bricks.append(brick)
    return list(cells.values())


def _bricks_per_cell(chunk_shape: Vec3Int, brick_bytes: int) -> list[int]:
    """As many as a chunk meets along each axis, and not more than may be held at once."""
    counts = [-(-length // BRICK_SIDE) for length in chunk_shape]
    while counts[0] * counts[1] * counts[2] * brick_bytes > MAX_CELL_BYTES and max(counts) > 1:
        longest = counts.index(max(counts))
        counts[longest] = -(-counts[longest] // 2)
    return counts


def cut(cell: Cell, voxels: NDArray[Any]) -> list[bytes]:
    """Return the raw bytes of each brick of a cell; ``voxels`` (c, x, y, z) are those of its box.

    A brick of zeros gives no bytes: such a volume does not tell zeros from what was never written.
    """
    left, top, front = cell.box.topleft
    little = voxels.dtype.newbyteorder("<")
    raws = []
    for bx, by, bz in cell.bricks:
        x, y, z = bx * BRICK_SIDE - left, by * BRICK_SIDE - top, bz * BRICK_SIDE - front
        part = voxels[:, x : x + BRICK_SIDE, y : y + BRICK_SIDE, z : z + BRICK_SIDE]
        raw = part.astype(little, copy=False).tobytes(order="F")
        raws.append(raw if raw != _zeros(len(raw)) else b"")  # the comparison ends at the first other byte
    return raws


@cache  # layers have few sizes of voxels
def _zeros(size: int) -> bytes:
    return bytes(size)
