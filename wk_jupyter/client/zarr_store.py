"""A layer as a Zarr v3 store: metadata and chunks are made when they are asked for."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray
from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, Store
from zarr.core.buffer import Buffer, BufferPrototype

from wk_jupyter.geometry import BoundingBox, Vec3Int

if TYPE_CHECKING:
    from wk_jupyter.client.layer import MagView

_CHUNK: Final = 64
_METADATA: Final = "zarr.json"


class LayerStore(Store):
    """Holds one array. Zarr's way to ask is asynchronous; reading blocks, so it happens on a thread."""

    supports_writes = False
    supports_deletes = False
    supports_partial_writes = False
    supports_listing = True

    def __init__(self, view: MagView, read: Callable[[BoundingBox], NDArray[Any]]) -> None:
        super().__init__(read_only=True)
        self._chunks = _Chunks(view, read)

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        data = await asyncio.to_thread(self._chunks.get, key)
        return None if data is None else prototype.buffer.from_bytes(_part(data, byte_range))

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        return [await self.get(key, prototype, part) for key, part in key_ranges]

    async def exists(self, key: str) -> bool:
        return self._chunks.exists(key)

    async def set(self, key: str, value: Buffer) -> None:
        _refuse(key, value)

    async def set_partial_values(self, key_start_values: Any) -> None:
        _refuse(key_start_values)

    async def delete(self, key: str) -> None:
        _refuse(key)

    async def list(self) -> AsyncIterator[str]:
        yield _METADATA

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        if _METADATA.startswith(prefix):
            yield _METADATA

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        if not prefix:
            yield _METADATA

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__


def _refuse(*_: Any) -> NoReturn:
    raise PermissionError("this array is read-only")


def _part(data: bytes, wanted: ByteRequest | None) -> bytes:
    if wanted is None:
        return data
    if isinstance(wanted, RangeByteRequest):
        return data[wanted.start : wanted.end]
    return data[wanted.offset :] if isinstance(wanted, OffsetByteRequest) else data[-wanted.suffix :]


class _Chunks:
    """The documents of a Zarr v3 array, made of a layer."""

    def __init__(self, view: MagView, read: Callable[[BoundingBox], NDArray[Any]]) -> None:
        self._view = view
        self._read = read
        self._chunk = [min(_CHUNK, n) if axis < 3 else n for axis, n in enumerate(view.shape)]
        self._grid = [math.ceil(n / c) for n, c in zip(view.shape, self._chunk, strict=True)]

    def exists(self, key: str) -> bool:
        return key == _METADATA or self._index(key) is not None

    def get(self, key: str) -> bytes | None:
        if key == _METADATA:
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
