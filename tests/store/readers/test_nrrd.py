from __future__ import annotations

import bz2
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contracts.reader_contract import ReaderContract, Written, refusal, require_image
from numpy.typing import NDArray

from wk_jupyter.errors import CorruptData, InvalidInput, UnsupportedFormat
from wk_jupyter.store.readers import nrrd as module

TYPES = {"int8": "signed char", "uint8": "uchar", "int16": "short", "uint16": "unsigned short int",
         "int32": "int", "uint32": "uint32", "int64": "long long", "uint64": "uint64_t", "float32": "float",
         "float64": "double"}  # fmt: skip
PACKERS = {"raw": bytes, "gzip": gzip.compress, "bzip2": bz2.compress}


def header(voxels: NDArray[Any], *lines: str, encoding: str = "raw", order: str = "<") -> bytes:
    told = [
        "NRRD0005", "# made by a test", f"type: {TYPES[voxels.dtype.name]}", f"dimension: {voxels.ndim}",
        f"sizes: {' '.join(map(str, voxels.shape[::-1]))}", f"encoding: {encoding}",
        f"endian: {'little' if order == '<' else 'big'}", *lines,
    ]  # fmt: skip
    return "\n".join(told).encode() + b"\n"


def nrrd(voxels: NDArray[Any], *lines: str, encoding: str = "raw", order: str = "<") -> bytes:
    data = voxels.astype(voxels.dtype.newbyteorder(order)).tobytes()
    return header(voxels, *lines, encoding=encoding, order=order) + b"\n" + PACKERS[encoding](data)


def numbers(shape: tuple[int, ...], dtype: str = "int16") -> NDArray[Any]:
    return (
        (np.arange(np.prod(shape)) % 120 - (0 if dtype.startswith("u") else 60)).astype(dtype).reshape(shape)
    )


class TestNrrd(ReaderContract):
    reader = "nrrd"

    def write(self, folder: Path) -> Written:
        voxels = numbers((2, 4, 5, 7, 3), "uint16")
        (folder / "Größe.nrrd").write_bytes(
            nrrd(voxels, "kinds: vector domain domain domain time", order=">")
        )
        return Written([folder / "Größe.nrrd"], np.moveaxis(voxels, -1, 1))


class TestPackedNrrd(ReaderContract):
    reader = "nrrd"

    def write(self, folder: Path) -> Written:
        voxels = np.random.default_rng(0).random((4, 5, 7), np.float32)
        (folder / "Größe.nrrd").write_bytes(nrrd(voxels, encoding="gzip"))
        return Written([folder / "Größe.nrrd"], voxels[None, None])


@pytest.mark.parametrize("encoding", sorted(PACKERS))
@pytest.mark.parametrize("dtype", sorted(TYPES))
def test_every_type(tmp_path: Path, dtype: str, encoding: str) -> None:
    path = tmp_path / "a.nrrd"
    voxels = numbers((4, 5, 7), dtype)
    path.write_bytes(nrrd(voxels, encoding=encoding, order=">"))
    require_image("nrrd", [path], voxels[None, None])


def test_a_header_beside_its_voxels(tmp_path: Path) -> None:
    path, data = tmp_path / "a.nhdr", tmp_path / "a.raw"
    voxels = numbers((4, 5, 7))
    data.write_bytes(b"head" + voxels.tobytes())
    path.write_bytes(header(voxels, "data file: a.raw", "byte skip: 4"))
    require_image("nrrd", [path], voxels[None, None])
    require_image("raw", [data], voxels[None, None])
    path.write_bytes(header(voxels, "datafile: a.raw", "byte skip: -1"))
    require_image("nrrd", [path], voxels[None, None])
    data.unlink()
    assert isinstance(refusal("nrrd", [path]), InvalidInput)


@pytest.mark.parametrize("name", ["../a.raw", "/etc/passwd", "LIST", "a%03d.raw 1 9 1"])
def test_it_names_files_beside_it_alone(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.nhdr"
    path.write_bytes(header(numbers((4, 5, 7)), f"data file: {name}"))
    assert isinstance(refusal("nrrd", [path]), UnsupportedFormat)


@pytest.mark.parametrize(
    ("lines", "size"),
    [
        (["spacings: 1 2 3", 'units: "um" "um" "um"'], (1e3, 2e3, 3e3)),
        (["spacings: 1 nan 3", 'space units: "nm" "nm" "nm"'], (1, None, 3)),
        (["space directions: (0,2,0) (3,0,4) (0,0,1e3)", 'space units: "mm" "mm" "mm"'], (2e6, 5e6, 1e9)),
        (["spacings: 1 2 3"], (None, None, None)),
        (["spacings: 1 2 3", 'units: "s" "" "pixel"'], (None, None, None)),
    ],
)
def test_sizes(tmp_path: Path, lines: list[str], size: tuple[float | None, ...]) -> None:
    path = tmp_path / "a.nrrd"
    voxels = numbers((4, 5, 7))
    path.write_bytes(nrrd(voxels, *lines))
    info = require_image("nrrd", [path], voxels[None, None])
    assert info.voxel_size == pytest.approx(size)
    assert any("1 × 2 × 3" in note for note in info.notes) == (lines == ["spacings: 1 2 3"])


@pytest.mark.parametrize(
    ("shape", "lines", "axes"),
    [
        ((5, 7), [], "yx"),
        ((4, 5, 7, 3), ["kinds: RGB-color domain domain domain"], "zyxc"),
        ((3, 4, 5, 7), ["kinds: space space space list"], "czyx"),
        ((4, 5, 7, 3), ["space directions: none (1,0,0) (0,1,0) (0,0,1)"], "zyxc"),
        ((4, 5, 7, 3), [], "zyxc"),
        ((3, 4, 5, 7), [], "tzyx"),
        ((2, 5, 7), ["kinds: domain domain time"], "tyx"),
    ],
)
def test_axes(tmp_path: Path, shape: tuple[int, ...], lines: list[str], axes: str) -> None:
    path = tmp_path / "a.nrrd"
    voxels = numbers(shape, "uint8")
    path.write_bytes(nrrd(voxels, *lines))
    order = [axes.index(axis) for axis in "tczyx" if axis in axes]
    lengths = dict(zip(axes, shape, strict=True))
    expected = voxels.transpose(order).reshape([lengths.get(axis, 1) for axis in "tczyx"])
    info = require_image("nrrd", [path], expected)
    assert info.rgb == (lengths.get("c") == 3)


def test_segmentations_of_slicer(tmp_path: Path) -> None:
    path = tmp_path / "a.seg.nrrd"
    voxels = numbers((4, 5, 7), "uint8")
    path.write_bytes(nrrd(voxels, "Segment0_LabelValue:=1"))
    assert require_image("nrrd", [path], voxels[None, None]).labels is True


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        (["type: block"], UnsupportedFormat),
        (["encoding: ascii"], UnsupportedFormat),
        (["sizes: 7 5 -4"], CorruptData),
        (["sizes: 7 5"], None),
        (["sizes: 7 5 a"], CorruptData),
        (["sizes: 7"], UnsupportedFormat),
        (["sizes: 99999999 99999999 9999"], CorruptData),
        (["sizes: 999999999999999999999999 5 4"], CorruptData),
        (["kinds: complex domain domain"], UnsupportedFormat),
        (["kinds: list domain list"], UnsupportedFormat),
        (["spacings: a b c"], CorruptData),
        (["line skip: 3"], UnsupportedFormat),
    ],
)
def test_headers_that_are_wrong(tmp_path: Path, lines: list[str], error: type[Exception] | None) -> None:
    path = tmp_path / "a.nrrd"
    path.write_bytes(nrrd(numbers((4, 5, 7)), *lines))
    found = refusal("nrrd", [path])
    assert found is None if error is None else isinstance(found, error)
    assert found is None or "a.nrrd" in str(found)


def test_what_is_no_nrrd(tmp_path: Path) -> None:
    path = tmp_path / "a.nrrd"
    path.write_bytes(b"P5 7 5 255\n")
    with pytest.raises(UnsupportedFormat, match=r"a\.nrrd is no NRRD file"):
        module.layout_of(path)
