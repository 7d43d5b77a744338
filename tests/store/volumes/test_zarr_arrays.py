"""Zarr v2 and v3, as zarr-python and tensorstore write them, and as broken or hostile files have them."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any, ClassVar

import numcodecs
import numpy as np
import pytest
import zarr
from array_files import (
    change_json,
    chunk_files,
    layer_of,
    mag_of,
    open_layer,
    write_json,
    write_tensorstore,
    write_zarr,
)
from contracts.volume_contract import VolumeContract, random_voxels
from numpy.typing import NDArray

from wk_jupyter.datasource import AdditionalAxis
from wk_jupyter.errors import CorruptData, InvalidInput, TooLarge, UnsupportedFormat, WkError
from wk_jupyter.geometry import BoundingBox
from wk_jupyter.store.volumes import tensorstore_volume
from wk_jupyter.store.volumes.base import Volume

DTYPES = (
    "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float32", "float64",
)  # fmt: skip


class ZarrContract(VolumeContract):
    version: ClassVar[int] = 3
    options: ClassVar[dict[str, Any]] = {"chunks": (1, 32, 32, 20)}
    endian: ClassVar[str] = "="

    def store(self, folder: Path, voxels: NDArray[Any]) -> None:
        stored = voxels.astype(voxels.dtype.newbyteorder(self.endian))  # type: ignore[arg-type]
        write_zarr(folder, stored, version=self.version, **self.options)

    def open(self, folder: Path) -> Volume:
        data_format = "zarr3" if self.version == 3 else "zarr"
        layer = layer_of(data_format, dtype=self.dtype, size=self.size, channels=self.channels)
        return open_layer(folder, layer)

    def damage(self, folder: Path) -> Path:
        file = chunk_files(folder)[0]
        os.truncate(file, file.stat().st_size // 2)
        return file

    def test_empty_chunks_are_left_out(self, folder: Path) -> None:
        """Else the contract's tests of what was never written would test nothing."""
        files = chunk_files(folder)
        grid = [-(-size // chunk) for size, chunk in zip(self.size, (32, 32, 20), strict=True)]
        assert 0 < len(files) < np.prod(grid) * self.channels


class TestV3(ZarrContract):
    pass


class TestV3Channels(ZarrContract):
    channels = 3
    dtype = "uint8"


class TestV3Sharded(ZarrContract):
    options: ClassVar = {"chunks": (1, 16, 16, 16), "shards": (1, 32, 32, 48)}
    dtype = "uint64"


class TestV3BigEndian(ZarrContract):
    options: ClassVar = {
        "chunks": (1, 32, 32, 20),
        "serializer": zarr.codecs.BytesCodec(endian="big"),
        "compressors": None,
    }
    dtype = "float32"


class TestV2(ZarrContract):
    version = 2


class TestV2Fortran(ZarrContract):
    version = 2
    options: ClassVar = {"chunks": (2, 32, 32, 20), "order": "F"}
    channels = 2
    endian = ">"
    dtype = "int32"


class TestV2Slash(ZarrContract):
    version = 2
    options: ClassVar = {
        "chunks": (1, 32, 32, 20),
        "chunk_key_encoding": {"name": "v2", "separator": "/"},
        "compressors": numcodecs.Zlib(),
    }
    dtype = "float64"


class TestV2UnpackedHere(ZarrContract):
    """LZ4 of its own is a codec that tensorstore lacks."""

    version = 2
    options: ClassVar = {"chunks": (1, 32, 32, 20), "compressors": numcodecs.LZ4()}


@pytest.fixture
def voxels() -> NDArray[Any]:
    return random_voxels("uint16", (20, 18, 14))


WHOLE = BoundingBox((0, 0, 0), (20, 18, 14))


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_type_is_read(tmp_path: Path, dtype: str, version: int) -> None:
    array = random_voxels(dtype, (20, 18, 14))
    write_zarr(tmp_path, array, version=version, chunks=(8, 8, 8))
    volume = open_layer(tmp_path, layer_of("zarr", dtype=dtype))
    assert volume.info.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(volume.read(WHOLE)[0], array)


@pytest.mark.parametrize(
    "compressor",
    [
        None,
        numcodecs.Zlib(9),
        numcodecs.GZip(6),
        numcodecs.BZ2(1),
        numcodecs.Zstd(0, checksum=True),
        numcodecs.Zstd(-3),
        numcodecs.LZ4(),
        numcodecs.LZMA(),
        numcodecs.Blosc("zstd", 3, numcodecs.Blosc.BITSHUFFLE),
        numcodecs.Blosc("lz4hc", 9, numcodecs.Blosc.NOSHUFFLE),
        numcodecs.Blosc("blosclz", 1, numcodecs.Blosc.AUTOSHUFFLE),
    ],
    ids=str,
)
def test_every_v2_compressor_is_read(tmp_path: Path, voxels: NDArray[Any], compressor: Any) -> None:
    write_zarr(tmp_path, voxels, version=2, chunks=(8, 8, 8), compressors=compressor)
    np.testing.assert_array_equal(open_layer(tmp_path, layer_of("zarr")).read(WHOLE)[0], voxels)


@pytest.mark.parametrize("order", ["C", "F"])
def test_v2_filters_are_undone(tmp_path: Path, voxels: NDArray[Any], order: str) -> None:
    filters = [numcodecs.Delta("u2"), numcodecs.Shuffle(2)]
    write_zarr(
        tmp_path,
        voxels,
        version=2,
        chunks=(8, 8, 8),
        order=order,
        filters=filters,
        compressors=numcodecs.Zstd(),
        fill_value=9,
    )
    chunk_files(tmp_path / ".")[0]
    (tmp_path / "1.1.1").unlink()
    expected = voxels.copy()
    expected[8:16, 8:16, 8:14] = 9
    np.testing.assert_array_equal(open_layer(tmp_path, layer_of("zarr")).read(WHOLE)[0], expected)


@pytest.mark.parametrize(
    "codec",
    [
        zarr.codecs.GzipCodec(),
        zarr.codecs.BloscCodec(cname="lz4"),
        zarr.codecs.ZstdCodec(level=3, checksum=True),
        zarr.codecs.Crc32cCodec(),
    ],
    ids=lambda codec: type(codec).__name__,
)
@pytest.mark.parametrize("shards", [None, (16, 16, 16)], ids=["plain", "sharded"])
def test_every_v3_codec_is_read(tmp_path: Path, voxels: NDArray[Any], codec: Any, shards: Any) -> None:
    write_zarr(tmp_path, voxels, chunks=(8, 8, 8), shards=shards, compressors=codec)
    np.testing.assert_array_equal(open_layer(tmp_path, layer_of("zarr3")).read(WHOLE)[0], voxels)


def test_a_transpose_written_as_a_letter_is_read(tmp_path: Path, voxels: NDArray[Any]) -> None:
    options = {"filters": [zarr.codecs.TransposeCodec(order=(2, 1, 0))], "compressors": None}
    write_zarr(tmp_path, voxels, chunks=(8, 8, 8), **options)
    document = json.loads((tmp_path / "zarr.json").read_text())
    document["codecs"][0]["configuration"]["order"] = "F"
    write_json(tmp_path / "zarr.json", document)
    np.testing.assert_array_equal(open_layer(tmp_path, layer_of("zarr3")).read(WHOLE)[0], voxels)


@pytest.mark.parametrize(
    "codecs",
    [
        ["bytes"],
        [{"name": "endian", "configuration": {"endian": "little"}}],
        [{"name": "bytes", "configuration": {"endian": "little"}}, "crc32c"],
    ],
    ids=str,
)
def test_codecs_are_read_in_other_spellings(tmp_path: Path, codecs: list[Any]) -> None:
    array = random_voxels("uint8", (20, 18, 14))
    packing = [zarr.codecs.Crc32cCodec()] if len(codecs) > 1 else None
    write_zarr(tmp_path, array, chunks=(8, 8, 8), compressors=packing)
    change_json(tmp_path / "zarr.json", codecs=codecs, dimension_names=[None, "a", "a"])
    np.testing.assert_array_equal(
        open_layer(tmp_path, layer_of("zarr3", dtype="uint8")).read(WHOLE)[0], array
    )


@pytest.mark.parametrize(
    ("filters", "packing"),
    [
        ([], ["LZ4"]),
        ([], ["Zlib"]),
        ([], ["Shuffle", "LZMA"]),
        (["Delta"], ["LZ4"]),
        (["Delta"], []),
        ([], ["LZ4", "GzipCodec"]),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("separator", ["/", "."])
def test_v3_codecs_that_came_from_v2_are_undone(
    tmp_path: Path, voxels: NDArray[Any], filters: list[str], packing: list[str], separator: str
) -> None:
    from zarr.codecs import numcodecs as foreign

    options = {"Delta": {"dtype": "<u2"}, "Shuffle": {"elementsize": 2}}

    def made(name: str) -> Any:
        source = zarr.codecs if name.endswith("Codec") else foreign
        return getattr(source, name)(**options.get(name, {}))

    write_zarr(
        tmp_path,
        voxels,
        chunks=(8, 8, 8),
        filters=[made(name) for name in filters],
        compressors=[made(name) for name in packing],
        chunk_key_encoding={"name": "default", "separator": separator},
        fill_value=3,
    )
    (tmp_path / f"c{separator}0{separator}1{separator}0").unlink()
    expected = voxels.copy()
    expected[:8, 8:16, :8] = 3
    np.testing.assert_array_equal(open_layer(tmp_path, layer_of("zarr3")).read(WHOLE)[0], expected)


@pytest.mark.parametrize("codec", [numcodecs.Zstd(), numcodecs.LZ4()], ids=["tensorstore", "unpacked-here"])
def test_chunks_in_folders_are_found_where_the_metadata_does_not_say_so(
    tmp_path: Path, voxels: NDArray[Any], codec: Any
) -> None:
    nested = {"name": "v2", "separator": "/"}
    write_zarr(tmp_path, voxels, version=2, chunks=(8, 8, 8), chunk_key_encoding=nested, compressors=codec)
    document = json.loads((tmp_path / ".zarray").read_text())
    assert document.pop("dimension_separator") == "/"
    write_json(tmp_path / ".zarray", document)
    np.testing.assert_array_equal(open_layer(tmp_path, layer_of("zarr")).read(WHOLE)[0], voxels)


def test_shards_with_their_index_at_the_start(tmp_path: Path, voxels: NDArray[Any]) -> None:
    sharding = {
        "chunk_shape": [8, 8, 8],
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "gzip"}],
        "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}],
        "index_location": "start",
    }
    metadata = {
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [16, 16, 16]}},
        "codecs": [{"name": "sharding_indexed", "configuration": sharding}],
    }
    write_tensorstore(tmp_path, "zarr3", voxels, metadata)
    np.testing.assert_array_equal(open_layer(tmp_path, layer_of("zarr3")).read(WHOLE)[0], voxels)


@pytest.mark.parametrize("version", [2, 3])
def test_booleans_are_read_as_numbers(tmp_path: Path, version: int) -> None:
    array = np.random.default_rng(0).random((20, 18, 14)) > 0.5
    write_zarr(tmp_path, array, version=version, chunks=(8, 8, 8))
    change_json(tmp_path / ("zarr.json" if version == 3 else ".zarray"), fill_value=0)  # some write it so
    volume = open_layer(tmp_path, layer_of("zarr", dtype="uint8"))
    assert volume.info.dtype == np.uint8
    np.testing.assert_array_equal(volume.read(WHOLE)[0], array.astype(np.uint8))


def test_half_floats_are_read_as_floats(tmp_path: Path) -> None:
    array = np.linspace(-3, 3, 20 * 18 * 14, dtype=np.float16).reshape(20, 18, 14)
    write_zarr(tmp_path, array, chunks=(8, 8, 8))
    volume = open_layer(tmp_path, layer_of("zarr3", dtype="float32"))
    assert volume.info.dtype == np.float32
    np.testing.assert_array_equal(volume.read(WHOLE)[0], array.astype(np.float32))


@pytest.mark.parametrize(
    ("version", "dtype", "written", "value"),
    [
        (2, "uint16", 7, 7),
        (2, "uint16", 7.0, 7),
        (2, "uint16", "7", 7),
        (2, "uint16", True, 1),
        (2, "uint16", None, 0),
        (2, "float32", "2.5", 2.5),
        (2, "float32", "NaN", np.nan),
        (2, "float32", "-Infinity", -np.inf),
        (3, "uint16", 7, 7),
        (3, "uint16", None, 0),
        (3, "float64", "Infinity", np.inf),
        (3, "float32", "0x7fc00000", np.nan),
    ],
)
def test_a_missing_chunk_is_the_fill_value(
    tmp_path: Path, version: int, dtype: str, written: Any, value: float
) -> None:
    array = np.ones((20, 18, 14), dtype)
    write_zarr(tmp_path, array, version=version, chunks=(10, 18, 14))
    change_json(tmp_path / ("zarr.json" if version == 3 else ".zarray"), fill_value=written)
    chunk_files(tmp_path)[0].unlink()
    voxels = open_layer(tmp_path, layer_of("zarr", dtype=dtype)).read(WHOLE)[0]
    np.testing.assert_array_equal(np.unique(voxels), np.unique(np.array([1, value], dtype)))


def test_python_s_words_for_numbers_are_read(tmp_path: Path) -> None:
    write_zarr(tmp_path, np.ones((4, 4, 4), "f4"), version=2, chunks=(2, 4, 4))
    text = (tmp_path / ".zarray").read_text().replace('"fill_value": 0.0', '"fill_value": NaN')
    assert "NaN" in text
    (tmp_path / ".zarray").write_text(text)
    (tmp_path / "0.0.0").unlink()
    voxels = open_layer(tmp_path, layer_of("zarr", dtype="float32")).read(BoundingBox((0, 0, 0), (4, 4, 4)))
    assert np.isnan(voxels[0, :2]).all()
    assert (voxels[0, 2:] == 1).all()


# --- axes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axes", ["xyz", "zyx", "yzx", "czyx", "zcyx", "xyzc", "yxc", "yx", "x"])
def test_any_order_of_axes_is_read(tmp_path: Path, axes: str) -> None:
    sizes = {"c": 3, "x": 20, "y": 18, "z": 14}
    array = random_voxels("uint16", tuple(sizes[axis] for axis in axes))
    write_zarr(tmp_path, array, chunks=[8 if axis != "c" else 1 for axis in axes])
    order = {axis: number for number, axis in enumerate(axes)}
    channels = 3 if "c" in axes else 1
    volume = open_layer(tmp_path, layer_of("zarr3", channels=channels, mag=mag_of(**order)))
    size = [sizes[axis] if axis in axes else 1 for axis in "xyz"]
    assert volume.info.bounds == BoundingBox((0, 0, 0), size)
    voxels = volume.read(volume.info.bounds)
    assert voxels.shape == (channels, *size)
    expected = np.einsum(f"{axes}->{''.join(a for a in 'cxyz' if a in axes)}", array)
    np.testing.assert_array_equal(voxels.reshape(expected.shape), expected)
    part = BoundingBox((3, 0, 0), (9, 1, 1))
    np.testing.assert_array_equal(volume.read(part), voxels[:, 3:12, :1, :1])


@pytest.mark.parametrize("shape", [(20,), (20, 18), (20, 18, 14), (3, 20, 18, 14)])
def test_without_an_axis_order_it_is_c_x_y_z(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = random_voxels("uint16", shape)
    write_zarr(tmp_path, array, chunks=tuple(8 for _ in shape))
    channels = shape[0] if len(shape) == 4 else 1
    volume = open_layer(tmp_path, layer_of("zarr3", channels=channels))
    voxels = volume.read(volume.info.bounds)
    np.testing.assert_array_equal(voxels.reshape(shape), array)
    assert volume.info.bounds.size == (*shape[-3:], 1, 1)[:3] if len(shape) < 4 else shape[1:]


@pytest.mark.parametrize("codec", [numcodecs.Zstd(), numcodecs.LZ4()], ids=["tensorstore", "unpacked-here"])
def test_a_channel_of_many(tmp_path: Path, codec: Any) -> None:
    array = random_voxels("uint16", (4, 20, 18, 14))
    write_zarr(tmp_path, array, version=2, chunks=(2, 8, 8, 8), compressors=codec)
    for first, count in [(0, 1), (3, 1), (1, 3)]:
        layer = layer_of("zarr", channels=count, mag=mag_of(channel=first))
        volume = open_layer(tmp_path, layer)
        assert volume.info.num_channels == count
        np.testing.assert_array_equal(volume.read(WHOLE), array[first : first + count])
    with pytest.raises(CorruptData, match="4 channels"):
        open_layer(tmp_path, layer_of("zarr", mag=mag_of(channel=4)))


@pytest.mark.parametrize("codec", [numcodecs.Zstd(), numcodecs.LZ4()], ids=["tensorstore", "unpacked-here"])
def test_additional_axes(tmp_path: Path, codec: Any) -> None:
    array = random_voxels("uint16", (5, 14, 18, 20))
    write_zarr(tmp_path, array, version=2, chunks=(2, 8, 8, 8), compressors=codec)
    time = AdditionalAxis("t", 1, 5, 0)
    volume = open_layer(tmp_path, layer_of("zarr", mag=mag_of(x=3, y=2, z=1), additional=[time]))
    whole = np.moveaxis(array, 0, -1).transpose(2, 1, 0, 3)
    np.testing.assert_array_equal(volume.read(WHOLE)[0], whole[..., 1])  # the first position of the layer
    np.testing.assert_array_equal(volume.read(WHOLE, {"t": 3})[0], whole[..., 3])
    np.testing.assert_array_equal(asyncio.run(volume.read_async(WHOLE, {"t": 4}))[0], whole[..., 4])
    for wrong in (-1, 5, 2**70):
        with pytest.raises(InvalidInput, match="positions 0 to 4 along t"):
            volume.read(WHOLE, {"t": wrong})
    with pytest.raises(InvalidInput, match="no axis q"):
        volume.read(WHOLE, {"q": 0})


@pytest.mark.parametrize(
    ("axes", "additional"),
    [
        ({"x": 0, "y": 1, "z": 3}, []),
        ({"x": 0, "y": 0, "z": 1}, []),
        ({"x": 0, "y": 1, "z": 2}, [AdditionalAxis("t", 0, 2, 2)]),
        ({}, [AdditionalAxis("t", 0, 2, 9)]),
    ],
)
def test_axes_that_do_not_fit_are_told(
    tmp_path: Path, voxels: NDArray[Any], axes: dict[str, int], additional: list[AdditionalAxis]
) -> None:
    write_zarr(tmp_path, voxels, chunks=(8, 8, 8))
    with pytest.raises(CorruptData, match="3 dimensions") as caught:
        open_layer(tmp_path, layer_of("zarr3", mag=mag_of(**axes), additional=additional))
    assert str(tmp_path) in str(caught.value)
    assert "axisOrder" in caught.value.hint or "axis order" in str(caught.value)


# --- what cannot be read ---------------------------------------------------------------------------

GOOD_V2 = {
    "zarr_format": 2, "shape": [8, 8, 8], "chunks": [8, 8, 8], "dtype": "|u1",
    "compressor": None, "fill_value": 0, "order": "C", "filters": None,
}  # fmt: skip
GOOD_V3 = {
    "zarr_format": 3,
    "node_type": "array",
    "shape": [8, 8, 8],
    "data_type": "uint8",
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [8, 8, 8]}},
    "chunk_key_encoding": {"name": "default"},
    "fill_value": 0,
    "codecs": [{"name": "bytes"}],
}


def grid(*shape: Any) -> dict[str, Any]:
    return {"name": "regular", "configuration": {"chunk_shape": list(shape)}}


def sharding(*shape: Any) -> list[dict[str, Any]]:
    index = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]
    configuration = {"chunk_shape": list(shape), "codecs": [{"name": "bytes"}], "index_codecs": index}
    return [{"name": "sharding_indexed", "configuration": configuration}]


@pytest.mark.parametrize("name", [".zarray", "zarr.json"])
def test_the_good_metadata_is_good(tmp_path: Path, name: str) -> None:
    write_json(tmp_path / name, GOOD_V2 if name == ".zarray" else GOOD_V3)
    assert not open_layer(tmp_path, layer_of("zarr", dtype="uint8")).read(WHOLE).any()


@pytest.mark.parametrize(
    ("name", "changes", "error"),
    [
        (".zarray", {"chunks": [0, 8, 8]}, CorruptData),
        (".zarray", {"chunks": [-8, 8, 8]}, CorruptData),
        (".zarray", {"chunks": [8, 8]}, CorruptData),
        (".zarray", {"chunks": [8, True, 8]}, CorruptData),
        (".zarray", {"chunks": [8, 1e999, 8]}, CorruptData),
        (".zarray", {"chunks": "8"}, CorruptData),
        (".zarray", {"chunks": [2**40, 2**40, 8]}, UnsupportedFormat),
        (".zarray", {"chunks": [2**14, 2**14, 8]}, UnsupportedFormat),
        (".zarray", {"shape": [-1, 8, 8]}, CorruptData),
        (".zarray", {"shape": [10**30, 8, 8]}, CorruptData),
        (".zarray", {"shape": None}, CorruptData),
        (".zarray", {"shape": [], "chunks": []}, CorruptData),
        (".zarray", {"shape": [8] * 40, "chunks": [8] * 40}, CorruptData),
        (".zarray", {"dtype": "|O"}, UnsupportedFormat),
        (".zarray", {"dtype": "|S7"}, UnsupportedFormat),
        (".zarray", {"dtype": "<U7"}, UnsupportedFormat),
        (".zarray", {"dtype": "<c8"}, UnsupportedFormat),
        (".zarray", {"dtype": "<M8[s]"}, UnsupportedFormat),
        (".zarray", {"dtype": [["r", "|u1"], ["g", "|u1"]]}, UnsupportedFormat),
        (".zarray", {"dtype": "nonsense"}, UnsupportedFormat),
        (".zarray", {"compressor": {"id": "jpeg2k"}}, UnsupportedFormat),
        (".zarray", {"compressor": {"id": "pickle"}}, UnsupportedFormat),
        (".zarray", {"filters": [{"id": "pickle"}]}, UnsupportedFormat),
        (".zarray", {"filters": [{"id": "delta"}]}, CorruptData),
        (".zarray", {"compressor": "zlib"}, CorruptData),
        (".zarray", {"compressor": {}}, CorruptData),
        (".zarray", {"fill_value": 1e9}, CorruptData),
        (".zarray", {"order": "K"}, CorruptData),
        (".zarray", {"dimension_separator": "../"}, CorruptData),
        (".zarray", {"dimension_separator": "../", "compressor": {"id": "lz4"}}, CorruptData),
        ("zarr.json", {"node_type": "group"}, CorruptData),
        ("zarr.json", {"chunk_grid": grid(0, 8, 8)}, CorruptData),
        ("zarr.json", {"chunk_grid": grid(8, 8)}, CorruptData),
        ("zarr.json", {"chunk_grid": {"name": "rectilinear"}}, UnsupportedFormat),
        ("zarr.json", {"chunk_grid": None}, CorruptData),
        (
            "zarr.json",
            {"chunk_grid": grid(2**20, 2**20, 2**20), "codecs": sharding(1, 1, 1)},
            UnsupportedFormat,
        ),
        ("zarr.json", {"codecs": sharding(0, 8, 8)}, CorruptData),
        ("zarr.json", {"codecs": sharding(3, 8, 8)}, CorruptData),
        ("zarr.json", {"codecs": []}, CorruptData),
        ("zarr.json", {"codecs": [{"name": "bytes"}, {"name": "jpeg2k"}]}, UnsupportedFormat),
        ("zarr.json", {"codecs": [{"name": "bytes"}, {"name": "numcodecs.pickle"}]}, UnsupportedFormat),
        (
            "zarr.json",
            {"codecs": [{"name": "transpose"}, {"name": "numcodecs.delta"}, {"name": "bytes"}]},
            UnsupportedFormat,
        ),
        (
            "zarr.json",
            {"chunk_key_encoding": {"name": "v2", "configuration": {"separator": "-"}}},
            CorruptData,
        ),
        ("zarr.json", {"extra": 1}, UnsupportedFormat),
        ("zarr.json", {"data_type": "string"}, UnsupportedFormat),
        ("zarr.json", {"data_type": {"name": "r128"}}, UnsupportedFormat),
        ("zarr.json", {"data_type": "complex64"}, UnsupportedFormat),
    ],
)  # fmt: skip
def test_metadata_that_cannot_be_used_is_told(
    tmp_path: Path, name: str, changes: dict[str, Any], error: type[WkError]
) -> None:
    write_json(tmp_path / name, {**(GOOD_V2 if name == ".zarray" else GOOD_V3), **changes})
    with pytest.raises(error) as caught:
        open_layer(tmp_path, layer_of("zarr", dtype="uint8"))
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("name", [".zarray", "zarr.json"])
@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "[" * 100_000, '{"a":' * 100_000, "\x00\xff", " " * (16 * 2**20 + 1), "git-lfs pointer"],
    ids=["empty", "open", "list", "deep", "deep-objects", "binary", "long", "text"],
)
def test_metadata_that_is_no_object_is_told(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(CorruptData, match="zarr") as caught:
        open_layer(tmp_path, layer_of("zarr"))
    assert caught.value.path == str(tmp_path / name)


def test_a_folder_without_metadata_is_told(tmp_path: Path) -> None:
    with pytest.raises(CorruptData, match="holds no Zarr array"):
        open_layer(tmp_path, layer_of("zarr"))


def test_an_array_of_astronomic_size_is_read_in_small_boxes(tmp_path: Path) -> None:
    write_json(tmp_path / ".zarray", {**GOOD_V2, "shape": [10**9] * 3})
    volume = open_layer(tmp_path, layer_of("zarr", dtype="uint8"))
    assert volume.info.bounds.size == (10**9, 10**9, 10**9)
    assert not volume.read(BoundingBox((10**9 - 5, 5, 5), (10, 10, 10))).any()


@pytest.mark.parametrize("codec", [None, {"id": "lz4"}], ids=["tensorstore", "unpacked-here"])
def test_more_chunks_than_can_be_read_at_once_are_refused(tmp_path: Path, codec: Any) -> None:
    tiny = {**GOOD_V2, "shape": [10**9] * 3, "chunks": [1, 1, 1], "compressor": codec}
    write_json(tmp_path / ".zarray", tiny)
    volume = open_layer(tmp_path, layer_of("zarr", dtype="uint8"))
    box = BoundingBox((5, 5, 5), (1000, 1000, 1000))
    for read in (volume.read, lambda box: asyncio.run(volume.read_async(box))):
        with pytest.raises(TooLarge, match="1,000,000,000 chunks") as caught:
            read(box)
        assert caught.value.hint
    assert not volume.read(BoundingBox((5, 5, 5), (4, 4, 4))).any()


@pytest.mark.parametrize("how", ["cut", "empty", "overwritten"])
@pytest.mark.parametrize("shards", [None, (16, 24, 16)], ids=["plain", "sharded"])
def test_damaged_files_are_named(tmp_path: Path, voxels: NDArray[Any], how: str, shards: Any) -> None:
    write_zarr(tmp_path, voxels, chunks=(8, 8, 8), shards=shards, compressors=zarr.codecs.GzipCodec())
    file = chunk_files(tmp_path)[0]
    data = file.read_bytes()
    file.write_bytes({"cut": data[:-50], "empty": b"", "overwritten": b"\xff" * 200 + data[200:]}[how])
    with pytest.raises(CorruptData) as caught:
        open_layer(tmp_path, layer_of("zarr3")).read(WHOLE)
    assert caught.value.path == str(file)
    assert "tensorstore_spec" not in str(caught.value)


@pytest.mark.parametrize(
    "compressor",
    [
        numcodecs.LZMA(),
        numcodecs.LZ4(),
        numcodecs.GZip(),
        numcodecs.Zlib(),
        numcodecs.BZ2(),
        numcodecs.Zstd(),
        numcodecs.Blosc(),
    ],
    ids=lambda codec: codec.codec_id,
)
@pytest.mark.parametrize("filters", [None, [numcodecs.Delta("u1")]], ids=["plain", "filtered"])
@pytest.mark.parametrize("promised", [10_000_000, 600, 400, 0])
def test_a_chunk_that_unpacks_to_another_size_is_refused(
    tmp_path: Path, compressor: Any, filters: Any, promised: int
) -> None:
    array = np.ones((8, 8, 8), "u1")
    options = {"compressors": compressor, "filters": filters}
    write_zarr(tmp_path, array, version=2, chunks=(8, 8, 8), **options)
    volume = open_layer(tmp_path, layer_of("zarr", dtype="uint8"))
    np.testing.assert_array_equal(volume.read(BoundingBox((0, 0, 0), (8, 8, 8)))[0], array)
    (tmp_path / "0.0.0").write_bytes(compressor.encode(bytes(promised)))
    with pytest.raises(CorruptData) as caught:
        volume.read(BoundingBox((0, 0, 0), (8, 8, 8)))
    assert caught.value.path == str(tmp_path / "0.0.0")


def test_large_boxes_are_awaited_too(tmp_path: Path) -> None:
    array = random_voxels("uint16", (128, 96, 80))
    write_zarr(tmp_path, array, chunks=(32, 32, 32))
    volume = open_layer(tmp_path, layer_of("zarr3", size=array.shape))
    box = BoundingBox((-1, 0, 0), (129, 96, 80))
    voxels = asyncio.run(volume.read_async(box))
    np.testing.assert_array_equal(voxels[0, 1:], array)
    assert not voxels[0, 0].any()
    chunk_files(tmp_path)[0].write_bytes(b"x")
    with pytest.raises(CorruptData):
        asyncio.run(volume.read_async(box))


def test_files_that_change_are_read_anew(tmp_path: Path, voxels: NDArray[Any]) -> None:
    write_zarr(tmp_path, voxels, chunks=(8, 8, 8))
    volume = open_layer(tmp_path, layer_of("zarr3"))
    volume.read(WHOLE)
    zarr.open_array(str(tmp_path), mode="r+")[...] = voxels + 1
    np.testing.assert_array_equal(volume.read(WHOLE)[0], voxels + 1)


def test_the_cache_can_be_set(tmp_path: Path, voxels: NDArray[Any]) -> None:
    write_zarr(tmp_path, voxels, chunks=(8, 8, 8))
    try:
        tensorstore_volume.configure(cache_bytes=0)
        np.testing.assert_array_equal(open_layer(tmp_path, layer_of("zarr3")).read(WHOLE)[0], voxels)
        with pytest.raises(InvalidInput):
            tensorstore_volume.configure(cache_bytes=-1)
    finally:
        tensorstore_volume.configure(cache_bytes=2**27)
