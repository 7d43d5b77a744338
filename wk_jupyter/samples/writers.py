"""How the generated sample is stored: each mag in files that one tile fills whole.

So tiles can be written in any order and at the same time, and no file is ever read back to add to it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

from wk_jupyter.api import ngff

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from wk_jupyter.datasource import DataSource, LayerSource, MagSource
    from wk_jupyter.geometry import Vec3Int

BRICK = 32


class MagWriter(Protocol):
    """Takes voxels (x, y, z) at ``corner`` (voxels of the mag), in tiles of the size it was made for."""

    def write(self, corner: Vec3Int, voxels: NDArray[Any], /) -> None: ...


class Zarr3MagWriter:
    """A Zarr v3 array (c, x, y, z): one shard a tile, bricks of 32³ in it with x fastest, zstd level 1."""

    def __init__(self, folder: Path, layer: LayerSource, mag: MagSource, tile: Vec3Int) -> None:
        import tensorstore  # noqa: PLC0415 - heavy

        size = layer.bounding_box.in_mag(mag.mag).size
        bricks = [
            {"name": "transpose", "configuration": {"order": [3, 2, 1, 0]}},
            {"name": "bytes", "configuration": {"endian": "little"}},
            {"name": "zstd", "configuration": {"level": 1}},
        ]
        shards = {
            "chunk_shape": [1, BRICK, BRICK, BRICK],
            "codecs": bricks,
            "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}],
        }
        metadata = {
            "shape": [1, *size],
            "data_type": layer.dtype.name,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1, *tile]}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "codecs": [{"name": "sharding_indexed", "configuration": shards}],
            "fill_value": 0,
            "dimension_names": ["c", "x", "y", "z"],
        }
        store = {"driver": "file", "path": str(folder)}
        spec = {"driver": "zarr3", "kvstore": store, "metadata": metadata}
        self._array = tensorstore.open(spec, create=True).result()

    def write(self, corner: Vec3Int, voxels: NDArray[Any]) -> None:
        x, y, z = (slice(o, o + n) for o, n in zip(corner, voxels.shape, strict=True))
        self._array[0, x, y, z].write(voxels).result()


def open_mag(folder: Path, layer: LayerSource, mag: MagSource, tile: Vec3Int) -> MagWriter:
    """The writer of one mag of a layer of the dataset in ``folder``, for tiles of ``tile`` of its voxels."""
    if layer.data_format == "wkw":
        return _wkw_writer(folder / str(mag.path), layer, tile)
    return Zarr3MagWriter(folder / str(mag.path), layer, mag, tile)


def _wkw_writer(folder: Path, layer: LayerSource, tile: Vec3Int) -> MagWriter:
    """LZ4 blocks of 32³ in cube files, the largest cubes of which a tile holds a whole number."""
    from wk_jupyter.store.volumes.wkw_format import BlockType, WkwHeader  # noqa: PLC0415
    from wk_jupyter.store.volumes.wkw_writer import WkwWriter  # noqa: PLC0415

    header = WkwHeader(
        dtype=layer.dtype,
        num_channels=1,
        block_type=BlockType.LZ4,
        block_len=BRICK,
        file_len=min(tile) // BRICK,
    )
    return WkwWriter(folder, header)


def write_zarr3_groups(folder: Path, source: DataSource) -> None:
    """Describe each layer as OME-NGFF 0.5: tools that know no WEBKNOSSOS open it too."""
    for layer in source.layers:
        _write_json(folder / layer.name / "zarr.json", ngff.zarr3_layer_group(layer, source.voxel_size))
    _write_json(folder / "zarr.json", ngff.zarr3_group())


def _write_json(file: Path, document: dict[str, Any]) -> None:
    file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
