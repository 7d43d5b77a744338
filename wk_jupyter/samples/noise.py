"""Smooth random fields in space: the same place has the same value, whatever part is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

_PERIOD = 48
_OFFSETS = np.arange(-1, 3)[:, None]


class Field:
    """Random values of mean 0 and deviation about 1 that change over ``grain_nm`` (x, y, z alike).

    The values lie on a periodic grid of fixed size, between which cubic B-splines interpolate: memory does
    not grow with the volume, and 48 grains are far enough apart for nobody to see the repetition.
    """

    def __init__(self, grain_nm: float, rng: np.random.Generator) -> None:
        self._grain = grain_nm
        values = rng.normal(size=(_PERIOD,) * 3).astype(np.float32)
        # A B-spline of white noise has a third of the deviation in each axis' share: scaled back to 1.
        self._values = values * np.float32(1 / 0.479 ** (3 / 2))

    def sample(self, axes: Sequence[Floats]) -> Floats:
        """Values at the places ``axes`` (x, y, z in nm, one array each), as an array of x, y, z."""
        spans = [self._taps(axis) for axis in axes]
        part = self._values[np.ix_(*[np.arange(low, high) % _PERIOD for (low, high), _, _ in spans])]
        for number, (_, taps, weights) in enumerate(spans):
            part = interpolate(part, number, taps, weights)
        return part

    def _taps(self, places: Floats) -> tuple[tuple[int, int], NDArray[np.int64], Floats]:
        """The range of the grid that is needed; the four points in it for each place, and their weights."""
        scaled = places.astype(np.float64) / self._grain
        base = np.floor(scaled)
        away = np.abs(scaled - base - _OFFSETS)
        near = 2 / 3 - away**2 + away**3 / 2
        far = np.maximum(2 - away, 0) ** 3 / 6
        low, high = int(base[0]) - 1, int(base[-1]) + 3
        taps = base.astype(np.int64) + _OFFSETS - low
        return (low, high), taps, np.where(away < 1, near, far).astype(np.float32)


def interpolate(values: Floats, axis: int, taps: NDArray[np.int64], weights: Floats) -> Floats:
    """Weighted sums along one axis: place i becomes the sum of ``weights[k, i] * values[taps[k, i]]``.

    Written without a matrix product: BLAS would start threads of its own, and tiles are threads already.
    """
    form = [-1 if number == axis else 1 for number in range(values.ndim)]
    total = np.take(values, taps[0], axis) * weights[0].reshape(form)
    for tap, weight in zip(taps[1:], weights[1:], strict=True):
        part = np.take(values, tap, axis)
        part *= weight.reshape(form)
        total += part
    interpolated: Floats = total
    return interpolated
