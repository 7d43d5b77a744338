"""What a precomputed volume's chunks are looked at for before tensorstore reads them: see ``chunk_guard``.

Shards: https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/sharded.md
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wk_jupyter.store.cache import LruCache
from wk_jupyter.store.volumes.chunk_guard import Cell, check_size, packed_limit, read_at, too_large
from wk_jupyter.store.volumes.metadata_files import MAX_CHUNK_BYTES

_MAX_INDEX_BYTES: Final = 2**26
_KEPT_INDEX_BYTES: Final = 2**21
_PIECE_BYTES: Final = 2**18
_MASK: Final = 2**32 - 1


def encoded_limit(chunk_bytes: int, encoding: str) -> int:
    """How many bytes a chunk of ``chunk_bytes`` may have when it is encoded, before it is packed."""
    # Segmentations of noise have a table and a head for each block, beside the values.
    return packed_limit(chunk_bytes if encoding == "raw" else min(4 * chunk_bytes, MAX_CHUNK_BYTES))


class ShardCheck:
    """Looks at one chunk in its shard, by its ``cell`` in the grid of ``grid`` chunks."""

    def __init__(self, path: Path, sharding: Mapping[str, Any], grid: Sequence[int], limit: int) -> None:
        self._path = path
        self._grid = tuple(grid)
        self._limit = limit
        self._preshift = int(sharding["preshift_bits"])
        self._minishard_bits = int(sharding["minishard_bits"])
        self._shard_bits = int(sharding["shard_bits"])
        self._hash = _identity if sharding["hash"] == "identity" else murmurhash
        self._index_is_packed = sharding.get("minishard_index_encoding", "raw") == "gzip"
        self._data_is_packed = sharding.get("data_encoding", "raw") == "gzip"
        self._indexes: LruCache[tuple[int, int], NDArray[np.uint64]] = LruCache(8)

    def __call__(self, cell: Cell) -> None:
        """Raises CorruptData where tensorstore would unpack more than a chunk can hold."""
        chunk = morton_code(cell, self._grid)
        hashed = self._hash(chunk >> self._preshift)
        minishard = hashed & (2**self._minishard_bits - 1)
        shard = (hashed >> self._minishard_bits) & (2**self._shard_bits - 1)
        path = self._path / f"{shard:0{max(1, -(-self._shard_bits // 4))}x}.shard"
        try:
            ids, offsets, sizes = self._index(path, shard, minishard)
            for number in np.flatnonzero(ids == np.uint64(chunk)):
                self._check_data(path, int(offsets[number]), int(sizes[number]))
        except OSError:  # never written, or tensorstore tells
            return

    def _index(self, path: Path, shard: int, minishard: int) -> NDArray[np.uint64]:
        """Return ids, offsets and sizes of the chunks in a minishard; none where it is damaged."""
        kept = self._indexes.get((shard, minishard))
        if kept is not None:
            return kept
        head = 16 * 2**self._minishard_bits
        entry = read_at(path, 16 * minishard, 16)
        begin, end = (int(n) for n in np.frombuffer(entry, "<u8")) if len(entry) == 16 else (0, 0)
        length, limit = max(end - begin, 0), min(24 * math.prod(self._grid), _MAX_INDEX_BYTES)
        if head + end > path.stat().st_size:
            return np.zeros((3, 0), np.uint64)
        check_size(length, packed_limit(limit), path)
        raw = read_at(path, head + begin, length)
        if self._index_is_packed:
            raw = self._unpacked_index(raw, limit, path)
        count = len(raw) // 24
        ids, gaps, sizes = np.frombuffer(raw, "<u8", 3 * count).reshape(3, count)
        before = np.cumsum(sizes, dtype=np.uint64) - sizes
        offsets = np.cumsum(gaps, dtype=np.uint64) + before + np.uint64(head)
        index = np.stack([np.cumsum(ids, dtype=np.uint64), offsets, sizes])
        if index.nbytes <= _KEPT_INDEX_BYTES:
            self._indexes.put((shard, minishard), index)
        return index

    def _unpacked_index(self, raw: bytes, limit: int, path: Path) -> bytes:
        try:
            plain = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(raw, limit + 1)
        except zlib.error:
            return b""
        if len(plain) > limit:
            raise too_large(path, f"has an index that unpacks to more than the {limit:,} bytes it can need")
        return plain

    def _check_data(self, path: Path, offset: int, size: int) -> None:
        if offset + size > path.stat().st_size:
            return
        check_size(size, packed_limit(self._limit) if self._data_is_packed else self._limit, path)
        if not self._data_is_packed:
            return
        stream, total, at = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16), 0, offset
        while at < offset + size and not stream.eof:
            piece = read_at(path, at, min(_PIECE_BYTES, offset + size - at))
            if not piece:
                return
            at += len(piece)
            while piece:
                try:
                    total += len(stream.decompress(piece, _PIECE_BYTES))
                except zlib.error:  # then tensorstore gets no further either
                    return
                if total > self._limit:
                    raise too_large(path, f"unpacks to more than the {self._limit:,} bytes it can hold")
                piece = stream.unconsumed_tail


def morton_code(cell: Sequence[int], grid: Sequence[int]) -> int:
    """The bits of x, y and z in turn, the lowest first; an axis ends where its grid needs no more bits."""
    code = place = 0
    bits = [(size - 1).bit_length() for size in grid]
    for bit in range(max(bits, default=0)):
        for axis in range(3):
            if bit < bits[axis]:
                code |= (cell[axis] >> bit & 1) << place
                place += 1
    return code


def _identity(number: int) -> int:
    return number


def murmurhash(number: int) -> int:
    """The lower 64 bits of MurmurHash3_x86_128 of a number's 8 bytes, seed 0."""
    low, high = number & _MASK, number >> 32 & _MASK
    h1 = _rotated(low * 0x239B961B & _MASK, 15) * 0xAB0E9789 & _MASK ^ 8
    h2 = _rotated(high * 0xAB0E9789 & _MASK, 16) * 0x38B34AE5 & _MASK ^ 8
    h3 = h4 = 8  # the length is mixed into each
    h1 = h1 + h2 + h3 + h4 & _MASK
    h2, h3, h4 = (_mixed(h + h1 & _MASK) for h in (h2, h3, h4))
    h1 = _mixed(h1)
    h1 = h1 + h2 + h3 + h4 & _MASK
    return h1 | (h2 + h1 & _MASK) << 32


def _rotated(number: int, bits: int) -> int:
    return (number << bits | number >> 32 - bits) & _MASK


def _mixed(number: int) -> int:
    number = (number ^ number >> 16) * 0x85EBCA6B & _MASK
    number = (number ^ number >> 13) * 0xC2B2AE35 & _MASK
    return number ^ number >> 16
