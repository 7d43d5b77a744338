"""WKW on disk: the 16-byte head, the jump table, and the Morton order of blocks.

Source: https://github.com/scalableminds/webknossos-wrap (SPECIFICATION.md); where its revisions
differ (the order of the two nibbles), this follows the files that its library writes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wk_jupyter.api.frames import Encoding
from wk_jupyter.errors import CorruptData, InvalidInput
from wk_jupyter.geometry import Vec3Int
from wk_jupyter.store.volumes.base import BlockLayout

HEADER_BYTES: Final = 16
HEADER_FILE: Final = "header.wkw"
_HEADER: Final = struct.Struct("<3sBBBBBQ")
_VOXEL_TYPES: Final = (
    "uint8", "uint16", "uint32", "uint64", "float32", "float64", "int8", "int16", "int32", "int64",
)  # fmt: skip
_VERSION: Final = 1
_MAX_BLOCK_BYTES: Final = 2**28
_MAX_FILE_LEN: Final = 128  # 2**21 blocks: their jump table alone has 16 MiB


class BlockType(IntEnum):
    RAW = 1
    LZ4 = 2
    LZ4HC = 3


@dataclass(frozen=True)
class WkwHeader:
    """What all cube files of one mag have in common.

    A cube file holds ``file_len``³ blocks of ``block_len``³ voxels; both are powers of two.
    """

    dtype: np.dtype[Any]
    num_channels: int = 1
    block_len: int = 32
    file_len: int = 32
    block_type: BlockType = BlockType.RAW

    def __post_init__(self) -> None:
        for name in ("block_len", "file_len"):
            side = getattr(self, name)
            if side < 1 or side > 2**15 or side & (side - 1):
                raise InvalidInput(f"{name} of WKW must be a power of two up to 32768, not {side}.")
        if self.dtype.name not in _VOXEL_TYPES:
            raise InvalidInput(
                f"WKW has no voxel type {self.dtype}.", hint=f"Use one of {', '.join(_VOXEL_TYPES)}."
            )
        if not 1 <= self.voxel_bytes <= 255:
            raise InvalidInput(f"a WKW voxel has at most 255 bytes, not {self.voxel_bytes}.")

    @property
    def voxel_bytes(self) -> int:
        return self.dtype.itemsize * self.num_channels

    @property
    def block_bytes(self) -> int:
        return self.block_len**3 * self.voxel_bytes

    @property
    def cube_side(self) -> int:
        """Voxels along one side of a cube file."""
        return self.block_len * self.file_len

    @property
    def blocks_per_file(self) -> int:
        return self.file_len**3

    @property
    def is_compressed(self) -> bool:
        return self.block_type != BlockType.RAW

    @property
    def data_offset(self) -> int:
        return HEADER_BYTES + (8 * self.blocks_per_file if self.is_compressed else 0)

    @property
    def layout(self) -> BlockLayout:
        encoding = Encoding.LZ4 if self.is_compressed else Encoding.RAW
        return BlockLayout(Vec3Int.of(self.block_len), encoding, self.block_bytes)

    def encode(self, *, data_offset: int) -> bytes:
        lengths = (self.file_len.bit_length() - 1) << 4 | (self.block_len.bit_length() - 1)
        voxel_type = _VOXEL_TYPES.index(self.dtype.name) + 1
        return _HEADER.pack(
            b"WKW", _VERSION, lengths, self.block_type, voxel_type, self.voxel_bytes, data_offset
        )

    @classmethod
    def decode(cls, data: bytes, path: Path) -> WkwHeader:
        """Read a header; ``path`` is the file that errors name. Raises CorruptData."""
        if len(data) < HEADER_BYTES:
            raise _bad(path, f"has {len(data)} bytes, a WKW header has {HEADER_BYTES}")
        magic, version, lengths, block_type, voxel_type, voxel_bytes, _ = _HEADER.unpack(data[:HEADER_BYTES])
        if magic != b"WKW":
            raise _bad(path, f'does not begin with "WKW" but with {magic!r}')
        if version != _VERSION:
            raise _bad(path, f"has WKW version {version}, version {_VERSION} is what can be read")
        if not 1 <= voxel_type <= len(_VOXEL_TYPES):
            raise _bad(path, f"has the unknown voxel type {voxel_type}")
        if not 1 <= block_type <= 3:
            raise _bad(path, f"has the unknown block type {block_type}")
        dtype = np.dtype(_VOXEL_TYPES[voxel_type - 1])
        if voxel_bytes == 0 or voxel_bytes % dtype.itemsize:
            raise _bad(path, f"has voxels of {voxel_bytes} bytes, which {dtype} does not divide")
        try:
            header = cls(
                dtype,
                voxel_bytes // dtype.itemsize,
                1 << (lengths & 15),
                1 << (lengths >> 4),
                BlockType(block_type),
            )
        except InvalidInput as error:
            raise _bad(path, f"is impossible: {error.message}") from None
        if header.block_bytes > _MAX_BLOCK_BYTES or header.file_len > _MAX_FILE_LEN:
            raise _bad(
                path, f"promises blocks of {header.block_bytes:,} bytes, {header.file_len} along a side"
            )
        return header

    @staticmethod
    def stored_data_offset(data: bytes) -> int:
        """Return the last field of a cube's header, the one in which cubes of a mag may differ."""
        return int(_HEADER.unpack(data[:HEADER_BYTES])[-1])


def read_header(folder: Path) -> WkwHeader:
    """Read ``header.wkw`` of a mag's folder. Raises CorruptData, naming the file."""
    path = folder / HEADER_FILE
    try:
        with path.open("rb") as stream:
            return WkwHeader.decode(stream.read(HEADER_BYTES), path)
    except OSError as error:
        raise CorruptData(
            f"{path} cannot be read: {error.strerror}.",
            path=str(path),
            hint="A WKW mag is a folder with header.wkw and zZ/yY/xX.wkw files.",
        ) from None


def cube_path(folder: Path, x: int, y: int, z: int) -> Path:
    """Where the cube file at the given place, counted in cubes, lies."""
    return folder / f"z{z}" / f"y{y}" / f"x{x}.wkw"


def _spread() -> list[int]:
    return [sum((n >> bit & 1) << (3 * bit) for bit in range(7)) for n in range(_MAX_FILE_LEN)]


# The number of a block in its file has the bits of x, y, z interleaved, x lowest: add one of each.
MORTON_X: Final = _spread()
MORTON_Y: Final = [n << 1 for n in MORTON_X]
MORTON_Z: Final = [n << 2 for n in MORTON_X]
_SPREAD_ARRAY: Final = np.array(MORTON_X, dtype=np.int64)


def morton_grid(x: range, y: range, z: range) -> NDArray[np.int64]:
    """The numbers of a box of blocks, as an array (z, y, x)."""
    sx, sy, sz = (_SPREAD_ARRAY[r.start : r.stop] for r in (x, y, z))
    return sz[:, None, None] << 2 | sy[None, :, None] << 1 | sx[None, None, :]


def from_morton(number: int) -> tuple[int, int, int]:
    """Return x, y, z of a block's number in its file."""
    x, y, z = (sum((number >> (3 * bit + axis) & 1) << bit for bit in range(7)) for axis in range(3))
    return x, y, z


def _bad(path: Path, reason: str) -> CorruptData:
    return CorruptData(
        f"{path} {reason}.", path=str(path), hint="Is this folder really a WKW mag? Copy it again."
    )
