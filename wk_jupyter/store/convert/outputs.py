"""Where the voxels of one mag go: Zarr v3 shards or WKW cubes, each file written whole by one task.

Places and shapes are z, y, x in voxels of the mag, counted from voxel 0 of the dataset; arrays (c, z, y, x).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from wk_jupyter.api import ngff
from wk_jupyter.datasource import LayerSource
from wk_jupyter.geometry import BoundingBox, Mag
from wk_jupyter.store.convert.shards import BRICK, decode_shard, encode_shard, write_file
from wk_jupyter.store.volumes.wkw import WkwVolume
from wk_jupyter.store.volumes.wkw_format import BlockType, WkwHeader
from wk_jupyter.store.volumes.wkw_writer import WkwWriter

ZYX = tuple[int, int, int]
_BLOCK_TYPES: Final = {"raw": BlockType.RAW, "lz4": BlockType.LZ4, "lz4hc": BlockType.LZ4HC}


class MagOutput(Protocol):
    """One mag of a layer, at one point in time where it has several."""

    def prepare(self) -> None:
        """Make the folder and its metadata."""
        ...

    def write(self, start: ZYX, voxels: NDArray[Any], time: int) -> None: ...

    def read(self, start: ZYX, shape: ZYX, time: int) -> NDArray[Any]: ...


@dataclass(frozen=True)
class ZarrMag:
    """A sharded Zarr v3 array (c[, t], x, y, z). ``shard``: voxels of a shard along z, y, x."""

    folder: Path
    layer: LayerSource
    mag: Mag
    shard: ZYX
    level: int

    def prepare(self) -> None:
        rank = 1 + len(self.layer.additional_axes)
        little = {"name": "bytes", "configuration": {"endian": "little"}}
        inner = {
            "chunk_shape": list(ngff.chunk_shape(self.layer)),
            "codecs": [
                {"name": "transpose", "configuration": {"order": list(range(rank + 3))[::-1]}},
                little,
                {"name": "zstd", "configuration": {"level": self.level, "checksum": False}},
            ],
            "index_codecs": [little, {"name": "crc32c"}],
            "index_location": "end",
        }
        document = ngff.zarr3_array(self.layer, self.mag)
        shard = [*ngff.chunk_shape(self.layer)[:rank], *self.shard[::-1]]
        document["chunk_grid"]["configuration"]["chunk_shape"] = shard
        document["codecs"] = [{"name": "sharding_indexed", "configuration": inner}]
        write_file(self.folder / "zarr.json", [msgspec.json.format(msgspec.json.encode(document))])

    def write(self, start: ZYX, voxels: NDArray[Any], time: int) -> None:
        for place, cut, offset in self._shards(start, voxels.shape[1:]):
            part = voxels[(slice(None), *cut)]
            if any(offset):
                part = np.pad(part, [(0, 0), *((before, 0) for before in offset)])
            pieces = encode_shard(part, self._bricks(), self.level)
            path = self._path(place, time)
            if pieces is None:
                path.unlink(missing_ok=True)
            else:
                write_file(path, pieces)

    def read(self, start: ZYX, shape: ZYX, time: int) -> NDArray[Any]:
        channels, dtype = self.layer.num_channels, self.layer.dtype
        result = np.zeros((channels, *shape), dtype)
        for place, cut, offset in self._shards(start, shape):
            path = self._path(place, time)
            try:
                data = path.read_bytes()
            except FileNotFoundError:
                continue
            whole = decode_shard(data, self._bricks(), dtype, channels, str(path))
            inside = (slice(o, o + c.stop - c.start) for o, c in zip(offset, cut, strict=True))
            result[(slice(None), *cut)] = whole[(slice(None), *inside)]
        return result

    def _bricks(self) -> ZYX:
        z, y, x = (side // BRICK for side in self.shard)
        return (z, y, x)

    def _path(self, place: ZYX, time: int) -> Path:
        times = [str(time)] if self.layer.additional_axes else []
        return self.folder.joinpath("c", "0", *times, *map(str, place[::-1]))

    def _shards(
        self, start: ZYX, shape: tuple[int, ...]
    ) -> Iterator[tuple[ZYX, tuple[slice, ...], tuple[int, ...]]]:
        """Each shard that a box meets: its place, what of the box is in it, and where that begins in it."""
        ranges = [
            range(s // side, -(-(s + n) // side)) for s, n, side in zip(start, shape, self.shard, strict=True)
        ]
        for place in product(*ranges):
            cut, offset = [], []
            for number, s, n, side in zip(place, start, shape, self.shard, strict=True):
                low, high = max(s, number * side), min(s + n, (number + 1) * side)
                cut.append(slice(low - s, high - s))
                offset.append(low - number * side)
            yield (place[0], place[1], place[2]), tuple(cut), tuple(offset)


@dataclass(frozen=True)
class WkwMag:
    """A folder of WKW cubes of ``side`` voxels."""

    folder: Path
    layer: LayerSource
    side: int
    compression: str

    def prepare(self) -> None:
        self._writer()

    def write(self, start: ZYX, voxels: NDArray[Any], time: int) -> None:  # noqa: ARG002 - WKW has no time
        self._writer().write(start[::-1], voxels.transpose(0, 3, 2, 1))

    def read(self, start: ZYX, shape: ZYX, time: int) -> NDArray[Any]:  # noqa: ARG002 - WKW has no time
        volume = WkwVolume(self.folder)
        try:
            return volume.read(BoundingBox(start[::-1], shape[::-1])).transpose(0, 3, 2, 1)
        finally:
            volume.close()

    def _writer(self) -> WkwWriter:
        header = WkwHeader(
            dtype=self.layer.dtype,
            num_channels=self.layer.num_channels,
            block_len=BRICK,
            file_len=self.side // BRICK,
            block_type=_BLOCK_TYPES[self.compression],
        )
        return WkwWriter(self.folder, header)
