"""Zarr v3 shards written whole and read back: bricks of 32³ with channels fastest, then x, y, z.

The layout is that of the ``sharding_indexed`` codec: packed chunks, then an index of (offset, length) of
each, then its CRC32C. https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed/index.html
A chunk of nothing but zeros is not stored, nor is a shard of nothing else.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any, Final

import google_crc32c
import numpy as np
import zstandard
from numpy.typing import NDArray

from wk_jupyter.errors import CorruptData

BRICK: Final = 32
_ABSENT: Final = 2**64 - 1
_CRC: Final = struct.Struct("<I")


def encode_shard(voxels: NDArray[Any], bricks: tuple[int, int, int], level: int) -> bytes | None:
    """Pack voxels (c, z, y, x), which may end before the shard does, into ``bricks`` (z, y, x) bricks.

    Returns None where all of them are zero.
    """
    packed, index = [], np.full((bricks[2], bricks[1], bricks[0], 2), _ABSENT, "<u8")
    compressor = zstandard.ZstdCompressor(level=level)
    end = 0
    for z in range(-(-voxels.shape[1] // BRICK)):
        layer = _by_bricks(voxels[:, z * BRICK : (z + 1) * BRICK])
        filled = layer.reshape(*layer.shape[:2], -1).any(axis=2)
        for y, x in zip(*np.nonzero(filled), strict=True):
            data = compressor.compress(layer[y, x])
            index[x, y, z] = end, len(data)  # arrays are (c, x, y, z): z is the fastest in the index
            packed.append(data)
            end += len(data)
    if not packed:
        return None
    table = index.tobytes()
    return b"".join([*packed, table, _CRC.pack(google_crc32c.value(table))])


def decode_shard(
    data: bytes, bricks: tuple[int, int, int], dtype: np.dtype[Any], channels: int, name: str
) -> NDArray[Any]:
    """Return all voxels (c, z, y, x) of a shard that ``encode_shard`` made. Raises CorruptData."""
    count = bricks[0] * bricks[1] * bricks[2]
    table = data[-16 * count - _CRC.size : -_CRC.size]
    if len(table) != 16 * count or _CRC.pack(google_crc32c.value(table)) != data[-_CRC.size :]:
        raise CorruptData(f"{name} is damaged: its index does not fit.", path=name)
    index = np.frombuffer(table, "<u8").reshape(bricks[2], bricks[1], bricks[0], 2)
    side = BRICK
    result = np.zeros((channels, *(n * side for n in bricks)), dtype)
    decompressor = zstandard.ZstdDecompressor()
    raw_bytes = side**3 * channels * dtype.itemsize
    for x, y, z in np.argwhere(index[..., 0] != _ABSENT):
        offset, length = map(int, index[x, y, z])
        raw = decompressor.decompress(data[offset : offset + length], max_output_size=raw_bytes)
        brick = np.frombuffer(raw, dtype.newbyteorder("<")).reshape(side, side, side, channels)
        place = (slice(None), *(slice(n * side, (n + 1) * side) for n in (z, y, x)))
        result[place] = brick.transpose(3, 0, 1, 2)
    return result


def write_file(path: Path, data: bytes) -> None:
    """Write a file that is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _by_bricks(voxels: NDArray[Any]) -> NDArray[Any]:
    """Return (y bricks, x bricks, z, y, x, c): each brick contiguous, zeros where the voxels end."""
    channels, depth, height, width = voxels.shape
    rows, columns = -(-height // BRICK), -(-width // BRICK)
    if (depth, height, width) != (BRICK, rows * BRICK, columns * BRICK):
        whole = np.zeros((channels, BRICK, rows * BRICK, columns * BRICK), voxels.dtype)
        whole[:, :depth, :height, :width] = voxels
        voxels = whole
    split = voxels.reshape(channels, BRICK, rows, BRICK, columns, BRICK)
    return np.ascontiguousarray(split.transpose(2, 4, 1, 3, 5, 0))
