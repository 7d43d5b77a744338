"""What can be told of a layer from some of its voxels: its histogram, and where there is anything."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from wk_jupyter.geometry import BoundingBox, Vec3Int

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from wk_jupyter.geometry import Mag
    from wk_jupyter.store.bricks import LayerReader

CUBE_EDGE: Final = 32
BINS: Final = 256
_HISTOGRAM_CUBES_PER_AXIS: Final = 5
_SEARCH_CUBES_PER_AXIS: Final = (2, 4, 8, 16)
_READS_AT_ONCE: Final = 16


@dataclass(frozen=True)
class ChannelHistogram:
    """Counts of the sampled voxels that are not 0, in equal bins from ``low`` to ``high``."""

    count: int
    low: float
    high: float
    bins: list[int]


async def histogram(reader: LayerReader) -> list[ChannelHistogram]:
    """One histogram a channel, from at most 125 cubes of 32³ voxels of the finest mag.

    Eight-bit voxels have a bin for each value; others from the least to the largest value found.
    """
    mag = min(reader.mags)
    box = reader.layer.bounding_box.in_mag(mag)
    cubes = list(_cubes(box, _HISTOGRAM_CUBES_PER_AXIS))
    arrays: list[NDArray[Any]] = []
    for start in range(0, len(cubes), _READS_AT_ONCE):
        arrays += await asyncio.gather(
            *(reader.read(mag, cube.intersection(box)) for cube in cubes[start : start + _READS_AT_ONCE])
        )
    return await asyncio.to_thread(_histograms, arrays)


def _histograms(arrays: Sequence[NDArray[Any]]) -> list[ChannelHistogram]:
    channels = len(arrays[0]) if arrays else 0
    return [
        _histogram(np.concatenate([array[channel].ravel() for array in arrays]))
        for channel in range(channels)
    ]


def _histogram(values: NDArray[Any]) -> ChannelHistogram:
    values = values[np.isfinite(values) & (values != 0)]
    if values.dtype.itemsize == 1:
        info = np.iinfo(values.dtype)
        bins = np.bincount(values.astype(np.int64) - info.min, minlength=BINS)
        return ChannelHistogram(values.size, float(info.min), float(info.max), bins.tolist())
    if values.size == 0:
        return ChannelHistogram(0, 0.0, 0.0, [0] * BINS)
    low, high = float(values.min()), float(values.max())
    bins, _ = np.histogram(values, bins=BINS, range=(low, high) if high > low else (low - 0.5, low + 0.5))
    return ChannelHistogram(values.size, low, high, bins.tolist())


async def find_data(reader: LayerReader) -> tuple[Vec3Int, Mag] | None:
    """Return a mag-1 position whose voxel is not 0 and the mag in which it was seen, or None.

    Looks at cubes on ever finer grids, at most 16³ a mag, finest mag first. What lies between them is
    seen in the coarser mags, if at all.
    """
    for mag in sorted(reader.mags):
        box = reader.layer.bounding_box.in_mag(mag)
        seen: set[BoundingBox] = set()
        for per_axis in _SEARCH_CUBES_PER_AXIS:
            cubes = [cube for cube in _cubes(box, per_axis) if cube not in seen]
            seen.update(cubes)
            found = await _first_voxel(reader, mag, [cube.intersection(box) for cube in cubes])
            if found is not None:
                return found * mag.as_vec(), mag
    return None


async def _first_voxel(reader: LayerReader, mag: Mag, boxes: Sequence[BoundingBox]) -> Vec3Int | None:
    for start in range(0, len(boxes), _READS_AT_ONCE):
        part = boxes[start : start + _READS_AT_ONCE]
        arrays = await asyncio.gather(*(reader.read(mag, box) for box in part))
        for box, array in zip(part, arrays, strict=True):
            if array.any():
                x, y, z = np.argwhere(array.any(axis=0))[0]
                return box.topleft + Vec3Int(int(x), int(y), int(z))
    return None


def _cubes(box: BoundingBox, per_axis: int) -> Iterator[BoundingBox]:
    """Cubes of the grid of bricks, evenly spread over a box; all that touch it where these are few."""
    steps = [_spread(start, extent, per_axis) for start, extent in zip(box.topleft, box.size, strict=True)]
    for z in steps[2]:
        for y in steps[1]:
            for x in steps[0]:
                corner = Vec3Int(x * CUBE_EDGE, y * CUBE_EDGE, z * CUBE_EDGE)
                yield BoundingBox(corner, Vec3Int(CUBE_EDGE, CUBE_EDGE, CUBE_EDGE))


def _spread(start: int, extent: int, count: int) -> Sequence[int]:
    first, end = start // CUBE_EDGE, -(-(start + extent) // CUBE_EDGE)
    if end - first <= count:
        return range(first, end)
    return sorted({(start + (2 * i + 1) * extent // (2 * count)) // CUBE_EDGE for i in range(count)})
