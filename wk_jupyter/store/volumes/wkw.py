"""Reading WKW, WEBKNOSSOS's own format of cube files (see ``wkw_format``)."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wk_jupyter.api.frames import decode_payload
from wk_jupyter.datasource import LayerSource, MagSource
from wk_jupyter.errors import CorruptData
from wk_jupyter.geometry import BoundingBox, Vec3Int
from wk_jupyter.store.volumes.base import FIRST_POSITION, BlockIndex, Position, VolumeInfo
from wk_jupyter.store.volumes.block_files import (
    BlockFiles,
    BlockTable,
    OpenFile,
    checked_table,
    read_exactly,
    unreadable,
)
from wk_jupyter.store.volumes.wkw_format import (
    HEADER_BYTES,
    HEADER_FILE,
    MORTON_X,
    MORTON_Y,
    MORTON_Z,
    WkwHeader,
    cube_path,
    morton_grid,
    read_header,
)

# The format knows no extent, and listing a folder of 100,000 cube files takes long: whoever wants to know
# asks for ``stored_box``, all others use the layer's bounding box.
_WHOLE_SPACE: Final = BoundingBox((0, 0, 0), (2**31, 2**31, 2**31))
# Neighbours in a file are read together up to this size, which a core's cache holds.
_RUN_BYTES: Final = 2**18
_POOL: Final = ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1), thread_name_prefix="wkw")


class WkwGrid:
    """How the blocks of a mag are spread over cube files."""

    def __init__(self, folder: Path, header: WkwHeader) -> None:
        self.folder = folder
        self.header = header
        self._shift = header.file_len.bit_length() - 1
        self._mask = header.file_len - 1
        self.layout = header.layout

    def address(self, index: BlockIndex) -> tuple[BlockIndex, int] | None:
        x, y, z = index
        if x < 0 or y < 0 or z < 0:
            return None
        shift, mask = self._shift, self._mask
        number = MORTON_X[x & mask] | MORTON_Y[y & mask] | MORTON_Z[z & mask]
        return (x >> shift, y >> shift, z >> shift), number

    def path(self, file: BlockIndex) -> Path:
        return cube_path(self.folder, *file)

    def load_table(self, descriptor: int, size: int, path: Path) -> BlockTable:
        """Check the head of a cube file and read where its blocks lie."""
        header = self.header
        head = read_exactly(descriptor, HEADER_BYTES, 0, path)
        if WkwHeader.decode(head, path) != header:
            raise CorruptData(
                f"the head of {path} differs from that of {self.folder / HEADER_FILE}.",
                path=str(path),
                hint="All cube files of a mag must be written alike.",
            )
        count, begin = header.blocks_per_file, WkwHeader.stored_data_offset(head)
        if not header.data_offset <= begin <= size:
            raise CorruptData(
                f"{path} says that its voxels begin at byte {begin:,} of {size:,}.",
                path=str(path),
                hint="Copy the file again from its source.",
            )
        if not header.is_compressed:
            starts = begin + np.arange(count, dtype=np.int64) * header.block_bytes
            return checked_table(starts, np.full(count, header.block_bytes), size, self.layout)
        ends = np.frombuffer(read_exactly(descriptor, 8 * count, HEADER_BYTES, path), "<u8").astype(np.int64)
        lengths = ends - np.concatenate(([begin], ends[:-1]))
        # A packed block is never empty: where a cube file is there, none of its blocks is missing.
        return checked_table(ends - lengths, np.where(lengths == 0, -1, lengths), size, self.layout)


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
        cubes = list(self._cubes(inside))
        try:
            self._read_cubes(cubes, box, voxels)
        except CorruptData:
            if not self.stored_blocks.has_changed([file for file, _ in cubes]):
                raise
            # A file was replaced while its old index was known here.
            voxels[...] = 0
            self._read_cubes(cubes, box, voxels)
        return voxels.reshape(z, y, x, channels).transpose(3, 2, 1, 0)

    async def read_async(self, box: BoundingBox, position: Position = FIRST_POSITION) -> NDArray[Any]:
        return await asyncio.to_thread(self.read, box, position)

    def close(self) -> None:
        self.stored_blocks.close()

    def stored_box(self) -> BoundingBox:
        """The smallest box of whole cube files that holds all of them, from the names in the folder."""
        found = [
            (int(x[0]), int(y[0]), int(z[0]))
            for file in self._grid.folder.glob("z*/y*/x*.wkw")
            if (x := re.findall(r"^x(\d+)\.wkw$", file.name))
            and (y := re.findall(r"^y(\d+)$", file.parent.name))
            and (z := re.findall(r"^z(\d+)$", file.parent.parent.name))
        ]
        if not found:
            return BoundingBox((0, 0, 0), (0, 0, 0))
        first = Vec3Int.of([min(axis) for axis in zip(*found, strict=True)])
        last = Vec3Int.of([max(axis) for axis in zip(*found, strict=True)])
        return BoundingBox.from_corners(first * self.header.cube_side, (last + 1) * self.header.cube_side)

    def _read_cubes(
        self, cubes: list[tuple[BlockIndex, BoundingBox]], box: BoundingBox, out: NDArray[Any]
    ) -> None:
        if len(cubes) == 1:  # a hop to another thread costs as much as a few blocks
            self._read_cube(cubes[0], box, out)
            return
        for job in [_POOL.submit(self._read_cube, cube, box, out) for cube in cubes]:
            job.result()

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
        opened = self.stored_blocks.open_file(file)
        if opened is None:
            return
        base = Vec3Int.of(file) * self.header.file_len
        blocks, pastes = zip(*(self._axis(part, box, base, axis) for axis in range(3)), strict=True)
        numbers = morton_grid(*blocks).ravel()
        count_x, count_y = len(blocks[0]), len(blocks[1])
        for run in _runs(numbers, opened.table):
            data = _read_run(opened, run)
            for number, place, block in zip(run.numbers.tolist(), run.places.tolist(), data, strict=True):
                z, rest = divmod(place, count_x * count_y)
                y, x = divmod(rest, count_x)
                voxels = self._decode(block, f"block {number} of {opened.path}")
                (from_x, to_x), (from_y, to_y), (from_z, to_z) = pastes[0][x], pastes[1][y], pastes[2][z]
                out[to_z, to_y, to_x] = voxels[from_z, from_y, from_x]

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
        if header.is_compressed:
            raw: Any = decode_payload(data, self._grid.layout.encoding, header.block_bytes, label=label)
        else:
            raw = data
        return np.frombuffer(raw, header.dtype.newbyteorder("<")).reshape(side, side, -1)


def _read_run(file: OpenFile, run: _Run) -> list[memoryview]:
    starts, lengths = file.table.offsets[run.numbers], file.table.lengths[run.numbers]
    if lengths.min() < 0:
        raise file.damaged(int(run.numbers[lengths.argmin()]))
    begin, end = int(starts[0]), int(starts[-1] + lengths[-1])
    try:
        data = memoryview(read_exactly(file.descriptor, end - begin, begin, file.path))
    except OSError as error:
        raise unreadable(file.path, error) from None
    return [data[s - begin : s - begin + n] for s, n in zip(starts.tolist(), lengths.tolist(), strict=True)]


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
