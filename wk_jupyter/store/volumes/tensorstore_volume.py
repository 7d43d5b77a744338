"""Arrays that tensorstore reads (Zarr, N5, precomputed), seen as volumes in c, x, y, z order."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import tensorstore as ts
from numpy.typing import NDArray

from wk_jupyter.errors import CorruptData, InvalidInput, UnsupportedFormat
from wk_jupyter.geometry import BoundingBox, Vec3Int
from wk_jupyter.store.volumes.base import FIRST_POSITION, Position, StoredBlocks, VolumeInfo

MAX_METADATA_BYTES: Final = 16 * 2**20
MAX_CHUNK_BYTES: Final = 2**30
_CACHE_BYTES: Final = 128 * 2**20  # also holds shard indexes: without a pool each read would fetch them anew
_DTYPES: Final = frozenset(
    ("bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float32", "float64")
)

CONTEXT: Final = ts.Context(
    {
        "cache_pool": {"total_bytes_limit": _CACHE_BYTES},
        "data_copy_concurrency": {"limit": 2},
        "file_io_concurrency": {"limit": 16},
    }
)


@dataclass(frozen=True)
class AxisMap:
    """Which dimension of the array is which axis; ``first`` gives additional axes' default positions."""

    dims: Mapping[str, int]
    channels: slice = field(default_factory=lambda: slice(None))
    first: Mapping[str, int] = field(default_factory=dict)


class TensorStoreVolume:
    """One mag of a layer, read through tensorstore."""

    def __init__(self, store: Any, axes: AxisMap, label: str, blocks: StoredBlocks | None = None) -> None:
        name = store.dtype.name
        if name not in _DTYPES:
            raise UnsupportedFormat(
                f"{label} has values of type {name}, which cannot be voxels.",
                hint="Voxels are integers, floats or booleans.",
            )
        self._store = store
        self._axes = axes
        self._others = sorted(set(range(store.rank)) - {axes.dims.get(a, -1) for a in "cxyz"})
        self.stored_blocks = blocks
        chunk = store.chunk_layout.read_chunk.shape or store.shape
        if int(np.prod([float(n) for n in chunk])) * store.dtype.numpy_dtype.itemsize > MAX_CHUNK_BYTES:
            raise UnsupportedFormat(
                f"{label} has chunks of {' × '.join(map(str, chunk))}, more than fit into memory.",
                hint="Write the array anew with smaller chunks, such as 64³.",
            )
        lower, upper = zip(*(self._extent(axis) for axis in "xyz"), strict=True)
        self.info = VolumeInfo(
            dtype=np.dtype(np.uint8) if name == "bool" else np.dtype(name),
            num_channels=self._num_channels(label),
            bounds=BoundingBox.from_corners(lower, upper),
            chunk_shape=Vec3Int.of([chunk[axes.dims[a]] if a in axes.dims else 1 for a in "xyz"]),
            label=label,
        )

    def read(self, box: BoundingBox, position: Position = FIRST_POSITION) -> NDArray[Any]:
        """Return the voxels of ``box`` as (c, x, y, z). Raises CorruptData, naming the array."""
        view, inside = self._view(box, position)
        if view is None:
            return self._empty(box)
        try:
            return self._placed(view.read().result(), inside, box)
        except (ValueError, RuntimeError, OSError) as error:
            raise damaged(self.info.label, error) from None

    async def read_async(self, box: BoundingBox, position: Position = FIRST_POSITION) -> NDArray[Any]:
        view, inside = self._view(box, position)
        if view is None:
            return self._empty(box)
        try:
            return self._placed(await view.read(), inside, box)
        except (ValueError, RuntimeError, OSError) as error:
            raise damaged(self.info.label, error) from None

    def close(self) -> None:
        close = getattr(self.stored_blocks, "close", None)
        if close is not None:
            close()

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
                f"{label} has {available} channels; channel {self._axes.channels.start} is asked for."
            )
        return count

    def _view(self, box: BoundingBox, position: Position) -> tuple[Any, BoundingBox]:
        """The part of the array that a box meets, and the box's part that is in the array."""
        index: list[Any] = [slice(None)] * self._store.rank
        for dim in self._others:
            index[dim] = self._place(dim, position)
        unknown = set(position) - {self._axis_name(dim) for dim in self._others}
        if unknown:
            raise InvalidInput(f"{self.info.label} has no axis {', '.join(sorted(unknown))}.")
        inside = box.intersection(self.info.bounds)
        if inside.is_empty:
            return None, inside
        for number, axis in enumerate("xyz"):
            if axis in self._axes.dims:
                index[self._axes.dims[axis]] = slice(inside.topleft[number], inside.bottomright[number])
        if "c" in self._axes.dims:
            index[self._axes.dims["c"]] = self._axes.channels
        return self._store[tuple(index)], inside

    def _axis_name(self, dim: int) -> str:
        return next((name for name, d in self._axes.dims.items() if d == dim), f"dimension {dim}")

    def _place(self, dim: int, position: Position) -> int:
        name = self._axis_name(dim)
        interval = self._store.domain[dim]
        place = position.get(name, self._axes.first.get(name, interval.inclusive_min))
        if not interval.inclusive_min <= place < interval.exclusive_max:
            raise InvalidInput(
                f"{self.info.label} has positions {interval.inclusive_min} to {interval.exclusive_max - 1} "
                f"along {name}, not {place}."
            )
        return place

    def _placed(self, voxels: NDArray[Any], inside: BoundingBox, box: BoundingBox) -> NDArray[Any]:
        kept = sorted(dim for axis, dim in self._axes.dims.items() if axis in "cxyz")
        order = [kept.index(self._axes.dims[axis]) for axis in "cxyz" if axis in self._axes.dims]
        missing = tuple(i for i, axis in enumerate("cxyz") if axis not in self._axes.dims)
        voxels = np.expand_dims(voxels.transpose(order), missing)
        voxels = (
            voxels.view(np.uint8) if voxels.dtype == np.bool_ else voxels.astype(self.info.dtype, copy=False)
        )
        if inside == box:
            return voxels
        (x0, y0, z0), (x1, y1, z1) = inside.topleft - box.topleft, inside.bottomright - box.topleft
        whole = self._empty(box)
        whole[:, x0:x1, y0:y1, z0:z1] = voxels
        return whole

    def _empty(self, box: BoundingBox) -> NDArray[Any]:
        return np.zeros((self.info.num_channels, *box.size), self.info.dtype, order="F")


def open_array(spec: Mapping[str, Any], label: str, context: Any = CONTEXT) -> Any:
    """Open an array. Raises CorruptData or UnsupportedFormat, naming it."""
    try:
        return ts.open(dict(spec), context=context, read=True, open=True).result()
    except (ValueError, RuntimeError, OSError, OverflowError) as error:
        raise damaged(label, error) from None


def file_store(path: Path) -> dict[str, str]:
    return {"driver": "file", "path": f"{path}/"}


def load_metadata(path: Path) -> dict[str, Any]:
    """Read a JSON metadata file that came from anywhere. Raises CorruptData, naming it."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_METADATA_BYTES + 1)
    except OSError as error:
        raise CorruptData(f"{path} cannot be read: {error.strerror}.", path=str(path)) from None
    if len(raw) > MAX_METADATA_BYTES:
        raise CorruptData(f"{path} is longer than {MAX_METADATA_BYTES:,} bytes.", path=str(path))
    try:
        # Python's names for what JSON has no word for are common in Zarr v2 fill values.
        document = msgspec.json.decode(re.sub(rb"(?<=[:\[,\s])(NaN|-?Infinity)(?=[,\]}\s])", rb'"\1"', raw))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CorruptData(f"{path} is not valid JSON: {error}.", path=str(path)) from None
    if not isinstance(document, dict):
        raise CorruptData(f"{path} is not a JSON object.", path=str(path))
    return document


def damaged(label: str, error: Exception) -> CorruptData:
    """Say in one sentence what tensorstore says in many."""
    text = re.split(r" \[(?:source locations|tensorstore_spec)=|\n", str(error))[0]
    return CorruptData(
        f"{label} cannot be read: {text[:500].rstrip('.')}.",
        path=label,
        hint="The array's metadata or the named chunk is damaged: copy it again from its source.",
    )
