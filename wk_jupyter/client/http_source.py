"""Voxels from a server: large boxes as batches of stored bricks, unpacked here; small ones as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
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
        whole = np.zeros((z, y, x * layer.num_channels), layer.dtype)
        with ThreadPoolExecutor(min(_CONNECTIONS, len(batches))) as pool:
            for _ in pool.map(lambda batch: self._paste(layer, mag, batch, position, box, whole), batches):
                pass  # raises what a batch raised
        return whole.reshape(z, y, x, layer.num_channels).transpose(3, 2, 1, 0)

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
        answer = self.connection.request("POST", f"data/v15/{self._layer_path(layer)}/bricks", json=query)
        size = BRICK_SIDE**3 * layer.bytes_per_voxel
        channels = layer.num_channels
        for brick, entry in zip(bricks, decode_frame(answer.content), strict=True):
            raw = entry.voxels(size)
            if raw is None:
                continue
            voxels = np.frombuffer(raw, layer.dtype.newbyteorder("<")).reshape(BRICK_SIDE, BRICK_SIDE, -1)
            corner = brick * BRICK_SIDE
            common = box.intersection(BoundingBox(corner, Vec3Int.of(BRICK_SIDE)))
            (x0, y0, z0), (x1, y1, z1) = common.topleft - corner, common.bottomright - corner
            (u0, v0, w0), (u1, v1, w1) = common.topleft - box.topleft, common.bottomright - box.topleft
            part = voxels[z0:z1, y0:y1, x0 * channels : x1 * channels]
            whole[w0:w1, v0:v1, u0 * channels : u1 * channels] = part

    def _layer_path(self, layer: LayerSource) -> str:
        return f"{self._path}/layers/{quote(layer.name, safe='')}"


def _bricks_of(box: BoundingBox) -> list[Vec3Int]:
    first, last = box.topleft // BRICK_SIDE, box.bottomright.ceildiv(BRICK_SIDE)
    return [
        Vec3Int(x, y, z)
        for z in range(first.z, last.z)
        for y in range(first.y, last.y)
        for x in range(first.x, last.x)
    ]
