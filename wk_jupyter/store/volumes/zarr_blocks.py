"""Chunks of Zarr arrays as they lie: inner chunks of v3 shards, and whole chunk files of v2 and v3.

Only what a browser's worker can unpack into x-fastest little-endian voxels is passed on: one zstd or
gzip step or none, a known memory order, fill value 0. All else is decoded by tensorstore.
Sharding: https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed/
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import google_crc32c
import numpy as np

from wk_jupyter.api.frames import Encoding
from wk_jupyter.errors import CorruptData
from wk_jupyter.geometry import Vec3Int
from wk_jupyter.store.volumes.base import BlockIndex, BlockLayout
from wk_jupyter.store.volumes.block_files import (
    BlockFiles,
    BlockTable,
    checked_table,
    read_exactly,
)
from wk_jupyter.store.volumes.tensorstore_volume import AxisMap

_ENCODINGS: Final = {"zstd": Encoding.ZSTD, "gzip": Encoding.GZIP}
_MAX_INDEX_BYTES: Final = 2**26
_NEVER_WRITTEN: Final = 2**64 - 1


class _Unfit(Exception):
    """The stored chunks cannot be passed on."""


@dataclass(frozen=True)
class _Chunks:
    """How an array is cut into chunk files, and those into blocks (one, where there are no shards)."""

    path: Path
    dims: tuple[int, int, int]  # of x, y, z
    rank: int
    shape: Vec3Int  # of the array
    file_shape: Vec3Int
    key_prefix: str
    separator: str
    blocks_per_file: tuple[int, ...]  # in the array's own order of dimensions
    index_at_end: bool = True


class ZarrGrid:
    """Where the blocks of a Zarr array lie."""

    def __init__(self, chunks: _Chunks, layout: BlockLayout) -> None:
        self.layout = layout
        self._chunks = chunks
        limit, per_file = chunks.shape.ceildiv(layout.shape), chunks.file_shape // layout.shape
        # The number of a block in its file, C order over the array's own dimensions.
        strides = [math.prod(chunks.blocks_per_file[dim + 1 :]) for dim in chunks.dims]  # 1 without shards
        # Plain numbers in one tuple: ``addresses`` computes with them for every brick that is served.
        self._numbers = (*limit, *per_file, *strides)

    def addresses(self, indices: Sequence[BlockIndex]) -> list[tuple[BlockIndex, int] | None]:
        limit_x, limit_y, limit_z, per_x, per_y, per_z, stride_x, stride_y, stride_z = self._numbers
        return [
            (
                (x // per_x, y // per_y, z // per_z),
                x % per_x * stride_x + y % per_y * stride_y + z % per_z * stride_z,
            )
            if 0 <= x < limit_x and 0 <= y < limit_y and 0 <= z < limit_z
            else None
            for x, y, z in indices
        ]

    def path(self, file: BlockIndex) -> Path:
        chunks = self._chunks
        places = [0] * chunks.rank
        for dim, place in zip(chunks.dims, file, strict=True):
            places[dim] = place
        return chunks.path / (chunks.key_prefix + chunks.separator.join(map(str, places)))

    def load_table(self, descriptor: int, size: int, path: Path) -> BlockTable:
        if not self._chunks.blocks_per_file:  # a chunk file is one block
            return checked_table(np.zeros(1), np.full(1, size or -1), size, self.layout)
        count = math.prod(self._chunks.blocks_per_file)
        length = 16 * count + 4
        at = max(size - length, 0) if self._chunks.index_at_end else 0
        raw = read_exactly(descriptor, length, at, path)
        if google_crc32c.value(raw[:-4]) != int.from_bytes(raw[-4:], "little"):
            raise CorruptData(
                f"the index of the shard {path} has a wrong checksum.",
                path=str(path),
                hint="The file was cut short or damaged: copy it again from its source.",
            )
        pairs = np.frombuffer(raw, "<u8", 2 * count).reshape(count, 2)
        absent = (pairs[:, 0] == _NEVER_WRITTEN) & (pairs[:, 1] == _NEVER_WRITTEN)
        pairs = np.where(absent[:, None], 0, np.minimum(pairs, 2**62))
        return checked_table(pairs[:, 0], pairs[:, 1], size, self.layout)


def zarr_stored_blocks(
    path: Path, version: int, metadata: dict[str, Any], axes: AxisMap
) -> BlockFiles | None:
    """Return an array's chunks as blocks, or None where they cannot be passed on as they lie."""
    try:
        make = _v3 if version == 3 else _v2
        return BlockFiles(make(path, metadata, axes))
    except (_Unfit, LookupError, TypeError, ValueError, ArithmeticError, AttributeError):
        # Whatever is odd about this metadata, tensorstore will read it or say why it can't.
        return None


def _v3(path: Path, metadata: dict[str, Any], axes: AxisMap) -> ZarrGrid:
    _require(metadata["fill_value"] in (0, 0.0, False))
    _require(metadata["chunk_grid"]["name"] == "regular" and not metadata.get("storage_transformers"))
    dtype = np.dtype(metadata["data_type"])
    file_shape = metadata["chunk_grid"]["configuration"]["chunk_shape"]
    codecs = metadata["codecs"]
    sharding = codecs[0]["configuration"] if codecs[0]["name"] == "sharding_indexed" else None
    block_shape = sharding["chunk_shape"] if sharding else file_shape
    if sharding:
        _require(len(codecs) == 1)
        _require([c["name"] for c in sharding["index_codecs"]] == ["bytes", "crc32c"])
        _require(sharding["index_codecs"][0]["configuration"]["endian"] == "little")
    order, encoding = _codecs(sharding["codecs"] if sharding else codecs, len(block_shape), dtype)
    key = metadata["chunk_key_encoding"]
    default = key["name"] == "default"
    separator = key.get("configuration", {}).get("separator", "/" if default else ".")
    _require(all(f % b == 0 for f, b in zip(file_shape, block_shape, strict=True)))
    per_file = [f // b for f, b in zip(file_shape, block_shape, strict=True)] if sharding else []
    _require(16 * math.prod(per_file) < _MAX_INDEX_BYTES)
    chunks = _Chunks(
        path=path,
        dims=_spatial(axes),
        rank=len(file_shape),
        shape=_along(axes, metadata["shape"]),
        file_shape=_along(axes, file_shape),
        key_prefix=f"c{separator}" if default else "",
        separator=separator,
        blocks_per_file=tuple(per_file),
        index_at_end=sharding is None or sharding.get("index_location", "end") == "end",
    )
    _check_order(axes, order, block_shape, metadata["shape"])
    return ZarrGrid(chunks, _layout(axes, block_shape, dtype, encoding))


def _v2(path: Path, metadata: dict[str, Any], axes: AxisMap) -> ZarrGrid:
    _require(metadata.get("fill_value") in (0, 0.0, None, False) and not metadata.get("filters"))
    dtype = np.dtype(metadata["dtype"])
    _require(dtype.byteorder in "|<=" and dtype.kind in "uif")
    compressor = metadata["compressor"]
    encoding = Encoding.RAW if compressor is None else _ENCODINGS[compressor["id"]]
    shape = metadata["chunks"]
    rank = len(shape)
    order = list(range(rank)) if metadata["order"] == "C" else list(reversed(range(rank)))
    chunks = _Chunks(
        path=path,
        dims=_spatial(axes),
        rank=rank,
        shape=_along(axes, metadata["shape"]),
        file_shape=_along(axes, shape),
        key_prefix="",
        separator=metadata.get("dimension_separator", "."),
        blocks_per_file=(),
    )
    _check_order(axes, order, shape, metadata["shape"])
    return ZarrGrid(chunks, _layout(axes, shape, dtype, encoding))


def _codecs(codecs: Sequence[dict[str, Any]], rank: int, dtype: np.dtype[Any]) -> tuple[list[int], Encoding]:
    """Return the order of dimensions in a decoded chunk, slowest first, and how it is packed."""
    order, encoding = list(range(rank)), Encoding.RAW
    rest = list(codecs)
    if rest[0]["name"] == "transpose":
        given = rest.pop(0)["configuration"]["order"]
        order = list(reversed(order)) if given == "F" else order if given == "C" else list(given)
        _require(sorted(order) == list(range(rank)))
    to_bytes = rest.pop(0)
    _require(to_bytes["name"] == "bytes")
    _require(dtype.itemsize == 1 or to_bytes.get("configuration", {}).get("endian") == "little")
    if rest:
        encoding = _ENCODINGS[rest.pop(0)["name"]]
    _require(not rest)
    return order, encoding


def _check_order(axes: AxisMap, order: Sequence[int], block: Sequence[int], shape: Sequence[int]) -> None:
    """Refuse blocks whose voxels do not lie channel fastest, then x, y, z; sizes of 1 lie anywhere."""
    wanted = [axes.dims[axis] for axis in "zyxc" if axis in axes.dims]
    _require(len(wanted) == len(order) and axes.channels == slice(None))
    long = [dim for dim in order if block[dim] > 1]
    _require(long == [dim for dim in wanted if block[dim] > 1])
    if "c" in axes.dims:
        _require(block[axes.dims["c"]] == shape[axes.dims["c"]])


def _layout(axes: AxisMap, block: Sequence[int], dtype: np.dtype[Any], encoding: Encoding) -> BlockLayout:
    shape = _along(axes, block)
    _require(min(shape) >= 1 and dtype.kind in "uif")
    return BlockLayout(shape, encoding, math.prod(block) * dtype.itemsize)


def _spatial(axes: AxisMap) -> tuple[int, int, int]:
    return axes.dims["x"], axes.dims["y"], axes.dims["z"]


def _along(axes: AxisMap, sizes: Sequence[int]) -> Vec3Int:
    return Vec3Int.of([sizes[dim] for dim in _spatial(axes)])


def _require(condition: bool) -> None:  # noqa: FBT001
    if not condition:
        raise _Unfit
