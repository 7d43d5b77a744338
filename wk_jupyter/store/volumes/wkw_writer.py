"""Writing WKW: whole cube files, each under its final name only when it is complete."""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import lz4.block
import numpy as np
from numpy.typing import NDArray

from wk_jupyter.errors import InvalidInput
from wk_jupyter.geometry import BoundingBox, Vec3Int, Vec3Like
from wk_jupyter.store.volumes.wkw import WkwVolume
from wk_jupyter.store.volumes.wkw_format import (
    HEADER_FILE,
    BlockType,
    WkwHeader,
    cube_path,
    morton_grid,
    read_header,
)

_HC_LEVEL: Final = 9
_POOL: Final = ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1), thread_name_prefix="wkw-write")


class WkwWriter:
    """Writes boxes of voxels into one mag's folder.

    A box may begin and end anywhere: cube files that it covers in part are read, changed and
    replaced. Boxes that are aligned to cube files are the fast way; two writers must not share a
    cube file. A kill leaves each cube file as it was or as it shall be.
    """

    def __init__(self, folder: Path, header: WkwHeader) -> None:
        self.folder = folder
        self.header = header
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / HEADER_FILE).exists():
            if read_header(folder) != header:
                raise InvalidInput(f"{folder} holds WKW of another kind.", hint="Write into an empty folder.")
        else:
            _write_whole(folder / HEADER_FILE, [header.encode(data_offset=0)])

    def write(self, topleft: Vec3Like, voxels: NDArray[Any]) -> None:
        """Write ``voxels`` (c, x, y, z) or (x, y, z); their first voxel comes to ``topleft``, in voxels of this mag."""
        if voxels.ndim == 3:
            voxels = voxels[None]
        if (
            voxels.ndim != 4
            or voxels.shape[0] != self.header.num_channels
            or voxels.dtype != self.header.dtype
        ):
            wanted = f"{self.header.num_channels} channels of {self.header.dtype} as (c, x, y, z)"
            raise InvalidInput(f"{self.folder} takes {wanted}, not {voxels.dtype} of shape {voxels.shape}.")
        box = BoundingBox(topleft, Vec3Int.of(voxels.shape[1:]))
        if min(box.topleft) < 0:
            raise InvalidInput(f"WKW has no negative coordinates: {tuple(box.topleft)}.")
        side = self.header.cube_side
        first, last = box.topleft // side, box.bottomright.ceildiv(side)
        for z in range(first.z, last.z):
            for y in range(first.y, last.y):
                for x in range(first.x, last.x):
                    self._write_cube(Vec3Int(x, y, z), box, voxels)

    def _write_cube(self, cube: Vec3Int, box: BoundingBox, voxels: NDArray[Any]) -> None:
        side = self.header.cube_side
        space = BoundingBox(cube * side, (side, side, side))
        common = space.intersection(box)
        if common == space:
            (x0, y0, z0) = space.topleft - box.topleft
            content = voxels[:, x0 : x0 + side, y0 : y0 + side, z0 : z0 + side]
        else:
            content = WkwVolume(self.folder).read(space)
            (x0, y0, z0), (x1, y1, z1) = common.topleft - space.topleft, common.bottomright - space.topleft
            (u0, v0, w0), (u1, v1, w1) = common.topleft - box.topleft, common.bottomright - box.topleft
            content[:, x0:x1, y0:y1, z0:z1] = voxels[:, u0:u1, v0:v1, w0:w1]
        path = cube_path(self.folder, *cube)
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_whole(path, self._encode(content))

    def _encode(self, content: NDArray[Any]) -> list[bytes]:
        header = self.header
        side, count = header.block_len, header.file_len
        # (c, x, y, z) -> blocks (Z, Y, X) of voxels (z, y, x, c): the order of the file.
        blocks = content.transpose(3, 2, 1, 0).reshape(
            count, side, count, side, count, side, header.num_channels
        )
        blocks = blocks.transpose(0, 2, 4, 1, 3, 5, 6).reshape(
            count**3, side, side, side, header.num_channels
        )
        everywhere = range(count)
        order = np.argsort(morton_grid(everywhere, everywhere, everywhere).ravel())
        little = header.dtype.newbyteorder("<")

        def encode(place: int) -> bytes:
            raw = np.ascontiguousarray(blocks[place], dtype=little).tobytes()
            if header.block_type == BlockType.RAW:
                return raw
            mode = {"mode": "high_compression", "compression": _HC_LEVEL}
            options = mode if header.block_type == BlockType.LZ4HC else {}
            return bytes(lz4.block.compress(raw, store_size=False, **options))

        parts = list(_POOL.map(encode, order.tolist()))
        head = [header.encode(data_offset=header.data_offset)]
        if header.is_compressed:
            ends = header.data_offset + np.cumsum([len(part) for part in parts], dtype=np.uint64)
            head.append(ends.astype("<u8").tobytes())
        return head + parts


def _write_whole(path: Path, parts: list[bytes]) -> None:
    handle, temporary = tempfile.mkstemp(prefix=".writing-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.writelines(parts)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
