"""Writing WKW: whole cube files, each under its final name only when it is complete."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import lz4.block
import numpy as np
from numpy.typing import NDArray

from wk_jupyter.api.frames import decode_payload
from wk_jupyter.errors import InvalidInput
from wk_jupyter.geometry import MAX_COORDINATE, BoundingBox, Vec3Int, Vec3Like
from wk_jupyter.store.volumes.base import MISSING, BlockError
from wk_jupyter.store.volumes.block_files import OpenFile
from wk_jupyter.store.volumes.wkw import WkwGrid
from wk_jupyter.store.volumes.wkw_format import (
    HEADER_FILE,
    BlockType,
    WkwHeader,
    cube_path,
    from_morton,
    read_header,
)

_HC_LEVEL: Final = 9
_BLOCKS_AT_ONCE: Final = 256  # packed by the threads, then written: bounds what is held in memory
_POOL: Final = ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1), thread_name_prefix="wkw-write")


class WkwWriter:
    """Writes boxes of voxels into one mag's folder.

    A box may begin and end anywhere: of a cube file that it covers in part, the other blocks are taken
    over as they are stored. Boxes that are aligned to cube files are the fast way. Threads may share a
    writer; two writers must not share a cube file. A kill leaves each cube file as it was or as it
    shall be. Cube files of nothing but zeros are not stored.
    """

    def __init__(self, folder: Path, header: WkwHeader) -> None:
        self.folder = folder
        self.header = header
        self._grid = WkwGrid(folder, header)
        self._locks: dict[Vec3Int, threading.Lock] = {}
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / HEADER_FILE).exists():
            if read_header(folder) != header:
                raise InvalidInput(f"{folder} holds WKW of another kind.", hint="Write into an empty folder.")
        else:
            with _replacing(folder / HEADER_FILE) as stream:
                stream.write(header.encode(data_offset=0))

    def write(self, topleft: Vec3Like, voxels: NDArray[Any]) -> None:
        """Write ``voxels`` (c, x, y, z) or (x, y, z), the first of them to ``topleft``.

        ``topleft`` is in voxels of this mag. Raises InvalidInput where type or channels do not fit, and
        CorruptData where a block that must be changed cannot be read.
        """
        header = self.header
        if voxels.ndim == 3:
            voxels = voxels[np.newaxis]
        fits = voxels.ndim == 4 and voxels.shape[0] == header.num_channels
        if not fits or voxels.dtype.newbyteorder("=") != header.dtype:
            wanted = f"{header.num_channels} channels of {header.dtype} as (c, x, y, z)"
            raise InvalidInput(f"{self.folder} takes {wanted}, not {voxels.dtype} of shape {voxels.shape}.")
        box = BoundingBox(topleft, Vec3Int.of(voxels.shape[1:]))
        if min(box.topleft) < 0 or max(box.bottomright) > MAX_COORDINATE:
            raise InvalidInput(f"WKW has no place for voxels at {box}.")
        if box.is_empty:
            return
        side = header.cube_side
        first, last = box.topleft // side, box.bottomright.ceildiv(side)
        for z in range(first.z, last.z):
            for y in range(first.y, last.y):
                for x in range(first.x, last.x):
                    cube = Vec3Int(x, y, z)
                    with self._locks.setdefault(cube, threading.Lock()):
                        self._write_cube(cube, box, voxels)

    def _write_cube(self, cube: Vec3Int, box: BoundingBox, voxels: NDArray[Any]) -> None:
        side = self.header.cube_side
        space = BoundingBox(cube * side, (side, side, side))
        common = space.intersection(box)
        (x0, y0, z0), (x1, y1, z1) = common.topleft - box.topleft, common.bottomright - box.topleft
        new = voxels[:, x0:x1, y0:y1, z0:z1]
        path = cube_path(self.folder, *cube)
        exists = path.exists()
        if (not exists or common == space) and not new.any():
            path.unlink(missing_ok=True)
            return
        old = OpenFile(path, self._grid) if exists and common != space else None
        path.parent.mkdir(parents=True, exist_ok=True)
        part = _CubePart(self.header, common.topleft - space.topleft, new, old)
        with _replacing(path) as stream:
            part.write_to(stream)


class _CubePart:
    """New voxels for a box within one cube file, over what the file holds already."""

    def __init__(
        self, header: WkwHeader, corner: Vec3Int, voxels: NDArray[Any], old: OpenFile | None
    ) -> None:
        self._header = header
        self._corner = corner
        self._voxels = voxels
        self._old = old
        self._no_voxels = self._pack(bytes(header.block_bytes))

    def write_to(self, stream: BinaryIO) -> None:
        header = self._header
        count, end = header.blocks_per_file, header.data_offset
        ends = np.empty(count if header.is_compressed else 0, "<u8")
        stream.write(header.encode(data_offset=end))
        stream.write(ends.tobytes())  # its place; its content is known at the end
        for start in range(0, count, _BLOCKS_AT_ONCE):
            numbers = range(start, min(start + _BLOCKS_AT_ONCE, count))
            blocks = list(_POOL.map(self._block, numbers))
            stream.writelines(blocks)
            if header.is_compressed:
                ends[numbers.start : numbers.stop] = end + np.cumsum([len(block) for block in blocks])
                end = int(ends[numbers.stop - 1])
        if header.is_compressed:
            stream.seek(len(header.encode(data_offset=0)))
            stream.write(ends.tobytes())

    def _block(self, number: int) -> bytes:
        """Return a block as it is to be stored."""
        header, side = self._header, self._header.block_len
        cuts = [
            (max(0, c - n * side), min(side, c + size - n * side), n * side - c)
            for n, c, size in zip(from_morton(number), self._corner, self._voxels.shape[1:], strict=True)
        ]  # of x, y, z: the new voxels' begin and end in the block, and the block's begin in them
        if any(end <= begin for begin, end, _ in cuts):
            return self._stored(number)
        here = tuple(slice(begin, end) for begin, end, _ in cuts)
        there = tuple(slice(begin + at, end + at) for begin, end, at in cuts)
        new = self._voxels[:, *there]
        if new.shape[1:] != (side, side, side):
            whole = self._decoded(number)
            whole[:, *here] = new
            new = whole
        little = header.dtype.newbyteorder("<")
        return self._pack(np.ascontiguousarray(new.transpose(3, 2, 1, 0), little).tobytes())

    def _stored(self, number: int) -> bytes:
        if self._old is None:
            return self._no_voxels
        block = self._old.read(number)
        if isinstance(block, BlockError):
            raise block.error
        return self._no_voxels if block is MISSING else bytes(block)  # type: ignore[arg-type]

    def _decoded(self, number: int) -> NDArray[Any]:
        """Return the voxels (c, x, y, z) of a block that the file holds, to be changed."""
        header, side = self._header, self._header.block_len
        path = self._old.path if self._old else "an empty cube"
        stored, encoding = self._stored(number), header.layout.encoding
        raw = decode_payload(stored, encoding, header.block_bytes, lambda: f"block {number} of {path}")
        voxels = np.frombuffer(bytearray(raw), header.dtype.newbyteorder("<"))
        return voxels.reshape(side, side, side, header.num_channels).transpose(3, 2, 1, 0)

    def _pack(self, raw: bytes) -> bytes:
        kind = self._header.block_type
        if kind == BlockType.RAW:
            return raw
        options = {"mode": "high_compression", "compression": _HC_LEVEL} if kind == BlockType.LZ4HC else {}
        return bytes(lz4.block.compress(raw, store_size=False, **options))


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file that takes the place of ``path`` when all of it is on disk, or leaves no trace."""
    handle, temporary = tempfile.mkstemp(prefix=".writing-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
