from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contracts.reader_contract import ReaderContract, Written
from numpy.typing import NDArray
from reader_checks import (
    checked_voxels,
    open_file,
    real_entries,
    real_file,
    sha256,
    the_image,
    truths,
)

from wk_jupyter.errors import CorruptData, UnsupportedFormat
from wk_jupyter.store.readers import reader_named
from wk_jupyter.store.readers.lengths import nanometers

TYPES = {"int16": (1, 2), "float32": (2, 6), "uint8": (6, 10), "int32": (7, 3), "int8": (9, 9),
         "uint16": (10, 4), "uint32": (11, 5),
         "float64": (12, 7), "int64": (39, 11), "uint64": (40, 12)}  # fmt: skip
SCALARS = {bool: (8, "?"), int: (5, "I"), float: (6, "f")}


class Writer:
    """Writes trees of tags: dictionaries are groups, lists groups without names."""

    def __init__(self, version: int, order: str) -> None:
        self.version = version
        self.order = order

    def file(self, tree: dict[str, Any]) -> bytes:
        body = self.group(tree)
        head = struct.pack(">i", self.version) + self.number(len(body)) + struct.pack(">i", self.order == "<")
        return head + body + bytes(8)

    def group(self, tree: dict[str, Any] | list[Any]) -> bytes:
        pairs = list(tree.items()) if isinstance(tree, dict) else [("", value) for value in tree]
        return b"\1\0" + self.number(len(pairs)) + b"".join(self.tag(*pair) for pair in pairs)

    def tag(self, name: str, value: Any) -> bytes:
        is_group = isinstance(value, dict | list)
        body = self.group(value) if is_group else self.value(value)
        length = self.number(len(body)) if self.version == 4 else b""
        return bytes([20 if is_group else 21]) + struct.pack(">H", len(name)) + name.encode() + length + body

    def value(self, value: Any) -> bytes:
        if isinstance(value, str):
            info, data = (20, 4, len(value)), value.encode("utf-16-le" if self.order == "<" else "utf-16-be")
        elif isinstance(value, tuple):  # element type and array
            info, data = (
                (20, value[0], value[1].size),
                value[1].astype(value[1].dtype.newbyteorder(self.order)).tobytes(),
            )
        elif isinstance(value, bytes):  # a structure of two numbers
            info, data = (15, 0, 2, 0, 3, 0, 3), value
        else:
            code, letter = SCALARS[type(value)]
            info, data = (code,), struct.pack(f"{self.order}{letter}", value)
        return b"%%%%" + self.number(len(info)) + b"".join(map(self.number, info)) + data

    def number(self, value: int) -> bytes:
        return struct.pack(">q" if self.version == 4 else ">i", value)


def image(voxels: NDArray[Any], name: str = "picture", units: str = "nm", **other: Any) -> dict[str, Any]:
    code, element = TYPES[voxels.dtype.name]
    axes = [{"Origin": 0.0, "Scale": 0.5 * (n + 1), "Units": units} for n in range(voxels.ndim)]
    return {
        "ImageData": {
            "Calibrations": {"Dimension": axes},
            "Data": (element, voxels),
            "DataType": code,
            "Dimensions": list(voxels.shape[::-1]),
            **other,
        },
        "ImageTags": {"Data": {"deep": [1, 2]}},
        "Name": name,
    }


def thumbnail(side: int = 80) -> dict[str, Any]:
    found = image(np.zeros((side, side), np.int32), "Image Of picture")
    found["ImageData"]["DataType"] = 23
    return found


def tree(*images: dict[str, Any], thumbnail_is: int | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"InImageMode": True, "ImageList": list(images)}
    if thumbnail_is is not None:
        found["Thumbnails"] = [{"ImageIndex": thumbnail_is, "SourceSize_Pixels": bytes(8)}]
    return found


def numbers(shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    return (
        (np.arange(np.prod(shape)) % 251 - (0 if dtype.startswith("u") else 100)).astype(dtype).reshape(shape)
    )


class TestDm3(ReaderContract):
    reader = "dm"

    def write(self, folder: Path) -> Written:
        path = folder / "Größe.dm3"
        voxels = numbers((4, 5, 7), "int16")
        path.write_bytes(Writer(3, ">").file(tree(thumbnail(4), image(voxels), thumbnail_is=0)))
        return Written([path], voxels[None, None])


class TestDm4(ReaderContract):
    reader = "dm"

    def write(self, folder: Path) -> Written:
        path = folder / "Größe.dm4"
        voxels = numbers((5, 7), "float32")
        path.write_bytes(Writer(4, "<").file(tree(thumbnail(4), image(voxels))))
        return Written([path], voxels[None, None, None])


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("dtype", sorted(TYPES))
def test_every_type(tmp_path: Path, dtype: str, version: int, order: str) -> None:
    path = tmp_path / f"a.dm{version}"
    voxels = numbers((4, 5, 6), dtype)
    path.write_bytes(Writer(version, order).file(tree(thumbnail(), image(voxels), thumbnail_is=0)))
    found = the_image(path)
    assert found.info.dtype == dtype
    assert found.info.voxel_size == (0.5, 1.0, 1.5)
    assert found.info.notes == ()
    np.testing.assert_array_equal(checked_voxels(found)[0, 0], voxels)


def test_a_section_has_no_thickness(tmp_path: Path) -> None:
    path = tmp_path / "a.dm3"
    voxels = numbers((5, 6), "uint16")
    path.write_bytes(Writer(3, "<").file(tree(image(voxels, units="µm"))))
    found = the_image(path)
    assert found.info.voxel_size == (500.0, 1000.0, None)
    np.testing.assert_array_equal(checked_voxels(found)[0, 0, 0], voxels)


def test_the_largest_image_is_taken_and_the_others_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.dm4"
    large, small, profile = numbers((9, 8), "int16"), numbers((3, 4), "int16"), numbers((900,), "float32")
    images = [thumbnail(), image(small, "small"), image(large, "large"), image(profile, "profile")]
    path.write_bytes(Writer(4, "<").file(tree(*images)))
    found = the_image(path)
    assert found.info.notes == ("the largest image, 'large', is taken; left out: 'small', 'profile'.",)
    np.testing.assert_array_equal(checked_voxels(found)[0, 0, 0], large)


@pytest.mark.parametrize("order", ["<", ">"])
def test_packed_colours(tmp_path: Path, order: str) -> None:
    path = tmp_path / "a.dm3"
    colors = numbers((5, 6, 3), "uint8")
    packed = np.zeros((5, 6), np.int32)
    for place, shift in enumerate((16, 8, 0)):
        packed |= colors[..., place].astype(np.int32) << shift
    described = image(packed)
    described["ImageData"]["DataType"] = 23
    path.write_bytes(Writer(3, order).file(tree(thumbnail(), described, thumbnail_is=0)))
    found = the_image(path)
    assert found.info.rgb
    np.testing.assert_array_equal(checked_voxels(found)[0, :, 0], np.moveaxis(colors, -1, 0))


def test_binary_voxels(tmp_path: Path) -> None:
    path = tmp_path / "a.dm3"
    voxels = numbers((5, 6), "uint8") % 3
    path.write_bytes(Writer(3, "<").file(tree(image(voxels, DataType=14))))
    np.testing.assert_array_equal(checked_voxels(the_image(path))[0, 0, 0], voxels != 0)


@pytest.mark.parametrize("units", ["", "1/nm", "eV", "pixels"])
def test_units_that_are_no_lengths(tmp_path: Path, units: str) -> None:
    path = tmp_path / "a.dm3"
    path.write_bytes(Writer(3, "<").file(tree(image(numbers((5, 6), "int16"), units=units))))
    assert the_image(path).info.voxel_size == (None, None, None)


def refusal(path: Path) -> str:
    with pytest.raises(UnsupportedFormat) as caught:
        open_file(path)
    return str(caught.value)


def test_what_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.dm3"
    write = Writer(3, "<").file
    path.write_bytes(write(tree(image(numbers((5, 6), "int32"), DataType=3))))
    assert "a.dm3 has complex voxels" in refusal(path)
    path.write_bytes(write(tree(image(numbers((5, 6), "int32"), DataType=99))))
    assert "a.dm3 has voxels of the unknown type 99" in refusal(path)
    path.write_bytes(write(tree(image(numbers((2, 3, 4, 5), "int16")))))
    assert "a.dm3 has 4 axes (5 × 4 × 3 × 2)" in refusal(path)
    path.write_bytes(write(tree(image(numbers((50,), "int16")))))
    assert "a.dm3 holds only a profile" in refusal(path)
    path.write_bytes(write(tree()))
    assert "a.dm3 holds no image" in refusal(path)


def test_sizes_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.dm3"
    for lengths in ([2**31 - 1, 2**31 - 1], [6, 4], [0, 5]):
        path.write_bytes(Writer(3, "<").file(tree(image(numbers((5, 6), "int16"), Dimensions=lengths))))
        with pytest.raises(CorruptData, match=r"a\.dm3 is damaged"):
            open_file(path)


def test_cut_files(tmp_path: Path) -> None:
    path = tmp_path / "a.dm4"
    data = Writer(4, "<").file(tree(image(numbers((50, 60), "int16"))))
    for length in (3, 20, 100, len(data) // 2):
        path.write_bytes(data[:length])
        with pytest.raises(CorruptData, match=r"a\.dm4 is cut"):
            reader_named("dm").open([path], {})


@pytest.mark.parametrize("entry", real_entries("dm"))
def test_real_files(entry: dict[str, Any]) -> None:
    path = real_file(entry, ".dm3", ".dm4")
    truth = truths(entry)[0]
    if truth["dtype"] == "complex64":
        assert path.name in refusal(path)
        return
    image = the_image(path)
    voxels = checked_voxels(image)[0]
    if truth["dtype"].startswith("["):
        assert image.info.rgb
        alpha = np.zeros_like(voxels[:1])  # which is 0 everywhere in this file
        assert sha256(np.concatenate([voxels, alpha]).transpose(1, 2, 3, 0)) == truth["sha256"]
        return
    assert image.info.dtype == truth["dtype"]
    assert sha256(voxels[0].reshape(truth["shape"])) == truth["sha256"]
    told = {each["axis"]: nanometers(each["scale"], each["units"]) for each in truth["voxel"]}
    assert image.info.voxel_size == pytest.approx(tuple(told.get(axis) for axis in "xyz"))


def test_a_real_sequence(shared_data: Path) -> None:
    folder = shared_data / "image_sequence/dm3-sequence-3/seq"
    opened = reader_named("sequence").open(sorted(folder.iterdir()), {"reader": "dm"})
    [image] = opened.images
    assert image.info.size == (1, 1, 3, 4, 16)
    assert checked_voxels(image).min() == 3780


def test_a_real_file_that_is_cut(shared_data: Path) -> None:
    with pytest.raises(CorruptData, match=r"truncated\.dm3 is cut"):
        open_file(shared_data / "malformed/dm/truncated.dm3")
