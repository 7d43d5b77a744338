"""Arrays that tensorstore reads (Zarr, N5, precomputed), seen as volumes in c, x, y, z order."""

from __future__ import annotations

import asyncio
import math
import os
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import tensorstore as ts
from numpy.typing import NDArray

from wk_jupyter.errors import CorruptData, InvalidInput, TooLarge, UnsupportedFormat, WkError
from wk_jupyter.geometry import BoundingBox, Vec3Int
from wk_jupyter.store.volumes.base import FIRST_POSITION, Position, StoredBlocks, VolumeInfo
from wk_jupyter.store.volumes.chunk_guard import ChunkGuard, Index

# What tensorstore raises, by the kind of failure, as its own error type is none.
FAILURES: Final = (ValueError, RuntimeError, OSError, IndexError, TypeError, OverflowError, MemoryError)
MAX_CHUNKS: Final = 2**18  # read at once
_DEFAULT_CACHE_BYTES: Final = 128 * 2**20
_READS_AT_ONCE: Final = 32  # of one caller: as many as keep tensorstore busy
_INLINE_BYTES: Final = 2**20  # more is read by a thread: starting a read and copying its result take time
_UNSUPPORTED: Final = re.compile(r"not registered|not supported|[Uu]nsupported")


class _Engine:
    """The context that all volumes share: one cache, and limits of threads."""

    def __init__(self) -> None:
        self._context: Any = None
        self._cache_bytes = _DEFAULT_CACHE_BYTES

    @property
    def context(self) -> Any:
        if self._context is None:
            self._context = ts.Context(
                {
                    # Holds shard indexes, too: without it each read would fetch them anew.
                    "cache_pool": {"total_bytes_limit": self._cache_bytes},
                    "data_copy_concurrency": {"limit": min(4, os.cpu_count() or 1)},
                    "file_io_concurrency": {"limit": 16},
                }
            )
        return self._context

    def configure(self, cache_bytes: int) -> None:
        self._cache_bytes, self._context = cache_bytes, None


_engine: Final = _Engine()


def configure(*, cache_bytes: int) -> None:
    """Set how many bytes of decoded chunks are kept for all volumes opened from now on."""
    if cache_bytes < 0:
        raise InvalidInput(f"the cache cannot have {cache_bytes} bytes.")
    _engine.configure(cache_bytes)


@dataclass(frozen=True)
class AxisMap:
    """Which dimension of the array is which axis; ``first`` gives additional axes' default positions."""

    dims: Mapping[str, int]
    channels: slice = field(default_factory=lambda: slice(None))
    first: Mapping[str, int] = field(default_factory=dict)


class TensorStoreVolume:
    """One mag of a layer, read through tensorstore.

    Booleans are read as uint8 and half floats as float32. Outside of the array voxels are 0; a chunk
    that is not there is the array's fill value.
    """

    _is_awaitable = True  # whether tensorstore alone does the reading

    def __init__(
        self,
        store: Any,
        axes: AxisMap,
        label: str,
        *,
        blocks: StoredBlocks | None = None,
        guard: ChunkGuard | None = None,
    ) -> None:
        self._store = store
        self._axes = axes
        self._others = sorted(set(range(store.rank)) - {axes.dims.get(a, -1) for a in "cxyz"})
        # In which order an array is to be read for its voxels to come x fastest.
        self._x_fastest = "F" if axes.dims.get("x", 0) < axes.dims.get("z", store.rank) else "C"
        self.stored_blocks = blocks
        self._guard = guard
        name = store.dtype.name
        read_as = {"bool": "uint8", "float16": "float32"}.get(name, name)
        self._chunk = chunk = tuple(store.chunk_layout.read_chunk.shape or store.shape)
        lower, upper = zip(*(self._extent(axis) for axis in "xyz"), strict=True)
        self.info = VolumeInfo(
            dtype=np.dtype(read_as),
            num_channels=self._num_channels(label),
            bounds=BoundingBox.from_corners(lower, upper),
            chunk_shape=Vec3Int.of([max(1, chunk[axes.dims[a]]) if a in axes.dims else 1 for a in "xyz"]),
            label=label,
        )

    def read(self, box: BoundingBox, position: Position = FIRST_POSITION) -> NDArray[Any]:
        """Return the voxels of ``box`` as (c, x, y, z). Raises CorruptData, naming the file."""
        index = self._index(box, position)
        if index is None:
            return self._empty(box)
        try:
            if self._guard is not None:
                self._guard.check(index)
            voxels = self._fetch(index)
        except WkError:
            raise
        except FAILURES as error:
            raise damaged(self.info.label, error) from None
        return self._placed(voxels, box)

    async def read_async(self, box: BoundingBox, position: Position = FIRST_POSITION) -> NDArray[Any]:
        if not self._is_awaitable or box.volume * self.info.dtype.itemsize > _INLINE_BYTES:
            return await asyncio.to_thread(self.read, box, position)
        index = self._index(box, position)
        if index is None:
            return self._empty(box)
        if self._guard is not None and not self._guard.has_passed(index):
            return await asyncio.to_thread(self.read, box, position)
        try:
            voxels = await self._store[index].read()
        except FAILURES as error:
            raise damaged(self.info.label, error) from None
        return self._placed(voxels, box)

    def read_many(
        self, boxes: Sequence[BoundingBox], position: Position = FIRST_POSITION
    ) -> Iterator[NDArray[Any] | WkError]:
        """Yield the voxels of each box as (c, x, y, z), or why it cannot be read. Raises InvalidInput."""
        begun: deque[tuple[BoundingBox, Any]] = deque()
        for box in boxes:
            begun.append((box, self._begin(box, position)))
            if len(begun) == _READS_AT_ONCE:
                yield self._end(*begun.popleft())
        while begun:
            yield self._end(*begun.popleft())

    def _begin(self, box: BoundingBox, position: Position) -> Any:
        """Return what tensorstore is going to read, or at once voxels or an error."""
        try:
            if not self._is_awaitable:
                return self.read(box, position)
            index = self._index(box, position)
            if index is None:
                return self._empty(box)
            if self._guard is not None:
                self._guard.check(index)
            return self._store[index].read(order=self._x_fastest)
        except InvalidInput:
            raise  # what is asked is wrong, not what is stored
        except WkError as error:
            return error
        except FAILURES as error:
            return damaged(self.info.label, error)

    def _end(self, box: BoundingBox, begun: Any) -> NDArray[Any] | WkError:
        if isinstance(begun, WkError | np.ndarray):
            return begun
        try:
            voxels = begun.result()
        except FAILURES as error:
            return damaged(self.info.label, error)
        return self._placed(voxels, box)

    def close(self) -> None:
        close = getattr(self.stored_blocks, "close", None)
        if close is not None:
            close()

    def _fetch(self, index: Index) -> NDArray[Any]:
        voxels: NDArray[Any] = self._store[index].read().result()
        return voxels

    def _extent(self, axis: str) -> tuple[int, int]:
        dim = self._axes.dims.get(axis)
        if dim is None:
            return 0, 1
        interval = self._store.domain[dim]
        return interval.inclusive_min, interval.exclusive_max

    def _num_channels(self, label: str) -> int:
        dim = self._axes.dims.get("c")
        available = 1 if dim is None else self._store.shape[dim]
        count = len(range(*self._axes.channels.indices(available)))
        if count == 0:
            raise CorruptData(
                f"{label} has {available} channels; channel {self._axes.channels.start} is asked for.",
                path=label,
                hint='Correct "channelIndex" in the properties file.',
            )
        return count

    def _index(self, box: BoundingBox, position: Position) -> Index | None:
        """Tell what of the array a box meets, or None where that is nothing. Raises InvalidInput."""
        unknown = set(position) - {self._axis_name(dim) for dim in self._others}
        if unknown:
            raise InvalidInput(f"{self.info.label} has no axis {', '.join(sorted(unknown))}.")
        index: list[slice | int] = [slice(None)] * self._store.rank
        for dim in self._others:
            index[dim] = self._place(dim, position)
        inside = box.intersection(self.info.bounds)
        if inside.is_empty:
            return None
        for axis, begin, end in zip("xyz", inside.topleft, inside.bottomright, strict=True):
            if axis in self._axes.dims:
                index[self._axes.dims[axis]] = slice(begin, end)
        dim_c = self._axes.dims.get("c")
        if dim_c is not None:
            start, stop, _ = self._axes.channels.indices(self._store.shape[dim_c])
            index[dim_c] = slice(start, stop)
        self._check_chunks(index)
        return tuple(index)

    def _check_chunks(self, index: Sequence[slice | int]) -> None:
        """Refuse to read absurdly many chunks at once: each costs memory and time, however small it is."""
        lengths = [place.stop - place.start if isinstance(place, slice) else 1 for place in index]
        count = math.prod(-(-a // max(1, b)) for a, b in zip(lengths, self._chunk, strict=True))
        if count > MAX_CHUNKS:
            raise TooLarge(
                f"this box has {count:,} chunks of {self.info.label}, which are "
                f"{' × '.join(map(str, self._chunk))} values each; {MAX_CHUNKS:,} can be read at once.",
                hint="Read a smaller box, or write the array anew with larger chunks.",
            )

    def _axis_name(self, dim: int) -> str:
        return next((name for name, d in self._axes.dims.items() if d == dim), f"dimension {dim}")

    def _place(self, dim: int, position: Position) -> int:
        name = self._axis_name(dim)
        interval = self._store.domain[dim]
        first, last = int(interval.inclusive_min), int(interval.exclusive_max) - 1
        place = position.get(name, self._axes.first.get(name, first))
        if not first <= place <= last:
            raise InvalidInput(
                f"{self.info.label} has positions {first} to {last} along {name}, not {place}.",
                hint=f"Choose a position of {name} within these.",
            )
        return place

    def _placed(self, voxels: NDArray[Any], box: BoundingBox) -> NDArray[Any]:
        """Bring what was read of the array's dimensions into the box asked for."""
        kept = sorted(dim for axis, dim in self._axes.dims.items() if axis in "cxyz")
        order = [kept.index(self._axes.dims[axis]) for axis in "cxyz" if axis in self._axes.dims]
        missing = tuple(i for i, axis in enumerate("cxyz") if axis not in self._axes.dims)
        voxels = np.expand_dims(voxels.transpose(order), missing)
        if voxels.dtype == np.bool_:
            voxels = voxels.view(np.uint8)
        voxels = voxels.astype(self.info.dtype, copy=False)
        inside = box.intersection(self.info.bounds)
        if inside == box:
            return voxels
        (x0, y0, z0), (x1, y1, z1) = inside.topleft - box.topleft, inside.bottomright - box.topleft
        whole = self._empty(box)
        whole[:, x0:x1, y0:y1, z0:z1] = voxels
        return whole

    def _empty(self, box: BoundingBox) -> NDArray[Any]:
        return np.zeros((self.info.num_channels, *box.size), self.info.dtype, order="F")


def open_array(spec: Mapping[str, Any], label: str, context: Any = None) -> Any:
    """Open an array with tensorstore. Raises CorruptData or UnsupportedFormat, naming it.

    Where ``spec`` brings the metadata, what lies in the store is not looked at again.
    """
    try:
        return ts.open(
            dict(spec),
            context=context or _engine.context,
            read=True,
            open=True,
            assume_metadata="metadata" in spec,
        ).result()
    except FAILURES as error:
        if _UNSUPPORTED.search(str(error)):
            raise UnsupportedFormat(
                f"{label} cannot be read: {_first_sentence(error)}.",
                hint="Write the array anew with a common codec, such as zstd or gzip.",
            ) from None
        raise damaged(label, error) from None


def file_store(path: Path) -> dict[str, str]:
    """Return the store of a folder, as tensorstore wants it told."""
    return {"driver": "file", "path": f"{path.absolute()}/"}


def damaged(label: str, error: Exception) -> CorruptData:
    """Say in one sentence what tensorstore says in many; the path is the file's, where it is named."""
    file = re.search(r'local file "([^"]+)"', str(error))
    return CorruptData(
        f"{label} cannot be read: {_first_sentence(error)}.",
        path=file[1] if file else label,
        hint="The array's metadata or the named chunk is damaged: copy it again from its source.",
    )


def _first_sentence(error: Exception) -> str:
    text = re.split(r" \[(?:source locations|tensorstore_spec)=|\n", str(error))[0]
    text = re.sub(r"^[A-Z_]+: ", "", text)  # the name of a status code
    return (text[:500] or type(error).__name__).rstrip(".")
