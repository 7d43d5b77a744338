"""A mag from the next finer one: pairs of voxels along some axes become one.

Arrays are (c, z, y, x). Where a pair has one voxel only, at the border of the data, that one counts for
both: nothing from outside of the box bleeds in.
"""

from __future__ import annotations

from itertools import product
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

Method = Literal["mean", "median", "mode"]
_AT_ONCE: Final = 2**21  # voxels of a slice of work: what is made in between stays in the processor's cache
_Steps = tuple[int, int, int]


def halve(voxels: NDArray[Any], start: _Steps, factors: _Steps, method: Method) -> NDArray[Any]:
    """Return the voxels of the coarser mag that these make up.

    ``start``: the place (z, y, x) of the first voxel, ``factors``: 1 or 2 for each of z, y, x. The first
    voxel of the result is at ``start // factors``.
    """
    if factors == (1, 1, 1):
        return voxels
    even = _padded(voxels, start, factors)
    shape = (even.shape[0], *(n // f for n, f in zip(even.shape[1:], factors, strict=True)))
    result = np.empty(shape, voxels.dtype)
    work = {"mean": _mean, "median": _median, "mode": _mode}[method]
    if method == "mean" and voxels.dtype.kind in "ui" and voxels.dtype.itemsize == 8:
        work = _mean_of_widest
    rows = max(1, _AT_ONCE // max(1, even[:, : factors[0]].size))
    for z in range(0, shape[1], rows):
        part = even[:, z * factors[0] : (z + rows) * factors[0]]
        result[:, z : z + rows] = work(part, factors)
    return result


def _padded(voxels: NDArray[Any], start: _Steps, factors: _Steps) -> NDArray[Any]:
    """Repeat border voxels so that pairs begin with an even place and are whole."""
    before = [s % f for s, f in zip(start, factors, strict=True)]
    after = [-(s + n) % f for s, n, f in zip(start, voxels.shape[1:], factors, strict=True)]
    if not any(before) and not any(after):
        return voxels
    return np.pad(voxels, [(0, 0), *zip(before, after, strict=True)], mode="edge")


def _corners(voxels: NDArray[Any], factors: _Steps) -> list[NDArray[Any]]:
    """Return a view for each place within a pair, quadruple or octet: z slowest, x fastest."""
    z, y, x = factors
    return [voxels[:, a::z, b::y, c::x] for a, b, c in product(range(z), range(y), range(x))]


def _mean(voxels: NDArray[Any], factors: _Steps) -> NDArray[Any]:
    """The mean, rounded half up for integers: added up axis by axis, the contiguous one last."""
    total: Any = voxels
    wide = _wider(voxels.dtype)
    for axis, factor in ((1, factors[0]), (2, factors[1]), (3, factors[2])):
        if factor == 2:
            first = [slice(None)] * 4
            second = [slice(None)] * 4
            first[axis], second[axis] = slice(0, None, 2), slice(1, None, 2)
            total = np.add(total[tuple(first)], total[tuple(second)], dtype=wide)
    count = factors[0] * factors[1] * factors[2]
    if voxels.dtype.kind == "f":
        total /= count
    else:
        total += count // 2
        total >>= count.bit_length() - 1
    result: NDArray[Any] = total.astype(voxels.dtype)
    return result


def _mean_of_widest(voxels: NDArray[Any], factors: _Steps) -> NDArray[Any]:
    """The same of integers without a wider type: what divides evenly and the rest are added up apart."""
    corners = _corners(voxels, factors)
    shift = len(corners).bit_length() - 1
    rest = np.full(corners[0].shape, len(corners) // 2, np.uint8)
    total = np.zeros(corners[0].shape, voxels.dtype)
    for corner in corners:
        total += corner >> shift
        rest += (corner & (len(corners) - 1)).astype(np.uint8)
    total += rest >> shift
    return total


def _wider(dtype: np.dtype[Any]) -> np.dtype[Any]:
    if dtype.kind == "f":
        return np.dtype(np.float64 if dtype.itemsize > 4 else np.float32)
    return np.dtype(f"{dtype.kind}{min(8, 2 * dtype.itemsize)}")


def _median(voxels: NDArray[Any], factors: _Steps) -> NDArray[Any]:
    """The mean of the two in the middle, rounded half up for integers."""
    low, high = _middle(_corners(voxels, factors))
    if voxels.dtype.kind == "f":
        mean: NDArray[Any] = ((low + high) / 2).astype(voxels.dtype)
        return mean
    # Of two integers without a wider type: half of what they have in common and half of the rest.
    middle: NDArray[Any] = (low & high) + ((low ^ high) >> 1) + ((low ^ high) & 1)
    return middle.astype(voxels.dtype)


def _middle(corners: list[NDArray[Any]]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the two in the middle of an even number: all compared at once, which beats sorting each."""
    if corners[0].dtype.kind == "f":
        ranked = np.sort(np.stack(corners), axis=0)  # NaN comes last, and counts for no other value
        return ranked[len(ranked) // 2 - 1], ranked[len(ranked) // 2]
    left = list(corners)
    while len(left) > 2:  # of n, one is never in the middle if it is the least or the greatest
        for one in range(1, len(left)):
            left[0], left[one] = np.minimum(left[0], left[one]), np.maximum(left[0], left[one])
        for one in range(1, len(left) - 1):
            left[one], left[-1] = np.minimum(left[one], left[-1]), np.maximum(left[one], left[-1])
        left = left[1:-1]
    return np.minimum(left[0], left[1]), np.maximum(left[0], left[1])


def _mode(voxels: NDArray[Any], factors: _Steps) -> NDArray[Any]:
    """The value that occurs most; of several, the first in the order z, y, x.

    Most places of a segmentation have one value only: the others alone are counted.
    """
    corners = _corners(voxels, factors)
    result = corners[0].copy()
    mixed = corners[1] != result
    for corner in corners[2:]:
        mixed |= corner != result
    places = np.nonzero(mixed)
    if not places[0].size:
        return result
    values = np.stack([corner[places] for corner in corners])
    best = values[0].copy()
    most = np.zeros(best.shape, np.uint8)
    for value in values:
        count = (values == value).sum(axis=0, dtype=np.uint8)
        better = count > most
        best[better] = value[better]
        most[better] = count[better]
    result[places] = best
    return result
