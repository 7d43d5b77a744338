"""Reading WKW, WEBKNOSSOS's own format of cube files (see ``wkw_format``)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wk_jupyter.api.frames import Encoding
from wk_jupyter.datasource import LayerSource, MagSource
from wk_jupyter.errors import CorruptData
from wk_jupyter.geometry import BoundingBox, Vec3Int
from wk_jupyter.store.volumes.base import FIRST_POSITION, BlockIndex, BlockLayout, Position, VolumeInfo
from wk_jupyter.store.volumes.block_files import (
    BlockFiles,
    BlockTable,
    checked_table,
    read_exactly,
    unreadable,
)
from wk_jupyter.store.volumes.codecs import decode_block
from wk_jupyter.store.volumes.wkw_format import (
    HEADER_BYTES,
    WkwHeader,
    cube_path,
    morton,
    morton_grid,
    read_header,
)

_WHOLE_SPACE: Final = BoundingBox((0, 0, 0), (2**31, 2**31, 2**31))
_RUN_BYTES: Final = (
    2**18
)  # neighbours in a file are read together up to this size, which a core's cache holds
_POOL: Final = ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1), thread_name_prefix="wkw")


class WkwGrid:
    """How the blocks of a mag are spread over cube files."""

    def __init__(self, folder: Path, header: WkwHeader) -> None:
        self.folder = folder
        self.header = header
        self._shift = header.file_len.bit_length() - 1
        self._mask = header.file_len - 1
        encoding = Encoding.LZ4 if header.is_compressed else Encoding.RAW
        self.layout = BlockLayout(Vec3Int.of(header.block_len), encoding, header.block_bytes)

    def address(self, index: BlockIndex) -> tuple[BlockIndex, int] | None:
        x, y, z = index
        if x < 0 or y < 0 or z < 0:
            return None
        shift, mask = self._shift, self._mask
        return (x >> shift, y >> shift, z >> shift), morton(x & mask, y & mask, z & mask)

    def path(self, file: BlockIndex) -> Path:
        return cube_path(self.folder, *file)

    def load_table(self, descriptor: int, size: int, path: Path) -> BlockTable:
        header = self.header
        own = WkwHeader.decode(read_exactly(descriptor, HEADER_BYTES, 0, path), path)
        if own != header:
            raise CorruptData(
                f"the head of {path} differs from that of {self.folder / 'header.wkw'}.",
                path=str(path),
                hint="All cube files of a mag must be written alike.",
            )
        count = header.blocks_per_file
        if not header.is_compressed:
            starts = HEADER_BYTES + np.arange(count, dtype=np.int64) * header.block_bytes
            return checked_table(starts, np.full(count, header.block_bytes), size)
        ends = np.frombuffer(read_exactly(descriptor, 8 * count, HEADER_BYTES, path), "<u8").astype(np.int64)
        starts = np.concatenate(([header.data_offset], ends[:-1]))
        table = checked_table(starts, ends - starts, size)
        # A stored block is never empty; and LZ4 grows what it cannot pack by 1/255 at most.
        table.lengths[(table.lengths == 0) | (table.lengths > header.block_bytes * 256 // 255 + 64)] = -1
        return table


@dataclass(frozen=True)
class _Run:
    """Blocks that follow one another in a file: their numbers, and where each lies in the box of blocks."""

    numbers: NDArray[np.int64]
    places: NDArray[np.int64]


class WkwVolume:
    """One mag in WKW. A cube file that is not there is zeros."""

    def __init__(self, folder: Path) -> None:
        self.header = read_header(folder)
        self._grid = WkwGrid(folder, self.header)
        self.stored_blocks = BlockFiles(self._grid)
        self.info = VolumeInfo(
            dtype=self.header.dtype,
            num_channels=self.header.num_channels,
            bounds=_WHOLE_SPACE,
            chunk_shape=Vec3Int.of(self.header.block_len),
            label=str(folder),
        )

    def read(self, box: BoundingBox, position: Position = FIRST_POSITION) -> NDArray[Any]:  # noqa: ARG002 WKW has no more axes
        """Return the voxels of ``box`` as (c, x, y, z). Raises CorruptData, naming the file."""
        # Built as (z, y, x·c), which is how voxels lie in a block: numpy copies long inner rows fast.
        x, y, z = box.size
        channels = self.header.num_channels
        voxels = np.zeros((z, y, x * channels), self.header.dtype)
        inside = box.intersection(_WHOLE_SPACE)
        jobs = [_POOL.submit(self._read_cube, cube, box, voxels) for cube in self._cubes(inside)]
        for job in jobs:
            job.result()
        return voxels.reshape(z, y, x, channels).transpose(3, 2, 1, 0)

    async def read_async(self, box: BoundingBox, position: Position = FIRST_POSITION) -> NDArray[Any]:
        return await asyncio.to_thread(self.read, box, position)

    def close(self) -> None:
        self.stored_blocks.close()

    def _cubes(self, box: BoundingBox) -> Iterator[tuple[BlockIndex, BoundingBox]]:
        """Cube files that a box meets, each cut into parts small enough to share between threads."""
        if box.is_empty:
            return
        side = self.header.cube_side
        first, last = box.topleft // side, box.bottomright.ceildiv(side)
        for z in range(first.z, last.z):
            for y in range(first.y, last.y):
                for x in range(first.x, last.x):
                    part = box.intersection(BoundingBox(Vec3Int(x, y, z) * side, Vec3Int.of(side)))
                    yield from (((x, y, z), piece) for piece in self._pieces(part))

    def _pieces(self, part: BoundingBox) -> Iterator[BoundingBox]:
        step = max(self.header.block_len, self.header.cube_side // 8, 128)
        z = part.topleft.z
        while z < part.bottomright.z:
            end = min((z // step + 1) * step, part.bottomright.z)
            yield BoundingBox((part.topleft.x, part.topleft.y, z), (part.size.x, part.size.y, end - z))
            z = end

    def _read_cube(self, cube: tuple[BlockIndex, BoundingBox], box: BoundingBox, out: NDArray[Any]) -> None:
        file, part = cube
        opened = self.stored_blocks.table(file)
        if opened is None:
            return
        descriptor, table, keep_open = opened
        base = Vec3Int.of(file) * self.header.file_len
        blocks, pastes = zip(*(self._axis(part, box, base, axis) for axis in range(3)), strict=True)
        numbers = morton_grid(*blocks).ravel()
        path = self._grid.path(file)
        count_x, count_y = len(blocks[0]), len(blocks[1])
        for run in _runs(numbers, table):
            data = self._read_run(descriptor, table, run, path)
            for number, place, block in zip(run.numbers.tolist(), run.places.tolist(), data, strict=True):
                z, rest = divmod(place, count_x * count_y)
                y, x = divmod(rest, count_x)
                voxels = self._decode(block, f"block {number} of {path}")
                (from_x, to_x), (from_y, to_y), (from_z, to_z) = pastes[0][x], pastes[1][y], pastes[2][z]
                out[to_z, to_y, to_x] = voxels[from_z, from_y, from_x]
        del keep_open

    def _axis(
        self, part: BoundingBox, box: BoundingBox, base: Vec3Int, axis: int
    ) -> tuple[range, list[tuple[slice, slice]]]:
        """The blocks of a file along one axis, and which of their voxels go where in the box."""
        side = self.header.block_len
        begin, end, origin = part.topleft[axis], part.bottomright[axis], box.topleft[axis]
        blocks = range(begin // side, -(-end // side))
        width = self.header.num_channels if axis == 0 else 1
        cuts = [(max(begin, b * side), min(end, (b + 1) * side), b * side) for b in blocks]
        pastes = [
            (slice((lo - at) * width, (hi - at) * width), slice((lo - origin) * width, (hi - origin) * width))
            for lo, hi, at in cuts
        ]
        return range(blocks.start - base[axis], blocks.stop - base[axis]), pastes

    def _decode(self, data: memoryview, label: str) -> NDArray[Any]:
        header, side = self.header, self.header.block_len
        raw = decode_block(data, self._grid.layout.encoding, header.block_bytes, label)
        return np.frombuffer(raw, header.dtype.newbyteorder("<")).reshape(side, side, -1)

    def _read_run(self, descriptor: int, table: BlockTable, run: _Run, path: Path) -> list[memoryview]:
        starts, lengths = table.offsets[run.numbers], table.lengths[run.numbers]
        if lengths.min() < 0:
            raise CorruptData(
                f"block {int(run.numbers[lengths.argmin()])} of {path} lies outside of the file.",
                path=str(path),
                hint="The file was cut short or its index is damaged: copy it again from its source.",
            )
        begin, end = int(starts[0]), int(starts[-1] + lengths[-1])
        try:
            data = memoryview(read_exactly(descriptor, end - begin, begin, path))
        except OSError as error:
            raise unreadable(path, error) from None
        return [
            data[s - begin : s - begin + n] for s, n in zip(starts.tolist(), lengths.tolist(), strict=True)
        ]


def _runs(numbers: NDArray[np.int64], table: BlockTable) -> Iterator[_Run]:
    """Sort blocks into runs that lie together in the file, so that each run is one read."""
    order = np.argsort(numbers)
    ordered = numbers[order]
    lengths = np.maximum(table.lengths[ordered], 0)
    filled = np.cumsum(lengths) // _RUN_BYTES
    breaks = np.flatnonzero((np.diff(ordered) != 1) | (np.diff(filled) != 0)) + 1
    for part in np.split(np.arange(len(ordered)), breaks):
        yield _Run(ordered[part], order[part])


def open_wkw(path: Path, layer: LayerSource, mag: MagSource) -> WkwVolume:  # noqa: ARG001 the header tells all
    """Open one WKW mag. Raises CorruptData, naming the file."""
    return WkwVolume(path)
