"""What is learned of a layer while its finest mag is written: range of values, largest id."""

from __future__ import annotations

from collections.abc import Iterable
from math import gcd
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

_LAYER_SAMPLES: Final = 2**18  # of a layer, spread over its tasks
_FEWEST, _MOST = 16, 4096  # of a task
_TAILS: Final = (0.1, 99.9)  # percent of the voxels that may be darker than black, or lighter than white


class Statistics(msgspec.Struct, frozen=True):
    """Of one task, or of several: ``largest`` is exact, ``samples`` are some of the values."""

    smallest: float
    largest: int | float
    samples: list[float]


def samples_of_task(tasks: int) -> int:
    """Return how many samples each of so many tasks takes: what is kept of a layer does not grow with it."""
    return min(_MOST, max(_FEWEST, _LAYER_SAMPLES // max(1, tasks)))


def statistics_of(voxels: NDArray[Any], samples: int) -> Statistics:
    """Return the statistics of voxels (c, z, y, x). NaN and infinite ones are not counted."""
    flat = voxels.reshape(-1)
    if flat.dtype.kind == "f":
        finite = flat[np.isfinite(flat)]
        if not finite.size:
            return Statistics(0.0, 0.0, [])
        flat = finite
    step = max(1, flat.size // samples)
    while gcd(step, voxels.shape[-1]) > 1:  # else the samples lie in a few columns
        step += 1
    low, high = flat.min(), flat.max()
    largest = float(high) if flat.dtype.kind == "f" else int(high)
    return Statistics(float(low), largest, [float(value) for value in flat[::step][:samples]])


def merged(parts: Iterable[Statistics]) -> Statistics:
    """Return the statistics of all tasks of a layer."""
    known = list(parts)
    samples = [value for part in known for value in part.samples]
    if not known:
        return Statistics(0.0, 0, [])
    return Statistics(min(part.smallest for part in known), max(part.largest for part in known), samples)


def intensity_range(found: Statistics, dtype: np.dtype[Any]) -> tuple[float, float] | None:
    """Return what to show as black and as white: nearly all of the values lie in between.

    None for uint8, whose whole range is the usual one, and where there is one value only.
    """
    if dtype == np.uint8 or not found.samples:
        return None
    low, high = (float(value) for value in np.percentile(np.asarray(found.samples), _TAILS))
    if not low < high:
        low, high = found.smallest, float(found.largest)
    if not low < high:
        return None
    return (low, high) if dtype.kind == "f" else (float(np.floor(low)), float(np.ceil(high)))
