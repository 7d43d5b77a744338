"""Zarr v3 shards written whole and read back: bricks of 32³ with channels fastest, then x, y, z.

The layout is that of the ``sharding_indexed`` codec: packed chunks, then an index of (offset, length) of
each, then its CRC32C. https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed/index.html
A chunk of nothing but zeros is not stored, nor is a shard of nothing else.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any, Final

import google_crc32c
import numpy as np
import zstandard
from numpy.typing import NDArray

from wk_jupyter.errors import CorruptData

BRICK: Final = 32
_ABSENT: Final = 2**64 - 1
_BUFFER: Final = 2**20
_CRC: Final = struct.Struct("<I")


def encode_shard(voxels: NDArray[Any], bricks: tuple[int, int, int], level: int) -> list[bytes] | None:
    """Pack voxels (c, z, y, x), which may end before the shard does, into ``bricks`` (z, y, x) bricks.

    Returns the pieces of the file in their order, None where all voxels are zero.
    """
    packed: list[bytes] = []
    index = np.full((bricks[2], bricks[1], bricks[0], 2), _ABSENT, "<u8")
    compressor = zstandard.ZstdCompressor(level=level)
    channels, depth, height, width = voxels.shape
    columns = -(-width // BRICK)
    row = np.zeros((columns, BRICK, BRICK, BRICK, channels), voxels.dtype)
    end = 0
    for z, y in product(range(-(-depth // BRICK)), range(-(-height // BRICK))):
        part = voxels[:, z * BRICK : (z + 1) * BRICK, y * BRICK : (y + 1) * BRICK]
        _fill(row, part)
        for x in np.flatnonzero(row.reshape(columns, -1).any(axis=1)):
            data = compressor.compress(row[x])
            index[x, y, z] = end, len(data)  # arrays are (c, x, y, z): z is the fastest in the index
            packed.append(data)
            end += len(data)
    if not packed:
        return None
    table = index.tobytes()
    return [*packed, table, _CRC.pack(google_crc32c.value(table))]


def _fill(row: NDArray[Any], part: NDArray[Any]) -> None:
    """Cut voxels (c, z, y, x), a brick high and deep at most, into bricks (x brick, z, y, x, c)."""
    _, depth, height, width = part.shape
    whole = width // BRICK
    if (depth, height) != row.shape[1:3] or whole != len(row):
        row.fill(0)
    cut = part[..., : whole * BRICK].reshape(*part.shape[:3], whole, BRICK)
    row[:whole, :depth, :height] = cut.transpose(3, 1, 2, 4, 0)
    if whole != len(row):
        row[whole, :depth, :height, : width - whole * BRICK] = part[..., whole * BRICK :].transpose(
            1, 2, 3, 0
        )


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


def write_file(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a file, of pieces one after the other, that is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb", buffering=_BUFFER) as stream:
            stream.writelines(pieces)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
