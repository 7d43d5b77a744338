"""Volumes to measure with: noisy cells, stored in the formats that are compared."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import tensorstore as ts

from wk_jupyter.datasource import DataSource, LayerSource, MagSource, write_properties
from wk_jupyter.geometry import BoundingBox, Mag, VoxelSize
from wk_jupyter.store.volumes.wkw_format import BlockType, WkwHeader
from wk_jupyter.store.volumes.wkw_writer import WkwWriter

FOLDER = Path(__file__).parent / "data"
SIDE = 512
BRICK = 32
ORGANIZATION = "bench"


def prepare() -> Path:
    """Make all datasets, once; returns the data directory."""
    root = FOLDER / "binaryData" / ORGANIZATION
    if (root / "foreign" / "datasource-properties.json").exists():
        return FOLDER
    shutil.rmtree(FOLDER, ignore_errors=True)
    voxels = grey_values()
    np.save(_made(FOLDER / "peer") / "em.npy", voxels)
    _wkw(root / "wkw", voxels)
    _zarr(root / "zarr3", voxels, sharded=True)
    _zarr(root / "foreign", voxels, sharded=False)
    _brick_files(FOLDER / "bricks", voxels)
    return FOLDER


def grey_values() -> np.ndarray:
    """Return (x, y, z) grey values as of electron microscopy: smooth structures under strong noise."""
    random = np.random.default_rng(0)
    coarse = random.integers(60, 200, (SIDE // 16,) * 3, dtype=np.uint8)
    smooth = coarse.repeat(16, 0).repeat(16, 1).repeat(16, 2)
    noise = random.normal(0, 8, smooth.shape).astype(np.float32)
    for _ in range(2):  # neighbours share their noise, as in a microscope: zstd makes this 1.6 times smaller
        for axis in range(3):
            noise = (noise + np.roll(noise, 1, axis)) / 2
    return np.asfortranarray(np.clip(smooth + noise, 0, 255).astype(np.uint8))


def _wkw(folder: Path, voxels: np.ndarray) -> None:
    header = WkwHeader(np.dtype("uint8"), 1, BRICK, SIDE // BRICK, BlockType.LZ4)
    WkwWriter(folder / "color" / "1", header).write((0, 0, 0), voxels)
    _properties(folder, "wkw", None)


def _zarr(folder: Path, voxels: np.ndarray, *, sharded: bool) -> None:
    """Shards of 256³ with bricks of 32³, x fastest; or, as others write them, chunks of 64³, z fastest."""
    packed = [{"name": "bytes"}, {"name": "zstd", "configuration": {"level": 1}}]
    turn = {"name": "transpose", "configuration": {"order": [3, 2, 1, 0]}}
    index = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]
    inner = {"chunk_shape": [1, BRICK, BRICK, BRICK], "codecs": [turn, *packed], "index_codecs": index}
    codecs = [{"name": "sharding_indexed", "configuration": inner}] if sharded else packed
    chunk = [1, 256, 256, 256] if sharded else [1, 64, 64, 64]
    store = ts.open(
        {
            "driver": "zarr3",
            "kvstore": {"driver": "file", "path": f"{folder / 'color' / '1'}/"},
            "metadata": {
                "shape": [1, SIDE, SIDE, SIDE],
                "data_type": "uint8",
                "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk}},
                "codecs": codecs,
            },
            "create": True,
        }
    ).result()
    store[0].write(voxels).result()
    _properties(folder, "zarr3", {"c": 0, "x": 1, "y": 2, "z": 3})


def _properties(folder: Path, data_format: str, axes: dict[str, int] | None) -> None:
    layer = LayerSource(
        name="color",
        category="color",
        bounding_box=BoundingBox((0, 0, 0), (SIDE, SIDE, SIDE)),
        element_class="uint8",
        data_format=data_format,
        mags=(MagSource(Mag(1), "./color/1", axes),),
    )
    write_properties(folder, DataSource(folder.name, VoxelSize((11, 11, 11)), (layer,)))


def _brick_files(folder: Path, voxels: np.ndarray) -> None:
    """One file a brick, for nginx."""
    _made(folder)
    count = SIDE // BRICK
    for x in range(count):
        for y in range(count):
            for z in range(count):
                part = voxels[x * 32 : x * 32 + 32, y * 32 : y * 32 + 32, z * 32 : z * 32 + 32]
                (folder / f"{x}_{y}_{z}").write_bytes(part.tobytes(order="F"))


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
