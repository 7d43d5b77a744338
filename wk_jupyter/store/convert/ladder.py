"""Which mags a dataset gets: each step doubles those axes that bring the voxels closest to cubes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from wk_jupyter.geometry import BoundingBox, Mag, Vec3Int, VoxelSize

_OVERVIEW: Final = 100  # voxels along x or y that the coarsest mag has left, about
_LEAST_COARSEST: Final = 4


def mag_ladder(boxes: Iterable[BoundingBox], voxel_size: VoxelSize, max_mag: int | None = None) -> list[Mag]:
    """Return the mags from 1 to the coarsest that an overview of the largest layer needs.

    The rule is that of WEBKNOSSOS's own tools: of doubling all axes, or only those whose voxels are
    shortest, what leaves the ratio between the longest and the shortest side smaller; up to the power of
    two above max(x, y) / 100, at least 4. An axis that one voxel spans is not doubled.
    """
    size = Vec3Int(1, 1, 1)
    for box in boxes:
        size = size.pairmax(box.size)
    coarsest = max(2 ** math.ceil(math.log2(max(1, max(size.x, size.y) / _OVERVIEW))), _LEAST_COARSEST)
    if max_mag is not None:
        coarsest = min(coarsest, max_mag)
    mags = [Vec3Int(1, 1, 1)]
    while True:
        following = _next(mags[-1], size, voxel_size)
        if following == mags[-1] or max(following) > coarsest:
            return [Mag(mag) for mag in mags]
        mags.append(following)


def _next(mag: Vec3Int, size: Vec3Int, voxel_size: VoxelSize) -> Vec3Int:
    """Return the mag after one; the same where there is nothing left to make coarser."""
    lengths = [factor * step for factor, step in zip(voxel_size.nanometers, mag, strict=True)]
    may = [-(-extent // step) > 1 for extent, step in zip(size, mag, strict=True)]
    if not any(may):
        return mag
    shortest = min(length for length, ok in zip(lengths, may, strict=True) if ok)
    every = Vec3Int.of([step * (2 if ok else 1) for step, ok in zip(mag, may, strict=True)])
    fine = Vec3Int.of(
        [
            step * (2 if ok and length <= shortest * 1.0001 else 1)
            for step, length, ok in zip(mag, lengths, may, strict=True)
        ]
    )
    # Only the axes that grow are compared: how thick a single section is says nothing.
    ratios = [_ratio(voxel_size, option, may) for option in (every, fine)]
    return every if ratios[0] <= ratios[1] else fine


def _ratio(voxel_size: VoxelSize, mag: Vec3Int, may: list[bool]) -> float:
    lengths = [factor * step for factor, step, ok in zip(voxel_size.nanometers, mag, may, strict=True) if ok]
    return max(lengths) / min(lengths)
