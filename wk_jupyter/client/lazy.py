"""Layers as arrays of other libraries, which read when they are computed with."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from wk_jupyter.geometry import BoundingBox, Vec3Int

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
    import zarr  # noqa: PLC0415
    from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, Store  # noqa: PLC0415
    from zarr.core.buffer import Buffer, BufferPrototype  # noqa: PLC0415

    chunks = _VirtualChunks(view, read)

    class VirtualStore(Store):
        """A Zarr v3 store whose chunks are read from the layer when they are asked for."""

        supports_writes = False
        supports_deletes = False
        supports_partial_writes = False
        supports_listing = False

        async def get(
            self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
        ) -> Buffer | None:
            import asyncio  # noqa: PLC0415

            data = await asyncio.to_thread(chunks.get, key)
            if data is None:
                return None
            if isinstance(byte_range, RangeByteRequest):
                data = data[byte_range.start : byte_range.end]
            elif isinstance(byte_range, OffsetByteRequest):
                data = data[byte_range.offset :]
            elif byte_range is not None:
                data = data[-byte_range.suffix :]
            return prototype.buffer.from_bytes(data)

        async def get_partial_values(
            self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
        ) -> list[Buffer | None]:
            return [await self.get(key, prototype, part) for key, part in key_ranges]

        async def exists(self, key: str) -> bool:
            return chunks.exists(key)

        async def set(self, key: str, value: Buffer) -> None:
            raise PermissionError("this array is read-only")

        async def set_partial_values(self, key_start_values: Any) -> None:
            raise PermissionError("this array is read-only")

        async def delete(self, key: str) -> None:
            raise PermissionError("this array is read-only")

        async def list(self) -> AsyncIterator[str]:
            yield "zarr.json"

        async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
            if "zarr.json".startswith(prefix):
                yield "zarr.json"

        async def list_dir(self, prefix: str) -> AsyncIterator[str]:
            if not prefix:
                yield "zarr.json"

        def __eq__(self, other: object) -> bool:
            return self is other

        __hash__ = object.__hash__

    return zarr.open_array(VirtualStore(read_only=True), mode="r", zarr_format=3)


class _VirtualChunks:
    """The documents of a Zarr v3 array, made of a layer."""

    def __init__(self, view: MagView, read: Reader) -> None:
        self._view = view
        self._read = read
        self._chunk = [min(_CHUNK, n) if axis < 3 else n for axis, n in enumerate(view.shape)]
        self._grid = [math.ceil(n / c) for n, c in zip(view.shape, self._chunk, strict=True)]

    def exists(self, key: str) -> bool:
        return key == "zarr.json" or self._index(key) is not None

    def get(self, key: str) -> bytes | None:
        if key == "zarr.json":
            return json.dumps(self._metadata()).encode()
        index = self._index(key)
        if index is None:
            return None
        view = self._view
        corner = Vec3Int.of([i * c for i, c in zip(index[:3], self._chunk[:3], strict=True)])
        space = BoundingBox((0, 0, 0), view.shape[:3])
        box = BoundingBox(corner, self._chunk[:3]).intersection(space)
        whole = np.zeros(self._chunk, view.layer.dtype.newbyteorder("<"))
        voxels = self._read(BoundingBox(box.topleft + view.bounding_box.topleft, box.size))
        whole[tuple(slice(0, n) for n in voxels.shape)] = voxels
        return whole.tobytes()

    def _index(self, key: str) -> list[int] | None:
        parts = key.split("/")
        if parts[0] != "c" or len(parts) != len(self._grid) + 1 or not all(p.isdecimal() for p in parts[1:]):
            return None
        index = [int(part) for part in parts[1:]]
        return index if all(i < n for i, n in zip(index, self._grid, strict=True)) else None

    def _metadata(self) -> dict[str, Any]:
        view = self._view
        return {
            "zarr_format": 3,
            "node_type": "array",
            "shape": list(view.shape),
            "data_type": view.layer.dtype.name,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": self._chunk}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": 0,
            "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
            "dimension_names": ["x", "y", "z", "channel"][: len(view.shape)],
            "attributes": {
                "topLeft": list(view.bounding_box.topleft),
                "mag": list(view.mag),
                "voxelSize": view.voxel_size.to_json(),
            },
        }
