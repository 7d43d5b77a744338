"""N5, as tensorstore writes it, in its older spelling, with LZ4 by hand, and damaged."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any, ClassVar

import lz4.block
import numpy as np
import pytest
from array_files import change_json, chunk_files, layer_of, mag_of, open_layer, write_json, write_n5
from contracts.volume_contract import VolumeContract, random_voxels
from numpy.typing import NDArray

from wk_jupyter.datasource import AdditionalAxis
from wk_jupyter.errors import CorruptData, InvalidInput, UnsupportedFormat, WkError
from wk_jupyter.geometry import BoundingBox
from wk_jupyter.store.volumes.base import Volume

BLOSC = {"type": "blosc", "cname": "zstd", "clevel": 3, "shuffle": 2}
COMPRESSIONS: list[dict[str, Any]] = [
    {"type": "raw"},
    {"type": "gzip", "level": 3},
    {"type": "gzip", "level": 3, "useZlib": True},
    {"type": "bzip2"},
    {"type": "xz"},
    {"type": "zstd", "level": 1},
    BLOSC,
]
LZ4_PACKED, LZ4_STORED = 0x26, 0x10
WHOLE = BoundingBox((0, 0, 0), (20, 18, 14))


class TestN5(VolumeContract):
    compression: ClassVar[dict[str, Any]] = {"type": "gzip"}

    def store(self, folder: Path, voxels: NDArray[Any]) -> None:
        write_n5(folder, voxels, (1, 32, 32, 20), self.compression)

    def open(self, folder: Path) -> Volume:
        layer = layer_of("n5", dtype=self.dtype, size=self.size, channels=self.channels)
        return open_layer(folder, layer)

    def damage(self, folder: Path) -> Path:
        file = chunk_files(folder)[0]
        os.truncate(file, file.stat().st_size // 2)
        return file


class TestRawChannels(TestN5):
    compression: ClassVar = {"type": "raw"}
    dtype = "float32"
    channels = 2


class TestBlosc(TestN5):
    compression: ClassVar = BLOSC
    dtype = "uint64"


class TestLz4(TestN5):
    """LZ4 is unpacked here: tensorstore lacks it."""

    dtype = "int32"

    def store(self, folder: Path, voxels: NDArray[Any]) -> None:
        write_n5(folder, voxels, (1, 32, 32, 20), {"type": "raw"})
        pack_lz4(folder)


def pack_lz4(folder: Path, token: int = LZ4_PACKED, *, block_size: int = 1 << 16) -> None:
    """Rewrite raw blocks as the Java library does: a header before each block, an empty one last."""
    for file in chunk_files(folder):
        data = file.read_bytes()
        begin = 4 + 4 * struct.unpack_from(">H", data, 2)[0]
        stream = b""
        for at in range(begin, len(data), block_size):
            plain = data[at : at + block_size]
            packed = plain if token == LZ4_STORED else lz4.block.compress(plain, store_size=False)
            stream += struct.pack("<8sBIII", b"LZ4Block", token, len(packed), len(plain), 0) + packed
        file.write_bytes(data[:begin] + stream + struct.pack("<8sBIII", b"LZ4Block", 0x16, 0, 0, 0))
    change_json(folder / "attributes.json", compression={"type": "lz4", "blockSize": block_size})


@pytest.fixture
def voxels() -> NDArray[Any]:
    return random_voxels("uint16", (20, 18, 14))


@pytest.mark.parametrize("compression", COMPRESSIONS, ids=str)
def test_every_compression_is_read(tmp_path: Path, voxels: NDArray[Any], compression: dict[str, Any]) -> None:
    write_n5(tmp_path, voxels, (8, 8, 8), {**compression} if compression["type"] != "blosc" else BLOSC)
    volume = open_layer(tmp_path, layer_of("n5"))
    np.testing.assert_array_equal(volume.read(WHOLE)[0], voxels)


@pytest.mark.parametrize(
    "dtype",
    ["uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float32", "float64"],
)
def test_every_type_is_read(tmp_path: Path, dtype: str) -> None:
    array = random_voxels(dtype, (20, 18, 14))
    write_n5(tmp_path, array, (8, 8, 8), {"type": "raw"})
    volume = open_layer(tmp_path, layer_of("n5", dtype=dtype))
    assert volume.info.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(volume.read(WHOLE)[0], array)


@pytest.mark.parametrize("token", [LZ4_PACKED, LZ4_STORED])
def test_lz4_blocks_that_follow_one_another(tmp_path: Path, voxels: NDArray[Any], token: int) -> None:
    write_n5(tmp_path, voxels, (16, 16, 8), {"type": "raw"})
    pack_lz4(tmp_path, token, block_size=1000)
    np.testing.assert_array_equal(open_layer(tmp_path, layer_of("n5")).read(WHOLE)[0], voxels)


def test_lz4_that_claims_too_much_is_refused(tmp_path: Path, voxels: NDArray[Any]) -> None:
    write_n5(tmp_path, voxels, (16, 16, 8), {"type": "raw"})
    pack_lz4(tmp_path)
    file = chunk_files(tmp_path)[0]
    data = bytearray(file.read_bytes())
    struct.pack_into("<I", data, 16 + 8 + 1 + 4, 2**31)  # the length when unpacked
    file.write_bytes(data)
    with pytest.raises(CorruptData) as caught:
        open_layer(tmp_path, layer_of("n5")).read(WHOLE)
    assert caught.value.path == str(file)


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "raw"])
def test_the_older_spelling_of_the_compression_is_read(
    tmp_path: Path, voxels: NDArray[Any], kind: str
) -> None:
    write_n5(tmp_path, voxels, (8, 8, 8), {"type": kind})
    attributes = json.loads((tmp_path / "attributes.json").read_text())
    del attributes["compression"]
    write_json(tmp_path / "attributes.json", {**attributes, "compressionType": kind, "n5": "1.5.0"})
    np.testing.assert_array_equal(open_layer(tmp_path, layer_of("n5")).read(WHOLE)[0], voxels)


def test_dimensions_may_be_in_another_order_and_more(tmp_path: Path) -> None:
    array = random_voxels("uint16", (20, 18, 14, 2, 3))
    write_n5(tmp_path, array, (8, 8, 8, 1, 1), {"type": "raw"})
    time = AdditionalAxis("t", 0, 3, 4)
    layer = layer_of("n5", channels=2, mag=mag_of(x=0, y=1, z=2, c=3), additional=[time])
    volume = open_layer(tmp_path, layer)
    np.testing.assert_array_equal(volume.read(WHOLE, {"t": 2}), np.moveaxis(array[..., 2], 3, 0))
    with pytest.raises(InvalidInput, match="positions 0 to 2"):
        volume.read(WHOLE, {"t": 3})


def test_other_attributes_do_not_matter(tmp_path: Path, voxels: NDArray[Any]) -> None:
    write_n5(tmp_path, voxels, (8, 8, 8), {"type": "raw"})
    change_json(tmp_path / "attributes.json", units=7, axes="none", resolution={}, more=[1])
    np.testing.assert_array_equal(open_layer(tmp_path, layer_of("n5")).read(WHOLE)[0], voxels)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"blockSize": [0, 8, 8]}, CorruptData),
        ({"blockSize": [8, 8]}, CorruptData),
        ({"blockSize": [2**14, 2**14, 2**14]}, UnsupportedFormat),
        ({"dimensions": [-1, 8, 8]}, CorruptData),
        ({"dimensions": "8"}, CorruptData),
        ({"dataType": "string"}, UnsupportedFormat),
        ({"dataType": None}, UnsupportedFormat),
        ({"compression": {"type": "jpeg"}}, UnsupportedFormat),
        ({"compression": {}}, UnsupportedFormat),
    ],
)
def test_attributes_that_cannot_be_used_are_told(
    tmp_path: Path, voxels: NDArray[Any], changes: dict[str, Any], error: type[WkError]
) -> None:
    write_n5(tmp_path, voxels, (8, 8, 8), {"type": "raw"})
    change_json(tmp_path / "attributes.json", **changes)
    with pytest.raises(error) as caught:
        open_layer(tmp_path, layer_of("n5"))
    assert "attributes.json" in str(caught.value)


def test_a_folder_without_attributes_is_told(tmp_path: Path) -> None:
    with pytest.raises(CorruptData, match=r"attributes\.json"):
        open_layer(tmp_path, layer_of("n5"))
