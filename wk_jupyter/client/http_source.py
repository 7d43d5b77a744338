"""Voxels from a server: large boxes as batches of stored bricks, unpacked here; small ones as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Final
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from wk_jupyter.api.frames import BRICK_SIDE, decode_frame
from wk_jupyter.client.connection import Connection
from wk_jupyter.datasource import LayerSource
from wk_jupyter.geometry import BoundingBox, Mag, Vec3Int

_BATCH: Final = 128
_CONNECTIONS: Final = 2  # more only take turns: unpacking shares this process
_SMALL_VOXELS: Final = 2 * BRICK_SIDE**3  # below this, whole bricks would be mostly waste


class HttpSource:
    """One dataset of a server. Thread-safe."""

    def __init__(self, connection: Connection, dataset_id: str) -> None:
        self.connection = connection
        self._path = f"datasets/{dataset_id}"

    def read(
        self, layer: LayerSource, mag: Mag, box: BoundingBox, position: Mapping[str, int]
    ) -> NDArray[Any]:
        """Return (c, x, y, z) voxels of ``box``, in voxels of ``mag``. Raises what the server says."""
        if box.volume <= _SMALL_VOXELS:
            return self._cutout(layer, mag, box, position)
        bricks = _bricks_of(box)
        batches = [bricks[at : at + _BATCH] for at in range(0, len(bricks), _BATCH)]
        # (z, y, x·c) is how voxels lie in a brick: rows are copied whole.
        x, y, z = box.size
        whole = np.zeros((z, y, x * layer.num_channels), layer.dtype.newbyteorder("<"))
        with ThreadPoolExecutor(min(_CONNECTIONS, len(batches))) as pool:
            for _ in pool.map(lambda batch: self._paste(layer, mag, batch, position, box, whole), batches):
                pass  # raises what a batch raised
        native = whole.astype(layer.dtype, copy=False)
        return native.reshape(z, y, x, layer.num_channels).transpose(3, 2, 1, 0)

    def thumbnail(self, layer: str | None, width: int, height: int) -> bytes:
        """Return a PNG."""
        part = f"/layers/{quote(layer, safe='')}" if layer is not None else ""
        return self.connection.data(f"{self._path}{part}/thumbnail.png", width=width, height=height)

    def _cutout(
        self, layer: LayerSource, mag: Mag, box: BoundingBox, position: Mapping[str, int]
    ) -> NDArray[Any]:
        x, y, z = box.topleft * mag.as_vec()
        width, height, depth = box.size
        params: dict[str, Any] = {"mag": mag.long_name, "x": x, "y": y, "z": z}
        params |= {"width": width, "height": height, "depth": depth}
        if position:
            params["additionalCoordinates"] = ",".join(f"{name}={value}" for name, value in position.items())
        raw = self.connection.data(f"{self._layer_path(layer)}/data", **params)
        voxels = np.frombuffer(bytearray(raw), layer.dtype.newbyteorder("<"))
        return voxels.astype(layer.dtype, copy=False).reshape((layer.num_channels, *box.size), order="F")

    def _paste(
        self,
        layer: LayerSource,
        mag: Mag,
        bricks: Sequence[Vec3Int],
        position: Mapping[str, int],
        box: BoundingBox,
        whole: NDArray[Any],
    ) -> None:
        query = {
            "mags": [list(mag)],
            "bricks": [[0, *brick] for brick in bricks],
            "accept": ["stored", "raw"],
            "additionalCoordinates": [{"name": name, "value": value} for name, value in position.items()],
        }
        answer = self.connection.post_for_bytes(f"data/v15/{self._layer_path(layer)}/bricks", query)
        paste = _Paste(box, layer.bytes_per_voxel, whole)
        for brick, entry in zip(bricks, decode_frame(answer), strict=True):
            raw = entry.voxels(paste.brick_bytes)
            if raw is not None:
                paste(brick, raw)

    def _layer_path(self, layer: LayerSource) -> str:
        return f"{self._path}/layers/{quote(layer.name, safe='')}"


class _Paste:
    """Puts raw bricks into ``whole`` (z, y, x·c), the little-endian voxels of ``box``."""

    def __init__(self, box: BoundingBox, bytes_per_voxel: int, whole: NDArray[Any]) -> None:
        self.brick_bytes = BRICK_SIDE**3 * bytes_per_voxel
        self._corners = tuple(zip(box.topleft, box.bottomright, strict=True))
        self._data, self._steps = whole.data, (bytes_per_voxel, *whole.strides[1::-1])
        self._own_steps = tuple(bytes_per_voxel * BRICK_SIDE**power for power in range(3))

    def __call__(self, brick: Vec3Int, raw: bytes) -> None:
        counts, source, target = [], 0, 0
        # Plain numbers: vectors and boxes took a quarter of the time of a read.
        axes = zip(brick, self._corners, self._own_steps, self._steps, strict=True)
        for number, (begin, end), own_step, step in axes:
            corner = number * BRICK_SIDE
            first = max(corner, begin)
            counts.append(min(corner + BRICK_SIDE, end) - first)
            source += (first - corner) * own_step
            target += (first - begin) * step
        # A row along x as one element: twice as fast as voxel by voxel.
        shape, row = (counts[2], counts[1]), _row(counts[0] * self._steps[0])
        rows: NDArray[Any] = np.ndarray(shape, row, raw, source, self._own_steps[:0:-1])
        np.ndarray(shape, row, self._data, target, self._steps[:0:-1])[...] = rows


@cache  # bricks have few lengths
def _row(size: int) -> np.dtype[Any]:
    return np.dtype((np.void, size))


def _bricks_of(box: BoundingBox) -> list[Vec3Int]:
    first, last = box.topleft // BRICK_SIDE, box.bottomright.ceildiv(BRICK_SIDE)
    return [
        Vec3Int(x, y, z)
        for z in range(first.z, last.z)
        for y in range(first.y, last.y)
        for x in range(first.x, last.x)
    ]
