"""Neuroglancer precomputed, as tensorstore writes it, in every encoding, also with files called NAME.gz."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from array_files import (
    change_json,
    chunk_files,
    gzip_chunks,
    layer_of,
    mag_of,
    open_layer,
    write_json,
    write_precomputed,
)
from contracts.volume_contract import VolumeContract, random_voxels
from numpy.typing import NDArray

from wk_jupyter.errors import CorruptData, InvalidInput, UnsupportedFormat, WkError
from wk_jupyter.geometry import BoundingBox, Vec3Int
from wk_jupyter.store.volumes.base import Volume

SIZE = (40, 30, 20)
OFFSET = (100, 7, 1000)
SHARDING = {
    "@type": "neuroglancer_uint64_sharded_v1",
    "preshift_bits": 1,
    "minishard_bits": 2,
    "shard_bits": 1,
    "hash": "murmurhash3_x86_128",
    "minishard_index_encoding": "gzip",
    "data_encoding": "gzip",
}
SEGMENTATION = {
    "encoding": "compressed_segmentation",
    "compressed_segmentation_block_size": [8, 8, 8],
}


class TestRaw(VolumeContract):
    scale: ClassVar[dict[str, Any]] = {}

    def store(self, folder: Path, voxels: NDArray[Any]) -> None:
        write_precomputed(folder / "vol", voxels.transpose(1, 2, 3, 0), **self.scale)

    def open(self, folder: Path) -> Volume:
        mag = mag_of("vol/8_8_30")
        layer = layer_of(
            "neuroglancerPrecomputed",
            dtype=self.dtype,
            size=self.size,
            channels=self.channels,
            mag=mag,
        )
        return open_layer(folder, layer)

    def damage(self, folder: Path) -> Path:
        file = chunk_files(folder)[0]
        os.truncate(file, file.stat().st_size // 2)
        return file


class TestChannels(TestRaw):
    channels = 2
    dtype = "float32"


class TestSegmentation(TestRaw):
    scale: ClassVar = SEGMENTATION
    dtype = "uint64"


class TestSharded(TestRaw):
    scale: ClassVar = {"sharding": SHARDING}
    dtype = "uint32"


class TestGzippedFiles(TestRaw):
    def store(self, folder: Path, voxels: NDArray[Any]) -> None:
        super().store(folder, voxels)
        gzip_chunks(folder / "vol" / "8_8_30")


class TestGzippedSegmentation(TestGzippedFiles):
    scale: ClassVar = SEGMENTATION
    dtype = "uint32"


def open_at(folder: Path, dtype: str, channels: int = 1, key: str = "8_8_30") -> Volume:
    layer = layer_of("neuroglancerPrecomputed", dtype=dtype, channels=channels, mag=mag_of(key))
    return open_layer(folder, layer)


def smooth(dtype: str, channels: int) -> NDArray[Any]:
    """Voxels (x, y, z, channel) that lossy encodings keep nearly."""
    x, y, z, c = np.ogrid[: SIZE[0], : SIZE[1], : SIZE[2], :channels]
    return np.asarray(x * 3 + y * 2 + z + c * 20).astype(dtype)


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize(
    ("dtype", "channels", "scale", "tolerance"),
    [
        ("uint8", 1, {"encoding": "jpeg", "jpeg_quality": 100}, 2),
        ("uint8", 3, {"encoding": "jpeg", "jpeg_quality": 100}, 6),
        ("uint8", 1, {"encoding": "png"}, 0),
        ("uint8", 3, {"encoding": "png"}, 0),
        ("uint16", 1, {"encoding": "png"}, 0),
        ("uint16", 2, {}, 0),
        ("uint64", 1, SEGMENTATION, 0),
        ("uint32", 2, SEGMENTATION, 0),
    ],
)
def test_every_encoding_is_read_where_it_lies(
    tmp_path: Path, dtype: str, channels: int, scale: dict[str, Any], tolerance: int, ending: str
) -> None:
    array = smooth(dtype, channels)
    folder = write_precomputed(tmp_path, array, offset=OFFSET, **scale)
    if ending:
        gzip_chunks(folder)
    volume = open_at(tmp_path, dtype, channels)
    assert volume.info.bounds == BoundingBox(OFFSET, SIZE)
    voxels = volume.read(BoundingBox(Vec3Int(*OFFSET) - 5, Vec3Int(*SIZE) + 10))
    assert voxels.dtype == np.dtype(dtype)
    inner = voxels[:, 5:-5, 5:-5, 5:-5].astype(np.int64)
    assert np.abs(inner - array.transpose(3, 0, 1, 2).astype(np.int64)).max() <= tolerance
    voxels[:, 5:-5, 5:-5, 5:-5] = 0
    assert not voxels.any()


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_a_channel_of_many_in_a_part_of_the_box(tmp_path: Path, ending: str) -> None:
    array = random_voxels("uint16", (*SIZE, 3))
    folder = write_precomputed(tmp_path, array, offset=(-20, 0, 5))
    if ending:
        gzip_chunks(folder)
    layer = layer_of("neuroglancerPrecomputed", mag=mag_of("8_8_30", channel=2))
    volume = open_layer(tmp_path, layer)
    box = BoundingBox((-13, 9, 6), (25, 17, 12))
    expected = array[7:32, 9:26, 1:13, 2]
    np.testing.assert_array_equal(volume.read(box)[0], expected)
    np.testing.assert_array_equal(asyncio.run(volume.read_async(box))[0], expected)


def test_files_of_either_name_may_lie_together(tmp_path: Path) -> None:
    array = random_voxels("uint16", (*SIZE, 1))
    folder = write_precomputed(tmp_path, array)
    for file in chunk_files(folder)[::2]:
        file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    np.testing.assert_array_equal(
        open_at(tmp_path, "uint16").read(BoundingBox((0, 0, 0), SIZE))[0], array[..., 0]
    )


def test_files_of_another_ending_are_refused_not_zero(tmp_path: Path) -> None:
    folder = write_precomputed(tmp_path, random_voxels("uint16", (*SIZE, 1)))
    for file in chunk_files(folder):
        file.rename(f"{file}.br")
    with pytest.raises(UnsupportedFormat, match=r"\.br"):
        open_at(tmp_path, "uint16")


@pytest.mark.parametrize("how", ["cut", "empty", "text", "bomb"])
def test_a_damaged_gz_file_is_named(tmp_path: Path, how: str) -> None:
    folder = write_precomputed(tmp_path, random_voxels("uint16", (*SIZE, 1)))
    gzip_chunks(folder)
    file = chunk_files(folder)[0]
    data = file.read_bytes()
    bad = {"cut": data[:-100], "empty": b"", "text": b"no gzip", "bomb": gzip.compress(bytes(2**20))}
    file.write_bytes(bad[how])
    with pytest.raises(CorruptData) as caught:
        open_at(tmp_path, "uint16").read(BoundingBox((0, 0, 0), SIZE))
    assert file.name.removesuffix(".gz") in str(caught.value)


def test_the_scale_may_lie_deeper(tmp_path: Path) -> None:
    array = random_voxels("uint8", (*SIZE, 1))
    write_precomputed(tmp_path / "vol", array, key="scales/fine")
    volume = open_at(tmp_path, "uint8", key="vol/scales/fine")
    np.testing.assert_array_equal(volume.read(BoundingBox((0, 0, 0), SIZE))[0], array[..., 0])


@pytest.mark.parametrize("level", ["layer", "mag"])
def test_the_scale_may_be_reached_by_a_link(tmp_path: Path, level: str) -> None:
    array = random_voxels("uint8", (*SIZE, 1))
    scale = write_precomputed(tmp_path / "elsewhere" / "vol", array)
    (tmp_path / "dataset" / "em").mkdir(parents=True)
    if level == "layer":
        (tmp_path / "dataset" / "layer").symlink_to(scale.parent)
        key = "layer/8_8_30"
    else:
        (tmp_path / "dataset" / "em" / "1").symlink_to(scale)
        key = "em/1"
    volume = open_at(tmp_path / "dataset", "uint8", key=key)
    np.testing.assert_array_equal(volume.read(BoundingBox((0, 0, 0), SIZE))[0], array[..., 0])


def test_an_unknown_scale_is_told_with_those_that_are_there(tmp_path: Path) -> None:
    write_precomputed(tmp_path, random_voxels("uint8", (*SIZE, 1)))
    (tmp_path / "other").mkdir()
    with pytest.raises(CorruptData, match="no scale 'other'") as caught:
        open_at(tmp_path, "uint8", key="other")
    assert "8_8_30" in caught.value.hint


def test_a_folder_without_info_is_told(tmp_path: Path) -> None:
    with pytest.raises(CorruptData, match="no info file"):
        open_at(tmp_path, "uint8", key="a/b/c/d/e")


def test_it_has_no_more_axes(tmp_path: Path) -> None:
    write_precomputed(tmp_path, random_voxels("uint8", (*SIZE, 1)))
    with pytest.raises(InvalidInput, match="no axis t"):
        open_at(tmp_path, "uint8").read(BoundingBox((0, 0, 0), SIZE), {"t": 0})


@pytest.mark.parametrize(
    ("changes", "scale", "error"),
    [
        ({"data_type": "string"}, {}, UnsupportedFormat),
        ({"num_channels": 0}, {}, CorruptData),
        ({"scales": []}, {}, CorruptData),
        ({"scales": None}, {}, CorruptData),
        ({"scales": [1]}, {}, CorruptData),
        ({}, {"encoding": "jxl"}, UnsupportedFormat),
        ({}, {"size": [-1, 2, 3]}, CorruptData),
        ({}, {"size": [1, 2]}, CorruptData),
        ({}, {"chunk_sizes": []}, CorruptData),
        ({}, {"chunk_sizes": [[0, 8, 8]]}, CorruptData),
        ({}, {"chunk_sizes": [[2**14, 2**14, 2**14]]}, UnsupportedFormat),
        ({}, {"resolution": [0, 1, 1]}, CorruptData),
        ({}, {"resolution": "8"}, CorruptData),
        ({}, {"key": "../8_8_30"}, CorruptData),
        ({}, {"voxel_offset": [0, 0, 10**30]}, CorruptData),
        ({}, {**SEGMENTATION, "compressed_segmentation_block_size": [0, 8, 8]}, CorruptData),
        ({}, {"sharding": {**SHARDING, "hash": "md5"}}, CorruptData),
    ],
)
def test_an_info_that_cannot_be_used_is_told(
    tmp_path: Path, changes: dict[str, Any], scale: dict[str, Any], error: type[WkError]
) -> None:
    write_precomputed(tmp_path, random_voxels("uint32", (*SIZE, 1)))
    info = json.loads((tmp_path / "info").read_text())
    info["scales"][0].update(scale)
    write_json(tmp_path / "info", info)
    change_json(tmp_path / "info", **changes)
    with pytest.raises(error) as caught:
        open_at(tmp_path, "uint32")
    assert str(tmp_path) in str(caught.value)
