from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contracts.reader_contract import ReaderContract, Written, refusal, require_image
from numpy.typing import NDArray
from reader_checks import checked_voxels, open_file, real_entries, real_file, sha256, the_image, truths

from wk_jupyter.errors import CorruptData, InvalidInput, UnsupportedFormat
from wk_jupyter.store.readers import raw_facts


def numbers(shape: tuple[int, ...], dtype: str = "uint16") -> NDArray[Any]:
    return (np.arange(np.prod(shape)) % 251).astype(dtype).reshape(shape)


class TestRaw(ReaderContract):
    reader = "raw"

    def write(self, folder: Path) -> Written:
        path = folder / "Zellen.raw"
        voxels = numbers((4, 5, 7, 2))
        path.write_bytes(b"head" + voxels.astype(">u2").tobytes())
        hints = {"shape": [7, 5, 4], "dtype": "uint16", "byteorder": "big", "offset": 4, "channels": 2}
        return Written([path], np.moveaxis(voxels, -1, 0)[None], hints)


class TestMetaImage(ReaderContract):
    reader = "metaimage"

    def write(self, folder: Path) -> Written:
        path = folder / "Größe.mha"
        voxels = numbers((4, 5, 7))
        path.write_bytes(meta_header("LOCAL", "7 5 4", "MET_USHORT") + voxels.tobytes())
        return Written([path], voxels[None, None])


class TestPackedMetaImage(ReaderContract):
    reader = "metaimage"

    def write(self, folder: Path) -> Written:
        path = folder / "Größe.mha"
        voxels = np.random.default_rng(0).random((4, 5, 7), np.float32)
        head = meta_header("LOCAL", "7 5 4", "MET_FLOAT", "CompressedData = True")
        path.write_bytes(head + zlib.compress(voxels.tobytes()))
        return Written([path], voxels[None, None])


def meta_header(data: str, size: str, element: str, *lines: str) -> bytes:
    axes = len(size.split())
    told = ["ObjectType = Image", f"NDims = {axes}", "BinaryData = True", f"DimSize = {size}", *lines]
    return "\n".join([*told, f"ElementType = {element}", f"ElementDataFile = {data}", ""]).encode()


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("cells_512x512x128_uint8.raw", {"shape": [512, 512, 128], "dtype": "uint8"}),
        ("em_96x80x20_uint16_be_hdr512.raw",
         {"shape": [96, 80, 20], "dtype": "uint16", "byteorder": "big", "offset": 512}),
        ("64x64x64-raw-uint64-segmentation.dat", {"shape": [64, 64, 64], "dtype": "uint64"}),
        ("A-1024x768.Float32.LE.raw", {"shape": [1024, 768], "dtype": "float32", "byteorder": "little"}),
        ("stack 10x20x30 16bit.raw", {"shape": [10, 20, 30], "dtype": "uint16"}),
        ("u8_1x2x3.raw", {"shape": [1, 2, 3], "dtype": "uint8"}),
        ("abe-labels_v16.raw", {}),
        ("1x2x3x4_uint8.raw", {"dtype": "uint8"}),
    ],
)  # fmt: skip
def test_what_a_name_says(name: str, facts: dict[str, Any]) -> None:
    assert raw_facts.from_name(Path(name)) == facts


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "int64", "float32", "float64"])
@pytest.mark.parametrize("order", ["F", "C"])
def test_both_orders(tmp_path: Path, order: str, dtype: str) -> None:
    path = tmp_path / f"a_7x5x4_{dtype}.raw"
    voxels = numbers((4, 5, 7), dtype)
    path.write_bytes(voxels.T.tobytes(order))  # x, y, z
    require_image("raw", [path], voxels[None, None], {"order": order})


def test_colours(tmp_path: Path) -> None:
    path = tmp_path / "a_7x5x4_uint8.raw"
    voxels = numbers((4, 5, 7, 3), "uint8")
    path.write_bytes(voxels.tobytes())
    info = require_image("raw", [path], np.moveaxis(voxels, -1, 0)[None], {"channels": 3})
    assert info.rgb


def test_sections_of_a_size_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a_7x5_uint16.raw"
    voxels = numbers((4, 5, 7))
    path.write_bytes(voxels.tobytes())
    require_image("raw", [path], voxels[None, None])
    path.write_bytes(voxels.tobytes()[:-1])
    with pytest.raises(InvalidInput, match=r"a_7x5_uint16\.raw has 279 bytes; 7 × 5 × 3 voxels"):
        open_file(path)


def test_a_byte_a_voxel_is_taken_for_uint8(tmp_path: Path) -> None:
    path = tmp_path / "a 7x5x4.raw"
    voxels = numbers((4, 5, 7), "uint8")
    path.write_bytes(voxels.tobytes())
    assert "taken for uint8" in require_image("raw", [path], voxels[None, None]).notes[0]


def test_what_is_missing_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "cells.raw"
    path.write_bytes(bytes(280))
    with pytest.raises(InvalidInput, match=r"cells\.raw does not say how many voxels") as caught:
        open_file(path)
    assert caught.value.details == {"missing": ["shape", "dtype"], "bytes": 280}
    with pytest.raises(InvalidInput, match=r"type its voxels are, 2 bytes a voxel") as caught:
        open_file(path, shape=[7, 5, 4])
    assert caught.value.details == {"missing": ["dtype"]}


@pytest.mark.parametrize(
    ("hints", "told"),
    [
        ({"shape": "7x5x4"}, "shape is x, y and z"),
        ({"shape": [7, 5, 4, 1]}, "shape is x, y and z"),
        ({"shape": [7, 5, 0]}, "shape is x, y and z"),
        ({"shape": [7, 5, True]}, "shape is x, y and z"),
        ({"shape": [7, 5, 2**70]}, "shape is x, y and z"),
        ({"shape": [7, 5, 5]}, "make 350"),
        ({"shape": [7, 5, 4], "offset": 1}, "make 281"),
        ({"dtype": "complex64"}, "dtype cannot be 'complex64'"),
        ({"order": "Z"}, "order cannot be 'Z'"),
        ({"byteorder": 1}, "byteorder cannot be 1"),
        ({"offset": -1}, "offset is a whole number"),
        ({"channels": 0}, "channels is a whole number"),
    ],
)
def test_hints_that_are_wrong(tmp_path: Path, hints: dict[str, Any], told: str) -> None:
    path = tmp_path / "a.raw"
    path.write_bytes(bytes(280))
    error = refusal("raw", [path], {"shape": [7, 5, 4], "dtype": "uint16", **hints})
    assert isinstance(error, InvalidInput)
    assert told in str(error)
    assert "a.raw" in str(error)


def test_json_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a.raw"
    voxels = numbers((4, 5, 7))
    path.write_bytes(voxels.tobytes())
    header = tmp_path / "a.json"
    header.write_text(json.dumps({"shape": [7, 5, 4], "dtype": "uint16"}))
    require_image("raw", [path], voxels[None, None])
    header.write_text(json.dumps({"shape": [5, 7, 4], "dtype": "uint16"}))
    require_image("raw", [path], voxels[None, None], {"shape": [7, 5, 4]})  # what somebody says counts
    header.write_text("{")
    with pytest.raises(CorruptData, match=r"a\.json is no JSON"):
        open_file(path)


def ripple(**changes: str) -> str:
    fields = {"width": "7", "height": "5", "depth": "4", "offset": "0", "data-length": "2",
              "data-type": "signed", "byte-order": "big-endian", "record-by": "image", **changes}  # fmt: skip
    return "key\tvalue\n" + "".join(f"{key}\t{value}\n" for key, value in fields.items())


def test_ripple_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a.raw"
    voxels = numbers((4, 5, 7), "int16")
    path.write_bytes(voxels.astype(">i2").tobytes())
    header = tmp_path / "a.rpl"
    header.write_text(
        ripple(**{"width-scale": "2", "width-units": "nm", "depth-scale": "3", "depth-units": "eV"})
    )
    info = require_image("raw", [path], voxels[None, None])
    assert info.voxel_size == (2.0, None, None)
    header.write_text(ripple(**{"record-by": "vector"}))
    path.write_bytes(voxels.transpose(1, 2, 0).astype(">i2").tobytes())
    require_image("raw", [path], voxels[None, None])
    for changes in ({"width": "-1"}, {"data-length": "3"}, {"data-type": "cow"}, {"depth": ""}):
        header.write_text(ripple(**changes))
        assert isinstance(refusal("raw", [path]), CorruptData)


def test_metaimage_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a.raw"
    voxels = numbers((4, 5, 7), "int16")
    path.write_bytes(voxels.astype(">i2").tobytes())
    lines = ["BinaryDataByteOrderMSB = True", "ElementSpacing = 0.5 0.5 2"]
    header = tmp_path / "a.mhd"
    header.write_bytes(meta_header("a.raw", "7 5 4", "MET_SHORT", *lines))
    info = require_image("raw", [path], voxels[None, None])
    assert info.voxel_size == (None, None, None)
    assert "0.5 × 0.5 × 2" in info.notes[0]
    header.write_bytes(meta_header("a.raw", "7 5 4", "MET_SHORT", *lines, "DistanceUnits = um"))
    assert require_image("metaimage", [header], voxels[None, None]).voxel_size == (500.0, 500.0, 2000.0)


def test_metaimage_of_four_axes_and_colours(tmp_path: Path) -> None:
    path = tmp_path / "a.mha"
    voxels = numbers((2, 4, 5, 7, 3), "uint8")
    head = meta_header(
        "LOCAL", "7 5 4 2", "MET_UCHAR_ARRAY", "ElementNumberOfChannels = 3", "HeaderSize = -1"
    )
    path.write_bytes(head + b"more" + voxels.tobytes())
    assert require_image("metaimage", [path], np.moveaxis(voxels, -1, 1)).rgb


@pytest.mark.parametrize("name", ["../a.raw", "/etc/passwd", "..", "sub/a.raw", "LIST"])
def test_metaimage_names_files_beside_it_alone(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.mhd"
    path.write_bytes(meta_header(name, "7 5 4", "MET_SHORT"))
    assert isinstance(refusal("metaimage", [path]), UnsupportedFormat | InvalidInput)


@pytest.mark.parametrize(
    "lines",
    [
        {"size": "7"},
        {"size": "7 5 -4"},
        {"size": "7 5 99999999999999999999"},
        {"element": "MET_OTHER"},
        {"more": "BinaryData = False"},
        {"more": "ElementSpacing = a"},
        {"size": "9999999 9999999 99999"},
    ],
)
def test_metaimage_headers_that_are_wrong(tmp_path: Path, lines: dict[str, str]) -> None:
    path = tmp_path / "a.mha"
    told = (lines.get("size", "7 5 4"), lines.get("element", "MET_SHORT"), lines.get("more", "Comment = a"))
    path.write_bytes(meta_header("LOCAL", *told) + bytes(280))
    error = refusal("metaimage", [path])
    assert error is not None
    assert "a.mha" in str(error)


HINTS = {
    "raw-fib25-uint64": {},
    "derived-A-raw-be16-header": {},
    "derived-A-raw-float32-zfast": {"shape": [96, 80, 20], "dtype": "float32", "order": "C"},
}


@pytest.mark.parametrize("entry", real_entries("raw"))
def test_real_files(entry: dict[str, Any]) -> None:
    [truth] = truths(entry)
    image = the_image(real_file(entry, ".raw", ".dat"), **HINTS.get(entry["id"], {}))
    assert image.info.dtype == truth["dtype"]
    voxels = checked_voxels(image)[0, 0]
    found = voxels if "ripple" in entry["id"] else voxels.transpose(2, 1, 0)
    assert found.shape == tuple(truth["shape"])
    assert sha256(found) == truth["sha256"]
    if "voxel" in truth:
        assert image.info.voxel_size == (None, None, 1e11)
