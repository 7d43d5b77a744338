"""Layers as arrays of other libraries, which read when they are computed with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from wk_jupyter.geometry import BoundingBox

if TYPE_CHECKING:
    from wk_jupyter.client.layer import MagView

Reader = Callable[[BoundingBox], NDArray[Any]]
_CHUNK: Final = 64
_DASK_CHUNK: Final = 128


def tensorstore_array(view: MagView, read: Reader) -> Any:
    """A tensorstore with the domain of the mag's box; labels x, y, z[, channel]."""
    import tensorstore as ts  # noqa: PLC0415

    box = view.bounding_box
    labels = ["x", "y", "z", "channel"][: len(view.shape)]
    starts = [*box.topleft, 0][: len(view.shape)]

    def fill(domain: Any, array: NDArray[Any], _parameters: Any) -> None:
        low, high = domain.inclusive_min, domain.exclusive_max
        voxels = read(BoundingBox.from_corners(low[:3], high[:3]))
        array[...] = voxels if voxels.ndim == 3 else voxels[..., low[3] : high[3]]

    return ts.virtual_chunked(
        fill,
        dtype=ts.dtype(view.layer.dtype),
        domain=ts.IndexDomain(labels=labels, inclusive_min=starts, shape=view.shape),
        chunk_layout=ts.ChunkLayout(read_chunk_shape=[min(_CHUNK, n) for n in view.shape]),
    )


def dask_array(view: MagView, read: Reader) -> Any:
    import dask.array as da  # noqa: PLC0415

    chunks = tuple(min(_DASK_CHUNK, n) if axis < 3 else n for axis, n in enumerate(view.shape))
    return da.from_array(_ArrayLike(view, read), chunks=chunks, name=False, asarray=False, fancy=False)  # type: ignore[no-untyped-call]


class _ArrayLike:
    """The least that dask wants of an array."""

    def __init__(self, view: MagView, read: Reader) -> None:
        self.shape = view.shape
        self.dtype = view.layer.dtype
        self.ndim = len(self.shape)
        self._topleft = view.bounding_box.topleft
        self._read = read

    def __getitem__(self, key: tuple[Any, ...]) -> NDArray[Any]:
        """Dask merges slices of slices into this one: numbers and steps come here too."""
        key = (*key, *[slice(None)] * (self.ndim - len(key)))
        ranges = [
            range(size)[part] if isinstance(part, slice) else range(part, part + 1)
            for part, size in zip(key, self.shape, strict=True)
        ]
        lows = [min(r, default=0) for r in ranges]
        highs = [max(r, default=-1) + 1 for r in ranges]
        box = BoundingBox.from_corners(self._topleft + lows[:3], self._topleft + highs[:3])
        if box.is_empty:
            shape = [len(r) for r, part in zip(ranges, key, strict=True) if isinstance(part, slice)]
            return np.empty(shape, self.dtype)
        voxels = self._read(box)
        if self.ndim == 4:
            voxels = voxels[..., lows[3] : highs[3]]
        steps = tuple(slice(None, None, r.step) for r in ranges)
        dropped = tuple(axis for axis, part in enumerate(key) if not isinstance(part, slice))
        return voxels[steps].squeeze(dropped)


def zarr_array(view: MagView, read: Reader) -> Any:
    """Return a read-only zarr.Array; index 0 is the first voxel of the mag's box."""
    import zarr  # noqa: PLC0415 loads slowly

    from wk_jupyter.client.zarr_store import LayerStore  # noqa: PLC0415 loads zarr

    return zarr.open_array(LayerStore(view, read), mode="r", zarr_format=3)
