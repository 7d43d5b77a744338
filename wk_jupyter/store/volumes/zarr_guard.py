"""What a Zarr array's chunks are looked at for before tensorstore reads them: see ``chunk_guard``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from wk_jupyter.errors import UnsupportedFormat
from wk_jupyter.store.volumes.chunk_guard import (
    Cell,
    ChunkGuard,
    check_blosc,
    check_size,
    chunk_files,
    packed_limit,
    read_at,
)
from wk_jupyter.store.volumes.zarr_metadata import ZarrArray

_CHECKSUM_BYTES: Final = 4
_PIECE_BYTES: Final = 2**20


def zarr_guard(path: Path, array: ZarrArray) -> ChunkGuard:
    """Return the guard of an array. Raises UnsupportedFormat for Blosc where its head cannot be found."""

    def name(cell: Cell) -> Path:
        return path / (array.key_prefix + array.separator.join(map(str, cell)))

    origin = (0,) * len(array.shape)
    if array.version == 2:
        is_blosc = (array.metadata["compressor"] or {}).get("id") == "blosc"
        size = math.prod(array.chunk) * array.dtype.itemsize
        return ChunkGuard(origin, array.chunk, chunk_files(name, size, _at_start if is_blosc else None))
    stored = tuple(map(int, array.metadata["chunk_grid"]["configuration"]["chunk_shape"]))
    codecs = array.metadata["codecs"]
    if [codec["name"] for codec in codecs] == ["sharding_indexed"]:
        shards = _Shards(path, array, stored, codecs[0]["configuration"])
        return ChunkGuard(origin, shards.inner if shards.is_blosc else stored, shards.check)
    size = math.prod(stored) * array.dtype.itemsize + _index_bytes(stored, codecs)
    return ChunkGuard(origin, stored, chunk_files(name, size, _at_start if _is_blosc(codecs, path) else None))


def _at_start(_: bytes) -> int:
    return 0


def _is_blosc(codecs: Sequence[Mapping[str, Any]], path: Path) -> bool:
    """Whether chunks begin with the head of Blosc."""
    names = [codec["name"] for codec in codecs]
    while names and names[-1] == "crc32c":
        names.pop()
    shards = [codec["configuration"] for codec in codecs if codec["name"] == "sharding_indexed"]
    if "blosc" in names[:-1] or any(_has_blosc(shard["codecs"]) for shard in shards):
        raise UnsupportedFormat(
            f"{path} has chunks that are packed by Blosc and then once more, which is not read.",
            hint="Write the array anew with one compressor, such as zstd.",
        )
    return names[-1:] == ["blosc"]


def _has_blosc(codecs: Sequence[Mapping[str, Any]]) -> bool:
    return any(
        codec["name"] == "blosc"
        or (codec["name"] == "sharding_indexed" and _has_blosc(codec["configuration"]["codecs"]))
        for codec in codecs
    )


def _index_bytes(shape: Sequence[int], codecs: Sequence[Mapping[str, Any]]) -> int:
    """How many bytes the indexes of shards add to a chunk of ``shape``, at all depths."""
    total = 0
    for codec in codecs:
        if codec["name"] == "sharding_indexed":
            inner = tuple(map(int, codec["configuration"]["chunk_shape"]))
            count = math.prod(-(-a // b) for a, b in zip(shape, inner, strict=True))
            total += count * (16 + _index_bytes(inner, codec["configuration"]["codecs"]))
    return total


@dataclass(frozen=True)
class _Shards:
    """Shard files: their indexes tell how long each chunk is."""

    path: Path
    array: ZarrArray
    stored: tuple[int, ...]
    sharding: Mapping[str, Any]

    @property
    def inner(self) -> tuple[int, ...]:
        return tuple(map(int, self.sharding["chunk_shape"]))

    @property
    def is_blosc(self) -> bool:
        names = [codec["name"] for codec in self.sharding["index_codecs"]]
        is_blosc = _is_blosc(self.sharding["codecs"], self.path)
        if is_blosc and "transpose" in names:
            raise UnsupportedFormat(
                f"{self.path} has shards with a transposed index, which is not read.",
                hint="Write the array anew.",
            )
        return is_blosc

    def check(self, cell: Cell) -> None:
        """Of Blosc, look at one chunk; else at the whole index: nothing of a chunk but its length counts."""
        per_shard = [a // b for a, b in zip(self.stored, self.inner, strict=True)]
        if self.is_blosc:
            shard = [place // count for place, count in zip(cell, per_shard, strict=True)]
            number = 0
            for place, count in zip(cell, per_shard, strict=True):
                number = number * count + place % count
            first, count = number, 1
        else:
            shard, first, count = list(cell), 0, math.prod(per_shard)
        path = self.path / (self.array.key_prefix + self.array.separator.join(map(str, shard)))
        try:
            self._check_entries(path, path.stat().st_size, (first, count), math.prod(per_shard))
        except OSError:  # never written, or tensorstore tells
            return

    def _check_entries(self, path: Path, size: int, entries: tuple[int, int], total: int) -> None:
        names = [codec["name"] for codec in self.sharding["index_codecs"]]
        index_bytes = 16 * total + _CHECKSUM_BYTES * names.count("crc32c")
        at_end = self.sharding.get("index_location", "end") == "end"
        begin = (max(size - index_bytes, 0) if at_end else 0) + 16 * entries[0]
        plain = math.prod(self.inner) * self.array.dtype.itemsize
        limit = packed_limit(plain + _index_bytes(self.inner, self.sharding["codecs"]))
        for at in range(0, 16 * entries[1], _PIECE_BYTES):
            raw = read_at(path, begin + at, min(_PIECE_BYTES, 16 * entries[1] - at))
            pairs = np.frombuffer(raw, self._number_type(), len(raw) // 16 * 2).reshape(-1, 2)
            offsets, lengths = pairs[:, 0], pairs[:, 1]
            # What reaches beyond the file is refused by tensorstore without a byte read.
            inside = (lengths <= size) & (offsets <= size - np.minimum(lengths, size))
            longest = int(lengths[inside].max(initial=0))
            check_size(longest, limit, path)
            if self.is_blosc and inside.all() and longest:
                check_blosc(read_at(path, int(offsets[0]), 16), _at_start, plain, path)

    def _number_type(self) -> str:
        for codec in self.sharding["index_codecs"]:
            if codec["name"] == "bytes" and (codec.get("configuration") or {}).get("endian") == "big":
                return ">u8"
        return "<u8"
