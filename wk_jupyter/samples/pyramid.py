"""Coarser mags of a block of voxels: means of grey values, the commonest of ids."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def mean(voxels: NDArray[np.uint8], factor: tuple[int, int, int]) -> NDArray[np.uint8]:
    """The rounded mean of each ``factor`` voxels of (x, y, z), whose shape ``factor`` divides."""
    parts = _corners(voxels, factor)
    total = np.zeros(parts[0].shape, np.uint16)
    for part in parts:
        total += part
    averages: NDArray[np.uint8] = ((total + len(parts) // 2) // len(parts)).astype(np.uint8)
    return averages


def mode(ids: NDArray[Any], factor: tuple[int, int, int]) -> NDArray[Any]:
    """The commonest id of each ``factor`` voxels of (x, y, z); of equals the one that comes first."""
    parts = _corners(ids, factor)
    commonest = parts[0].copy()
    most = np.zeros(commonest.shape, np.uint8)
    for candidate in parts[:-1]:
        votes = np.zeros(commonest.shape, np.uint8)
        for part in parts:
            votes += part == candidate
        better = votes > most
        commonest[better] = candidate[better]
        most[better] = votes[better]
    return commonest


def _corners(voxels: NDArray[Any], factor: tuple[int, int, int]) -> list[NDArray[Any]]:
    """For each voxel of the ``factor``, the array of those in that place."""
    fx, fy, fz = factor
    return [voxels[x::fx, y::fy, z::fz] for x, y, z in product(range(fx), range(fy), range(fz))]
