"""Chunks of Zarr arrays that are handed out undecoded, against what tensorstore writes and reads."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import pytest
import tensorstore as ts
from contracts.volume_contract import random_voxels
from numpy.typing import NDArray

from wk_jupyter.api.frames import Encoding, decode_payload
from wk_jupyter.datasource import AdditionalAxis, LayerSource, MagSource
from wk_jupyter.geometry import BoundingBox, Mag
from wk_jupyter.store.volumes.base import MISSING, BlockError, StoredBlocks, stored_blocks
from wk_jupyter.store.volumes.zarr import open_zarr

LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}
BIG = {"name": "bytes", "configuration": {"endian": "big"}}
ZSTD = {"name": "zstd", "configuration": {"level": 1}}
ZSTD_CHECKED = {"name": "zstd", "configuration": {"level": 1, "checksum": True}}
GZIP = {"name": "gzip", "configuration": {"level": 1}}
BLOSC = {
    "name": "blosc",
    "configuration": {"cname": "lz4", "clevel": 1, "shuffle": "noshuffle", "typesize": 1, "blocksize": 0},
}
CRC32C = {"name": "crc32c"}


def transpose(*order: int) -> dict[str, Any]:
    return {"name": "transpose", "configuration": {"order": list(order)}}


def sharded(chunk: tuple[int, ...], *codecs: dict[str, Any], location: str = "end") -> dict[str, Any]:
    configuration = {
        "chunk_shape": list(chunk),
        "codecs": list(codecs),
        "index_codecs": [LITTLE, CRC32C],
        "index_location": location,
    }
    return {"name": "sharding_indexed", "configuration": configuration}


def write_v3(
    folder: Path, voxels: NDArray[Any], chunk: tuple[int, ...], *codecs: dict[str, Any], **metadata: Any
) -> None:
    spec = {
        "shape": list(voxels.shape),
        "data_type": voxels.dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunk)}},
        "codecs": list(codecs),
        "fill_value": 0,
        **metadata,
    }
    write({"driver": "zarr3", "metadata": spec}, folder, voxels)


def write_v2(folder: Path, voxels: NDArray[Any], chunk: tuple[int, ...], **metadata: Any) -> None:
    spec = {
        "shape": list(voxels.shape),
        "dtype": voxels.dtype.str,
        "chunks": list(chunk),
        "fill_value": 0,
        "order": "C",
        "compressor": None,
        **metadata,
    }
    write({"driver": "zarr", "metadata": spec}, folder, voxels)


def write(spec: dict[str, Any], folder: Path, voxels: NDArray[Any]) -> None:
    kvstore = {"driver": "file", "path": f"{folder}/"}
    ts.open({**spec, "kvstore": kvstore}, create=True).result()[...] = voxels


def blocks_of(
    folder: Path,
    voxels: NDArray[Any],
    axes: str = "cxyz",
    *,
    channel_index: int | None = None,
    extra: tuple[AdditionalAxis, ...] = (),
) -> StoredBlocks | None:
    order = {axis: dim for dim, axis in enumerate(axes)}
    channels = voxels.shape[order["c"]] if "c" in order and channel_index is None else 1
    layer = LayerSource(
        name="color",
        category="color",
        bounding_box=BoundingBox((0, 0, 0), [voxels.shape[order[axis]] for axis in "xyz"]),
        element_class="uint8",  # of no matter here
        data_format="zarr3",
        mags=(),
        num_channels=channels,
        additional_axes=extra,
    )
    spatial = {axis: dim for axis, dim in order.items() if axis in "cxyz"}
    return stored_blocks(open_zarr(folder, layer, MagSource(Mag(1), None, spatial, channel_index)))


def check(blocks: StoredBlocks | None, voxels: NDArray[Any], axes: str = "cxyz") -> None:
    """Compare every block with the voxels, also those at the far borders, where a block is filled up."""
    assert blocks is not None
    wanted = voxels if "c" in axes else voxels[np.newaxis]
    named = axes if "c" in axes else f"c{axes}"
    wanted = wanted.transpose([named.index(axis) for axis in "cxyz"])
    shape = blocks.layout.shape
    counts = [-(-n // s) for n, s in zip(wanted.shape[1:], shape, strict=True)]
    indices = [(x, y, z) for x in range(counts[0]) for y in range(counts[1]) for z in range(counts[2])]
    for index, block in zip(indices, blocks.fetch(indices), strict=True):
        part = wanted[:, *(slice(i * s, (i + 1) * s) for i, s in zip(index, shape, strict=True))]
        if block is MISSING:
            assert not part.any()
            continue
        raw = decode_payload(block, blocks.layout.encoding, blocks.layout.decoded_bytes, lambda: "a block")
        little = wanted.dtype.newbyteorder("<")
        found = np.frombuffer(raw, little).reshape((len(wanted), *shape), order="F")
        x, y, z = part.shape[1:]
        np.testing.assert_array_equal(found[:, :x, :y, :z], part)
    assert blocks.fetch([(counts[0], 0, 0), (0, -1, 0)]) == [MISSING, MISSING]


# --- what is passed on -------------------------------------------------------------------------

FITTING_CODECS = [
    ([transpose(3, 2, 1, 0), LITTLE, ZSTD], Encoding.ZSTD),
    ([transpose(3, 2, 1, 0), LITTLE, ZSTD_CHECKED], Encoding.ZSTD),
    ([transpose(3, 2, 1, 0), LITTLE, GZIP], Encoding.GZIP),
    ([transpose(3, 2, 1, 0), LITTLE], Encoding.RAW),
    ([transpose(0, 3, 2, 1), LITTLE, ZSTD], Encoding.ZSTD),  # one channel lies anywhere
]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "uint64"])
@pytest.mark.parametrize(("codecs", "encoding"), FITTING_CODECS)
def test_inner_chunks_of_shards(
    tmp_path: Path, codecs: list[dict[str, Any]], encoding: Encoding, dtype: str
) -> None:
    voxels = random_voxels(dtype, (1, 40, 24, 50))
    voxels[:, 16:32, 0:16, 0:16] = 0
    write_v3(tmp_path, voxels, (1, 32, 16, 32), sharded((1, 16, 8, 16), *codecs))
    blocks = blocks_of(tmp_path, voxels)
    assert blocks is not None
    assert blocks.layout.encoding == encoding
    assert blocks.layout.shape == (16, 8, 16)
    check(blocks, voxels)


@pytest.mark.parametrize("location", ["start", "end"])
def test_the_index_may_be_at_either_end(tmp_path: Path, location: str) -> None:
    voxels = random_voxels("uint8", (1, 32, 32, 32))
    codecs = (transpose(3, 2, 1, 0), LITTLE, ZSTD)
    write_v3(tmp_path, voxels, (1, 32, 32, 32), sharded((1, 8, 8, 8), *codecs, location=location))
    check(blocks_of(tmp_path, voxels), voxels)


@pytest.mark.parametrize("channels", [2, 3])
def test_channels_that_lie_fastest(tmp_path: Path, channels: int) -> None:
    voxels = random_voxels("uint16", (channels, 16, 16, 16))
    codecs = (transpose(3, 2, 1, 0), LITTLE, ZSTD)
    write_v3(tmp_path, voxels, (channels, 16, 16, 16), sharded((channels, 8, 8, 8), *codecs))
    check(blocks_of(tmp_path, voxels), voxels)


@pytest.mark.parametrize(
    ("axes", "codecs"), [("zyx", [LITTLE, ZSTD]), ("czyx", [LITTLE]), ("zyxc", [LITTLE])]
)
def test_arrays_whose_x_is_last_need_no_transposition(
    tmp_path: Path, axes: str, codecs: list[dict[str, Any]]
) -> None:
    shape = {"c": 1, "x": 24, "y": 16, "z": 20}
    voxels = random_voxels("uint16", tuple(shape[axis] for axis in axes))
    chunk = tuple(min(shape[axis], 8) for axis in axes)
    write_v3(tmp_path, voxels, chunk, *codecs)
    check(blocks_of(tmp_path, voxels, axes), voxels, axes)


@pytest.mark.parametrize("separator", ["/", "."])
@pytest.mark.parametrize("name", ["default", "v2"])
def test_chunk_files_by_either_naming(tmp_path: Path, name: str, separator: str) -> None:
    voxels = random_voxels("uint8", (1, 20, 16, 8))
    key = {"name": name, "configuration": {"separator": separator}}
    write_v3(
        tmp_path, voxels, (1, 8, 8, 8), transpose(3, 2, 1, 0), LITTLE, ZSTD, chunk_key_encoding=key
    )  # fmt: skip
    check(blocks_of(tmp_path, voxels), voxels)


@pytest.mark.parametrize("separator", ["/", "."])
@pytest.mark.parametrize(
    ("compressor", "encoding"),
    [
        (None, Encoding.RAW),
        ({"id": "zstd", "level": 1}, Encoding.ZSTD),
        ({"id": "gzip", "level": 1}, Encoding.GZIP),
    ],
)
def test_version_2(
    tmp_path: Path, compressor: dict[str, Any] | None, encoding: Encoding, separator: str
) -> None:
    voxels = random_voxels("uint16", (1, 20, 16, 8))
    write_v2(tmp_path, voxels, (1, 8, 8, 8), order="F", compressor=compressor, dimension_separator=separator)
    blocks = blocks_of(tmp_path, voxels)
    assert blocks is not None
    assert blocks.layout.encoding == encoding
    check(blocks, voxels)


# --- what is not -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "codecs",
    [
        [LITTLE, ZSTD],  # z fastest
        [transpose(3, 1, 2, 0), LITTLE, ZSTD],
        [transpose(3, 2, 1, 0), BIG, ZSTD],
        [transpose(3, 2, 1, 0), LITTLE, BLOSC],
        [transpose(3, 2, 1, 0), LITTLE, ZSTD, CRC32C],
        [transpose(3, 2, 1, 0), LITTLE, ZSTD, GZIP],
    ],
)
def test_other_codecs_are_left_to_the_library(tmp_path: Path, codecs: list[dict[str, Any]]) -> None:
    voxels = random_voxels("uint16", (1, 16, 16, 16))
    write_v3(tmp_path, voxels, (1, 16, 16, 16), sharded((1, 8, 8, 8), *codecs))
    assert blocks_of(tmp_path, voxels) is None


def test_another_fill_value_is_left_to_the_library(tmp_path: Path) -> None:
    voxels = random_voxels("uint8", (1, 8, 8, 8))
    write_v3(tmp_path, voxels, (1, 8, 8, 8), transpose(3, 2, 1, 0), LITTLE, fill_value=7)
    assert blocks_of(tmp_path, voxels) is None


def test_channels_apart_are_left_to_the_library(tmp_path: Path) -> None:
    voxels = random_voxels("uint8", (3, 16, 16, 16))
    codecs = (transpose(3, 2, 1, 0), LITTLE)
    write_v3(tmp_path / "apart", voxels, (1, 8, 8, 8), *codecs)
    assert blocks_of(tmp_path / "apart", voxels) is None
    write_v3(tmp_path / "slowest", voxels, (3, 8, 8, 8), transpose(0, 3, 2, 1), LITTLE)
    assert blocks_of(tmp_path / "slowest", voxels) is None
    write_v3(tmp_path / "fitting", voxels, (3, 8, 8, 8), *codecs)
    assert blocks_of(tmp_path / "fitting", voxels) is not None
    assert blocks_of(tmp_path / "fitting", voxels, channel_index=1) is None


def test_further_axes_are_left_to_the_library(tmp_path: Path) -> None:
    voxels = random_voxels("uint8", (4, 8, 8, 8))
    write_v3(tmp_path, voxels, (1, 8, 8, 8), transpose(3, 2, 1, 0), LITTLE)
    axis = AdditionalAxis("t", 0, 4, 0)
    assert blocks_of(tmp_path, voxels, "txyz", extra=(axis,)) is None


@pytest.mark.parametrize(("change", "order"), [({"dtype": ">u2"}, "F"), ({}, "C"), ({"fill_value": 3}, "F")])
def test_other_arrays_of_version_2_are_left_to_the_library(
    tmp_path: Path, change: dict[str, Any], order: str
) -> None:
    voxels = random_voxels("uint16", (1, 8, 8, 8))
    write_v2(tmp_path, voxels, (1, 8, 8, 8), order=order, **change)
    assert blocks_of(tmp_path, voxels) is None


# --- damage ------------------------------------------------------------------------------------


@pytest.fixture
def shard(tmp_path: Path) -> tuple[Path, NDArray[Any], Path]:
    voxels = random_voxels("uint8", (1, 32, 16, 16))
    write_v3(
        tmp_path / "array",
        voxels,
        (1, 16, 16, 16),
        sharded((1, 8, 8, 8), transpose(3, 2, 1, 0), LITTLE, ZSTD),
    )
    return tmp_path / "array", voxels, tmp_path / "array" / "c" / "0" / "0" / "0" / "0"


def forge(file: Path, entries: dict[int, tuple[int, int]], blocks: int = 8) -> None:
    """Change entries of a shard's index, with a checksum that is right."""
    raw = bytearray(file.read_bytes())
    start = len(raw) - 16 * blocks - 4
    for number, entry in entries.items():
        struct.pack_into("<QQ", raw, start + 16 * number, *entry)
    struct.pack_into("<I", raw, len(raw) - 4, google_crc32c.value(bytes(raw[start:-4])))
    file.write_bytes(raw)


def test_a_cut_shard_is_an_error_that_names_it(shard: tuple[Path, NDArray[Any], Path]) -> None:
    folder, voxels, file = shard
    os.truncate(file, file.stat().st_size - 9)
    blocks = blocks_of(folder, voxels)
    assert blocks is not None
    broken, whole = blocks.fetch([(0, 0, 0), (2, 0, 0)])
    assert isinstance(broken, BlockError)
    assert broken.error.path == str(file)
    assert str(file) in broken.error.message
    assert broken.error.hint
    assert isinstance(whole, bytes)
    again, _ = blocks.fetch_cached([(0, 0, 0), (2, 0, 0)])
    assert isinstance(again, BlockError)


@pytest.mark.parametrize("size", [0, 3, 100])
def test_a_shard_that_is_shorter_than_its_index(shard: tuple[Path, NDArray[Any], Path], size: int) -> None:
    folder, voxels, file = shard
    os.truncate(file, size)
    blocks = blocks_of(folder, voxels)
    assert blocks is not None
    [block] = blocks.fetch([(1, 1, 1)])
    assert isinstance(block, BlockError)
    assert str(file) in block.error.message


def test_an_index_with_a_wrong_checksum(shard: tuple[Path, NDArray[Any], Path]) -> None:
    folder, voxels, file = shard
    raw = bytearray(file.read_bytes())
    raw[-8] ^= 1
    file.write_bytes(raw)
    blocks = blocks_of(folder, voxels)
    assert blocks is not None
    [block] = blocks.fetch([(0, 0, 0)])
    assert isinstance(block, BlockError)
    assert "checksum" in block.error.message


@pytest.mark.parametrize(
    "entry",
    [
        (2**63, 100),
        (10, 2**63),
        (2**64 - 1, 5),
        (5, 2**64 - 1),
        (0, 2**40),
        (2**40, 10),
        (2**63 - 1, 2**63 - 1),
    ],
)
def test_a_hostile_index_harms_only_its_own_block(
    shard: tuple[Path, NDArray[Any], Path], entry: tuple[int, int]
) -> None:
    folder, voxels, file = shard
    forge(file, {0: entry})
    blocks = blocks_of(folder, voxels)
    assert blocks is not None
    first, last = blocks.fetch([(0, 0, 0), (1, 1, 1)])
    assert isinstance(first, BlockError)
    assert str(file) in first.error.message
    raw = decode_payload(last, blocks.layout.encoding, blocks.layout.decoded_bytes, lambda: "")
    assert raw == voxels[:, 8:16, 8:16, 8:16].tobytes(order="F")


def test_a_block_larger_than_an_encoder_makes_it_is_not_read(
    shard: tuple[Path, NDArray[Any], Path],
) -> None:
    folder, voxels, file = shard
    file.write_bytes(bytes(2**20) + file.read_bytes())
    forge(file, {3: (0, 2**20)})
    blocks = blocks_of(folder, voxels)
    assert blocks is not None
    [block] = blocks.fetch([(0, 1, 1)])
    assert isinstance(block, BlockError)


def test_metadata_that_does_not_add_up_is_left_to_the_library(
    shard: tuple[Path, NDArray[Any], Path],
) -> None:
    from wk_jupyter.store.volumes.tensorstore_volume import AxisMap
    from wk_jupyter.store.volumes.zarr_blocks import zarr_stored_blocks

    folder, _, _ = shard
    good = json.loads((folder / "zarr.json").read_text())
    axes = AxisMap({"c": 0, "x": 1, "y": 2, "z": 3})
    assert zarr_stored_blocks(folder, 3, good, axes) is not None
    sharding = good["codecs"][0]["configuration"]
    for chunk in ([0, 0, 0, 0], [1, 7, 8, 8], [1, 8, 8], "8", None, [1, -8, 8, 8]):
        changed = {
            **good,
            "codecs": [{**good["codecs"][0], "configuration": {**sharding, "chunk_shape": chunk}}],
        }
        assert zarr_stored_blocks(folder, 3, changed, axes) is None, chunk
    for key in good:
        if key not in {"attributes", "node_type", "zarr_format", "storage_transformers", "dimension_names"}:
            assert zarr_stored_blocks(folder, 3, {k: v for k, v in good.items() if k != key}, axes) is None, (
                key
            )
    assert zarr_stored_blocks(folder, 3, {**good, "storage_transformers": [{"name": "x"}]}, axes) is None
