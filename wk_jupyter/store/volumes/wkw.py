"""Reading WKW, WEBKNOSSOS's own format of cube files (see ``wkw_format``)."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wk_jupyter.api.frames import Encoding, decode_payload
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
_RUN_BYTES: Final = 2**20
_POOL: Final = ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1), thread_name_prefix="wkw")


class WkwGrid:
    """How the blocks of a mag are spread over cube files."""

    def __init__(self, folder: Path, header: WkwHeader) -> None:
        self.folder = folder
        self.header = header
        self._shift = header.file_len.bit_length() - 1
        self._mask = header.file_len - 1
        self.layout = header.layout

    def addresses(self, indices: Sequence[BlockIndex]) -> list[tuple[BlockIndex, int] | None]:
        shift, mask = self._shift, self._mask
        return [
            None
            if (x | y | z) < 0
            else (
                (x >> shift, y >> shift, z >> shift),
                MORTON_X[x & mask] | MORTON_Y[y & mask] | MORTON_Z[z & mask],
            )
            for x, y, z in indices
        ]

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
        # Little-endian (z, y, x·c), as voxels lie in a block: rows along x are copied as bytes.
        x, y, z = box.size
        header = self.header
        voxels = np.zeros((z, y, x * header.num_channels), header.dtype.newbyteorder("<"))
        parts = list(self._parts(box))
        try:
            self._read_parts(parts, voxels)
        except CorruptData:
            if not self.stored_blocks.has_changed([part.file for part in parts]):
                raise
            # A file was replaced while its old index was known here.
            voxels[...] = 0
            self._read_parts(parts, voxels)
        voxels = voxels.astype(header.dtype, copy=False)
        return voxels.reshape(z, y, x, header.num_channels).transpose(3, 2, 1, 0)

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

    def _read_parts(self, parts: list[_Part], out: NDArray[Any]) -> None:
        if len(parts) == 1:  # a hop to another thread costs as much as a few blocks
            self._read_part(parts[0], out)
            return
        jobs = [_POOL.submit(self._read_part, part, out) for part in parts]
        wait(jobs)  # also after a failure: none may write into ``out`` later
        for job in jobs:
            job.result()

    def _parts(self, box: BoundingBox) -> Iterator[_Part]:
        """Cut a box along cube files, and these into slabs small enough to share between threads."""
        inside = box.intersection(_WHOLE_SPACE)
        if inside.is_empty:
            return
        side = self.header.cube_side
        slab = max(self.header.block_len, min(side, 128))
        origin, begin, end = box.topleft, inside.topleft, inside.bottomright
        for z in range(begin.z // slab, -(-end.z // slab)):
            for y in range(begin.y // side, -(-end.y // side)):
                for x in range(begin.x // side, -(-end.x // side)):
                    first = Vec3Int(x * side, y * side, z * slab)
                    yield _Part(
                        file=(x, y, z * slab // side),
                        begin=first.pairmax(begin),
                        end=(first + Vec3Int(side, side, slab)).pairmin(end),
                        origin=origin,
                    )

    def _read_part(self, part: _Part, out: NDArray[Any]) -> None:
        file = self.stored_blocks.open_file(part.file)
        if file is None:
            return
        header, size = self.header, self.header.block_bytes
        strides = (header.block_len**2 * header.voxel_bytes, header.block_len * header.voxel_bytes)
        is_compressed = header.is_compressed
        copies = _copies(part, header, out)
        # A row of voxels along x as one element: about twice as fast as element by element.
        rows = {width: np.dtype((np.void, width)) for width in np.unique(copies["width"]).tolist()}
        target_data, target_strides = out.data, out.strides[:2]
        for run in _runs(copies["number"], file):
            for copy, start, stop in zip(copies[run.order].tolist(), run.starts, run.stops, strict=True):
                number, source, target, depth, height, width = copy
                block: Any = run.data[start:stop]
                if is_compressed:
                    block = decode_payload(block, Encoding.LZ4, size, partial(_name, file, number))
                row, shape = rows[width], (depth, height)
                voxels: NDArray[Any] = np.ndarray(shape, row, block, source, strides)
                np.ndarray(shape, row, target_data, target, target_strides)[...] = voxels


def _name(file: OpenFile, number: int) -> str:
    return f"block {number} of {file.path}"


@dataclass(frozen=True)
class _Part:
    """A part of a box that one cube file holds; corners in voxels of the mag, ``origin`` that of the box."""

    file: BlockIndex
    begin: Vec3Int
    end: Vec3Int
    origin: Vec3Int


@dataclass(frozen=True)
class _Run:
    """Blocks that follow one another in a file, as bytes: ``order`` are their places in the table."""

    order: NDArray[np.int64]
    data: memoryview
    starts: list[int]
    stops: list[int]


_COPY: Final = np.dtype([(name, "i8") for name in ("number", "from", "to", "depth", "height", "width")])


def _copies(part: _Part, header: WkwHeader, out: NDArray[Any]) -> NDArray[Any]:
    """Tell for each block of a part its number in the file and which bytes of it go where in ``out``."""
    side, voxel = header.block_len, header.voxel_bytes
    blocks, sources, targets, counts = [], [], [], []
    for begin, end, origin in zip(part.begin, part.end, part.origin, strict=True):
        blocks.append(range(begin // side, -(-end // side)))
        starts = np.arange(blocks[-1].start, blocks[-1].stop) * side
        first, last = np.maximum(starts, begin), np.minimum(starts + side, end)
        sources.append(first - starts)
        targets.append(first - origin)
        counts.append(last - first)
    mask = header.file_len - 1
    inner = [range(axis.start & mask, (axis.start & mask) + len(axis)) for axis in blocks]
    copies = np.empty(tuple(map(len, reversed(blocks))), _COPY)
    copies["number"] = morton_grid(*inner)
    copies["from"] = _sum_of_axes(sources, (voxel, side * voxel, side**2 * voxel))
    copies["to"] = _sum_of_axes(targets, (voxel, out.strides[1], out.strides[0]))
    copies["depth"] = counts[2][:, np.newaxis, np.newaxis]
    copies["height"] = counts[1][:, np.newaxis]
    copies["width"] = counts[0] * voxel
    return copies.reshape(-1)


def _sum_of_axes(places: list[NDArray[np.int64]], strides: tuple[int, int, int]) -> NDArray[np.int64]:
    x, y, z = (place * stride for place, stride in zip(places, strides, strict=True))
    return z[:, np.newaxis, np.newaxis] + y[:, np.newaxis] + x


def _runs(numbers: NDArray[np.int64], file: OpenFile) -> Iterator[_Run]:
    """Sort blocks into runs that lie together in the file, and read each run at once."""
    order = np.argsort(numbers)
    ordered = numbers[order]
    starts, lengths = file.table.offsets[ordered], file.table.lengths[ordered]
    if lengths.min() < 0:
        raise file.damaged(int(ordered[lengths.argmin()]))
    filled = np.cumsum(lengths) // _RUN_BYTES
    breaks = np.flatnonzero((np.diff(ordered) != 1) | (np.diff(filled) != 0)) + 1
    edges = [0, *breaks.tolist(), len(ordered)]
    for i, j in pairwise(edges):
        at = int(starts[i])
        try:
            data = read_exactly(file.descriptor, int(starts[j - 1] + lengths[j - 1]) - at, at, file.path)
        except OSError as error:
            raise unreadable(file.path, error) from None
        begins = starts[i:j] - at
        stops = begins + lengths[i:j]
        yield _Run(order[i:j], memoryview(data), begins.tolist(), stops.tolist())


def open_wkw(path: Path, layer: LayerSource, mag: MagSource) -> WkwVolume:  # noqa: ARG001 the header tells all
    """Open one WKW mag. Raises CorruptData, naming the file."""
    return WkwVolume(path)
