"""Cutting a box into pieces whose voxels follow one another in the box's own order."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from wk_jupyter.geometry import BoundingBox, Vec3Int

if TYPE_CHECKING:
    from collections.abc import Iterator


def pieces(box: BoundingBox, *, voxel_bytes: int, limit: int, align: Vec3Int) -> Iterator[BoundingBox]:
    """Yield parts of ``box``, each of at most ``limit`` bytes, in the order of x fastest and z slowest.

    Slabs in z where they fit, else strips of a plane, else parts of a row. Where a part is longer than
    ``align``, it ends at a multiple of it, so that a stored chunk is read once.
    """
    axis = 2
    while axis > 0 and math.prod(box.size[:axis]) * voxel_bytes > limit:
        axis -= 1
    longest = max(limit // (math.prod(box.size[:axis]) * voxel_bytes), 1)
    for corner in _outer_steps(box, axis):
        start = box.topleft[axis]
        stop = box.bottomright[axis]
        while start < stop:
            end = _end(start, min(start + longest, stop), stop, align[axis])
            size = [*box.size[:axis], end - start, *(1 for _ in range(2 - axis))]
            yield BoundingBox([*corner[:axis], start, *corner[axis + 1 :]], size)
            start = end


def _outer_steps(box: BoundingBox, axis: int) -> Iterator[tuple[int, int, int]]:
    """The first voxels of the planes or rows that are cut along ``axis``."""
    x, y, z = box.topleft
    for outer_z in range(z, box.bottomright.z) if axis < 2 else (z,):
        for outer_y in range(y, box.bottomright.y) if axis < 1 else (y,):
            yield x, outer_y, outer_z


def _end(start: int, end: int, stop: int, align: int) -> int:
    if end == stop:
        return end
    aligned = end - end % align
    return aligned if aligned > start else end
