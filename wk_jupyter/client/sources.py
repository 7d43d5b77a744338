"""Where a dataset's voxels come from: a folder that this process can read, or a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from wk_jupyter.client.connection import Connection
from wk_jupyter.datasource import DataSource, LayerSource
from wk_jupyter.errors import MagNotFound
from wk_jupyter.geometry import BoundingBox, Mag

_PIECE_BYTES: Final = 8 * 2**20
_CONNECTIONS: Final = 4
_ID_FILE: Final = ".wk_jupyter_id"
_BINARY_DATA: Final = "binaryData"


class VoxelSource(Protocol):
    """Reads boxes of voxels. Blocks."""

    def read(
        self, layer: LayerSource, mag: Mag, box: BoundingBox, position: Mapping[str, int]
    ) -> NDArray[Any]:
        """Return (c, x, y, z) voxels of ``box``, in voxels of ``mag``, which lies in the layer's box."""
        ...

    def thumbnail(self, layer: str | None, width: int, height: int) -> bytes:
        """Return a PNG."""
        ...


class HttpSource:
    """Voxels from a server, in pieces over a few connections at a time."""

    def __init__(self, connection: Connection, dataset_id: str) -> None:
        self.connection = connection
        self._path = f"datasets/{dataset_id}"

    def read(
        self, layer: LayerSource, mag: Mag, box: BoundingBox, position: Mapping[str, int]
    ) -> NDArray[Any]:
        # (z, y, x, c) is how raw voxels lie in an answer: a piece of whole slices is one copy.
        whole = np.empty((*reversed(box.size), layer.num_channels), layer.dtype)
        pieces = list(_pieces(box, layer.bytes_per_voxel))

        def fetch(piece: BoundingBox) -> None:
            raw = self._cutout(layer, mag, piece, position)
            shape = (*reversed(piece.size), layer.num_channels)
            (x0, y0, z0), (x1, y1, z1) = piece.topleft - box.topleft, piece.bottomright - box.topleft
            voxels = np.frombuffer(raw, layer.dtype.newbyteorder("<")).reshape(shape)
            whole[z0:z1, y0:y1, x0:x1] = voxels

        if len(pieces) == 1:
            fetch(pieces[0])
        else:
            with ThreadPoolExecutor(_CONNECTIONS) as pool:
                list(pool.map(fetch, pieces))
        return whole.transpose(3, 2, 1, 0)

    def _cutout(self, layer: LayerSource, mag: Mag, box: BoundingBox, position: Mapping[str, int]) -> bytes:
        x, y, z = box.topleft * mag.as_vec()
        width, height, depth = box.size
        coordinates = [{"name": name, "value": value} for name, value in position.items()]
        path = f"{self._path}/layers/{quote(layer.name, safe='')}/data"
        params: dict[str, Any] = {"mag": mag.long_name, "x": x, "y": y, "z": z}
        params |= {"width": width, "height": height, "depth": depth}
        if coordinates:
            params["additionalCoordinates"] = ",".join(f"{c['name']}={c['value']}" for c in coordinates)
        return self.connection.data(path, **params)

    def thumbnail(self, layer: str | None, width: int, height: int) -> bytes:
        part = f"/layers/{quote(layer, safe='')}" if layer is not None else ""
        return self.connection.data(f"{self._path}{part}/thumbnail.png", width=width, height=height)


class LocalSource:
    """Voxels from a folder, without any server. ``roots`` are folders that absolute mag paths may lie in."""

    def __init__(self, folder: Path, source: DataSource, roots: Sequence[Path] = ()) -> None:
        self.folder = folder
        self._source = source
        self._roots = tuple(roots)
        self._readers: dict[str, Any] = {}

    def read(
        self, layer: LayerSource, mag: Mag, box: BoundingBox, position: Mapping[str, int]
    ) -> NDArray[Any]:
        from wk_jupyter.client.local import read_box  # noqa: PLC0415 loads the stored formats

        return read_box(self.reader(layer), mag, box, position)

    def thumbnail(self, layer: str | None, width: int, height: int) -> bytes:
        from wk_jupyter.client.local import draw  # noqa: PLC0415

        layers = [one for one in self._source.layers if layer in (None, one.name)]
        return draw(self._source, [self.reader(one) for one in layers], (width, height))

    def reader(self, layer: LayerSource) -> Any:
        """Return the reader of a layer, which keeps its files open."""
        from wk_jupyter.client.local import make_reader  # noqa: PLC0415

        if layer.name not in self._readers:
            self._readers[layer.name] = make_reader(layer, self.folder, self._roots)
        return self._readers[layer.name]


def source_on_this_machine(connection: Connection, source: DataSource) -> LocalSource | None:
    """Return a way to read a served dataset's own files, where they are on this machine.

    A path that happens to exist here proves nothing; the data directory's random id does.
    """
    wanted = connection.health.get("dataDirId")
    path = next((mag.path for layer in source.layers for mag in layer.mags if mag.path), None)
    if wanted is None or path is None or not path.startswith("/"):
        return None
    for parent in Path(path).parents:
        if parent.name != _BINARY_DATA:
            continue
        try:
            if (parent.parent / _ID_FILE).read_text().strip() == wanted:
                return LocalSource(parent, source, [parent])
        except OSError:
            continue
    return None


def find_mag(layer: LayerSource, mag: Mag) -> Mag:
    """Return a mag that a layer has. Raises MagNotFound, naming those that are there."""
    if any(source.mag == mag for source in layer.mags):
        return mag
    there = ", ".join(source.mag.name for source in layer.mags)
    raise MagNotFound(f"the layer {layer.name!r} has no mag {mag}.", hint=f"It has {there}.")


def _pieces(box: BoundingBox, voxel_bytes: int) -> list[BoundingBox]:
    """Cut a box into slabs of whole slices, aligned to bricks, of a few MiB each."""
    slice_bytes = max(1, box.size.x * box.size.y * voxel_bytes)
    step = max(1, _PIECE_BYTES // slice_bytes)
    step = step // 32 * 32 or step
    cuts = []
    z, end = box.topleft.z, box.bottomright.z
    while z < end:
        stop = min(end, (z // step + 1) * step)
        cuts.append(BoundingBox((box.topleft.x, box.topleft.y, z), (box.size.x, box.size.y, stop - z)))
        z = stop
    return cuts
