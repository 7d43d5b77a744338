from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contracts.reader_contract import ReaderContract, Written, read_whole
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

from wk_jupyter.errors import CorruptData, InvalidInput, UnsupportedFormat
from wk_jupyter.store.readers.base import Region

CODES = {"uint8": 2, "int16": 4, "int32": 8, "float32": 16, "float64": 64, "int8": 256, "uint16": 512,
         "uint32": 768, "int64": 1024, "uint64": 1280, "complex64": 32}  # fmt: skip


def nifti1(
    voxels: NDArray[Any],
    *,
    order: str = "<",
    shape: tuple[int, ...] | None = None,
    code: int | None = None,
    pixdim: tuple[float, float, float] = (2.0, 3.0, 4.0),
    units: int = 3,
    slope: tuple[float, float] = (0.0, 0.0),
    intent: int = 0,
    magic: bytes = b"n+1\0",
    rotation: tuple[int, tuple[float, ...]] = (0, (0.0,) * 12),
    window: tuple[float, float] = (0.0, 0.0),
) -> bytes:
    """Return a file of voxels whose last axis is x."""
    lengths = shape or voxels.shape[::-1]
    head = bytearray(352 if magic == b"n+1\0" else 348)
    code = CODES[voxels.dtype.name] if code is None else code
    struct.pack_into(f"{order}i", head, 0, 348)
    struct.pack_into(f"{order}8h", head, 40, len(lengths), *lengths, *[1] * (7 - len(lengths)))
    struct.pack_into(f"{order}hhh", head, 68, intent, code, 8)
    struct.pack_into(f"{order}4f", head, 76, 1.0, *pixdim)
    struct.pack_into(f"{order}f", head, 108, float(len(head)) if magic == b"n+1\0" else 0.0)
    struct.pack_into(f"{order}2f", head, 112, *slope)
    head[123] = units
    struct.pack_into(f"{order}2f", head, 124, window[1], window[0])
    struct.pack_into(f"{order}2h", head, 252, 0, rotation[0])
    struct.pack_into(f"{order}12f", head, 280, *rotation[1])
    head[344:348] = magic
    data = voxels.astype(voxels.dtype.newbyteorder(order)).tobytes()
    return bytes(head) + (data if magic == b"n+1\0" else b"")


def nifti2(voxels: NDArray[Any], order: str = "<") -> bytes:
    lengths = voxels.shape[::-1]
    head = bytearray(544)
    struct.pack_into(f"{order}i", head, 0, 540)
    head[4:12] = b"n+2\0\r\n\x1a\n"
    struct.pack_into(f"{order}hh", head, 12, CODES[voxels.dtype.name], voxels.dtype.itemsize * 8)
    struct.pack_into(f"{order}8q", head, 16, len(lengths), *lengths, *[1] * (7 - len(lengths)))
    struct.pack_into(f"{order}4d", head, 104, 1.0, 0.5, 0.5, 0.25)
    struct.pack_into(f"{order}q", head, 168, 544)
    struct.pack_into(f"{order}i", head, 500, 2)
    return bytes(head) + voxels.astype(voxels.dtype.newbyteorder(order)).tobytes()


def numbers(shape: tuple[int, ...], dtype: str = "int16") -> NDArray[Any]:
    return (
        (np.arange(np.prod(shape)) % 251 - (0 if dtype.startswith("u") else 100)).astype(dtype).reshape(shape)
    )


class TestNifti1(ReaderContract):
    reader = "nifti"

    def write(self, folder: Path) -> Written:
        path = folder / "Größe.nii"
        voxels = numbers((2, 3, 4, 5, 7), "int16")
        path.write_bytes(nifti1(voxels, order=">"))
        return Written([path], voxels.swapaxes(0, 1))


class TestNifti2(ReaderContract):
    reader = "nifti"

    def write(self, folder: Path) -> Written:
        path = folder / "Größe.nii"
        voxels = numbers((4, 5, 7), "uint8")
        path.write_bytes(nifti2(voxels))
        return Written([path], voxels[None, None])


class TestScaledNifti(ReaderContract):
    reader = "nifti"

    def write(self, folder: Path) -> Written:
        path = folder / "Größe.nii"
        voxels = numbers((4, 5, 7))
        path.write_bytes(nifti1(voxels, slope=(0.5, 3.0)))
        return Written([path], (voxels[None, None] * 0.5 + 3).astype(np.float32))


class TestPackedNifti(ReaderContract):
    reader = "nifti"

    def write(self, folder: Path) -> Written:
        path = folder / "Größe.nii.gz"
        voxels = np.random.default_rng(0).integers(0, 255, (4, 5, 7), np.uint8)
        path.write_bytes(gzip.compress(nifti1(voxels)))
        return Written([path], voxels[None, None])


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", sorted(set(CODES) - {"complex64"}))
def test_every_type_in_both_byte_orders(tmp_path: Path, dtype: str, order: str) -> None:
    path = tmp_path / "a.nii"
    voxels = numbers((5, 6, 7), dtype)
    path.write_bytes(nifti1(voxels, order=order))
    image = the_image(path)
    assert image.info.dtype == dtype
    assert image.info.voxel_size == (2e3, 3e3, 4e3)
    assert image.info.labels is None
    np.testing.assert_array_equal(checked_voxels(image)[0, 0], voxels)


@pytest.mark.parametrize("order", ["<", ">"])
def test_nifti_2(tmp_path: Path, order: str) -> None:
    path = tmp_path / "a.nii"
    voxels = numbers((3, 4, 5, 6), "uint16")
    path.write_bytes(nifti2(voxels, order))
    image = the_image(path)
    assert image.info.size == (3, 1, 4, 5, 6)
    assert image.info.voxel_size == (5e5, 5e5, 2.5e5)
    np.testing.assert_array_equal(checked_voxels(image)[:, 0], voxels)


def test_a_fifth_axis_is_channels_and_the_fourth_time(tmp_path: Path) -> None:
    path = tmp_path / "a.nii"
    voxels = numbers((2, 3, 4, 5, 6), "float32")
    path.write_bytes(nifti1(voxels))
    image = the_image(path)
    assert image.info.size == (3, 2, 4, 5, 6)
    np.testing.assert_array_equal(checked_voxels(image), voxels.swapaxes(0, 1))


@pytest.mark.parametrize("samples", [3, 4])
def test_colours(tmp_path: Path, samples: int) -> None:
    path = tmp_path / "a.nii"
    voxels = numbers((4, 5, 6, samples), "uint8")
    path.write_bytes(nifti1(voxels, shape=(6, 5, 4), code={3: 128, 4: 2304}[samples]))
    image = the_image(path)
    assert image.info.rgb
    assert any("alpha" in note for note in image.info.notes) == (samples == 4)
    np.testing.assert_array_equal(checked_voxels(image)[0], np.moveaxis(voxels[..., :3], -1, 0))


def test_slope_and_intercept_are_applied(tmp_path: Path) -> None:
    path = tmp_path / "a.nii"
    voxels = numbers((4, 5, 6))
    path.write_bytes(nifti1(voxels, slope=(0.5, -3.0), window=(-10.0, 20.0)))
    image = the_image(path)
    assert image.info.dtype == np.float32
    assert image.info.channels[0].window == (-10.0, 20.0)
    assert "slope 0.5 and intercept -3 are applied." in image.info.notes
    np.testing.assert_array_equal(checked_voxels(image)[0, 0], voxels * 0.5 - 3)
    stored = the_image(path, stored_values=True)
    np.testing.assert_array_equal(checked_voxels(stored)[0, 0], voxels)


def test_labels_keep_their_stored_values(tmp_path: Path) -> None:
    path = tmp_path / "a.nii"
    voxels = numbers((4, 5, 6), "uint8")
    path.write_bytes(nifti1(voxels, slope=(2.0, 0.0), intent=1002))
    image = the_image(path)
    assert image.info.labels is True
    assert image.info.dtype == np.uint8
    np.testing.assert_array_equal(read_whole(image)[0, 0], voxels)


@pytest.mark.parametrize("slope", [(0.0, 5.0), (1.0, 0.0), (np.nan, 0.0), (2.0, np.inf)])
def test_slopes_that_say_nothing(tmp_path: Path, slope: tuple[float, float]) -> None:
    path = tmp_path / "a.nii"
    path.write_bytes(nifti1(numbers((4, 5, 6)), slope=slope))
    assert the_image(path).info.dtype == np.int16


def test_packed_files_of_several_parts(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    voxels = numbers((40, 50, 60))
    data = nifti1(voxels)
    path.write_bytes(gzip.compress(data[:1000]) + gzip.compress(data[1000:]))
    np.testing.assert_array_equal(checked_voxels(the_image(path))[0, 0], voxels)


def test_a_pair_opened_by_either_name(tmp_path: Path) -> None:
    voxels = numbers((4, 5, 6), "uint8")
    (tmp_path / "a.hdr").write_bytes(nifti1(voxels, magic=b"ni1\0"))
    (tmp_path / "a.img").write_bytes(voxels.tobytes())
    for suffix in (".hdr", ".img"):
        np.testing.assert_array_equal(read_whole(the_image(tmp_path / f"a{suffix}"))[0, 0], voxels)
    (tmp_path / "a.img").unlink()
    with pytest.raises(InvalidInput, match=r"a\.hdr needs a\.img"):
        open_file(tmp_path / "a.hdr")


def test_analyze(tmp_path: Path) -> None:
    voxels = numbers((4, 5, 6), "int16")
    (tmp_path / "a.hdr").write_bytes(nifti1(voxels, magic=b"\0\0\0\0", slope=(3.0, 1.0)))
    (tmp_path / "a.img").write_bytes(voxels.tobytes())
    image = the_image(tmp_path / "a.hdr")
    assert image.info.voxel_size == (None, None, None)
    np.testing.assert_array_equal(read_whole(image)[0, 0], voxels)


def test_units_that_are_not_told(tmp_path: Path) -> None:
    path = tmp_path / "a.nii"
    path.write_bytes(nifti1(numbers((4, 5, 6)), units=0))
    info = the_image(path).info
    assert info.voxel_size == (None, None, None)
    assert any("2 × 3 × 4" in note for note in info.notes)


def test_sizes_that_are_no_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.nii"
    path.write_bytes(nifti1(numbers((4, 5, 6)), pixdim=(0.0, np.nan, -2.0)))
    assert the_image(path).info.voxel_size == (None, None, 2e3)


def test_the_order_of_voxels_is_kept_and_told(tmp_path: Path) -> None:
    path = tmp_path / "a.nii"
    voxels = numbers((4, 5, 6))
    rows = (0.0, 0.0, 2.0, 0.0, -2.0, 0.1, 0.0, 0.0, 0.0, -2.0, 0.0, 0.0)
    path.write_bytes(nifti1(voxels, rotation=(1, rows)))
    image = the_image(path)
    assert any("PIR" in note for note in image.info.notes)
    np.testing.assert_array_equal(read_whole(image)[0, 0], voxels)


def test_complex_voxels_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.nii"
    path.write_bytes(nifti1(numbers((4, 5, 6), "complex64")))
    with pytest.raises(UnsupportedFormat, match=r"a\.nii has voxels of type complex64"):
        open_file(path)


@pytest.mark.parametrize("lengths", [(32767, 32767, 32767), (0, 5, 6), (-1, 5, 6)])
def test_impossible_sizes_are_refused_by_the_header(tmp_path: Path, lengths: tuple[int, int, int]) -> None:
    for name, pack in (("a.nii", bytes), ("a.nii.gz", gzip.compress)):
        path = tmp_path / name
        path.write_bytes(pack(nifti1(numbers((4, 5, 6)), shape=lengths)))
        with pytest.raises(CorruptData, match=name):
            open_file(path)


def test_cut_files(tmp_path: Path) -> None:
    data = nifti1(np.random.default_rng(0).integers(0, 255, (40, 50, 60), np.uint8))
    plain, packed = tmp_path / "a.nii", tmp_path / "b.nii.gz"
    plain.write_bytes(data[:5000])
    with pytest.raises(CorruptData, match=r"a\.nii promises"):
        open_file(plain)
    packed.write_bytes(gzip.compress(data)[:5000])
    image = the_image(packed)
    with pytest.raises(CorruptData, match=r"b\.nii\.gz"):
        image.read(Region(0, (0, 1), (39, 40), (0, 50), (0, 60)))
    packed.write_bytes(gzip.compress(data[:5000]))
    with pytest.raises(CorruptData, match=r"b\.nii\.gz is cut"):
        read_whole(the_image(packed))


@pytest.mark.parametrize("entry", real_entries("nifti"))
def test_real_files(entry: dict[str, Any]) -> None:
    path = real_file(entry, ".nii", ".nii.gz")
    [truth] = truths(entry)
    image = the_image(path, stored_values=True)
    assert image.info.dtype == truth["dtype"]
    voxels = checked_voxels(image)
    if "C" in truth["axes"]:
        assert image.info.rgb
        found = voxels[0].transpose(3, 2, 1, 0)  # c, z, y, x to x, y, z, c
    else:
        found = voxels[:, 0].transpose(3, 2, 1, 0)  # t, z, y, x to x, y, z, t
        found = found if "T" in truth["axes"] else found[..., 0]
    assert found.shape == tuple(truth["shape"])
    assert sha256(found) == truth["sha256"]
    if "voxel" in truth:
        nm = {"mm": 1e6, "micron": 1e3, "unknown": None}[truth["units"][0]]
        if nm is None:
            assert image.info.voxel_size == (None, None, None)
        else:
            assert image.info.voxel_size == pytest.approx([size * nm for size in truth["voxel"][:3]])
        assert any(f"({truth['axcodes']}:" in note for note in image.info.notes)
        assert image.info.labels is (True if truth["intent"] == "label" else None)
    if "scaled_min_max" in truth:
        scaled = read_whole(the_image(path))
        assert scaled.dtype == np.float32
        assert (scaled.min(), scaled.max()) == pytest.approx(truth["scaled_min_max"])


def test_real_files_that_are_wrong(shared_data: Path) -> None:
    with pytest.raises(CorruptData, match=r"dims-32767\.nii promises"):
        open_file(shared_data / "malformed/nifti/dims-32767.nii")
    info = the_image(shared_data / "malformed/nifti/nan-pixdim.nii").info
    assert None in info.voxel_size
    assert all(size is None or size > 0 for size in info.voxel_size)
