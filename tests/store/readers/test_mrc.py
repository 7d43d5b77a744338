from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contracts.reader_contract import ReaderContract, Written, refusal, require_image
from numpy.typing import NDArray

from wk_jupyter.errors import CorruptData, UnsupportedFormat
from wk_jupyter.store.readers import reader_for

MODES = {"int8": 0, "int16": 1, "float32": 2, "uint16": 6, "float16": 12}


def mrc(
    voxels: NDArray[Any],
    *,
    order: str = "<",
    mode: int | None = None,
    shape: tuple[int, int, int] | None = None,
    cell: tuple[float, float, float] = (14.0, 20.0, 40.0),
    axes: tuple[int, int, int] = (1, 2, 3),
    extended: bytes = b"",
    fields: dict[int, int] | None = None,
    magic: bytes = b"MAP ",
) -> bytes:
    head = bytearray(1024)
    nx, ny, nz = shape or voxels.shape[::-1]
    struct.pack_into(f"{order}4i", head, 0, nx, ny, nz, MODES[voxels.dtype.name] if mode is None else mode)
    parts = dict(zip(axes, (nx, ny, nz), strict=True))
    struct.pack_into(f"{order}3i", head, 28, *(parts[axis] for axis in (1, 2, 3)))
    struct.pack_into(f"{order}3f", head, 40, *cell)
    struct.pack_into(f"{order}3i", head, 64, *axes)
    struct.pack_into(f"{order}i", head, 92, len(extended))
    head[208:212] = magic
    head[212:214] = b"\x44\x44" if order == "<" else b"\x11\x11"
    for place, value in (fields or {}).items():
        struct.pack_into(f"{order}i", head, place, value)
    return bytes(head) + extended + voxels.astype(voxels.dtype.newbyteorder(order)).tobytes()


def numbers(shape: tuple[int, ...], dtype: str = "int16") -> NDArray[Any]:
    return (
        (np.arange(np.prod(shape)) % 120 - (0 if dtype.startswith("u") else 60)).astype(dtype).reshape(shape)
    )


class TestMrc(ReaderContract):
    reader = "mrc"

    def write(self, folder: Path) -> Written:
        voxels = numbers((4, 5, 7))
        (folder / "Größe.mrc").write_bytes(mrc(voxels, extended=b"FEI1" * 64))
        return Written([folder / "Größe.mrc"], voxels[None, None])


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", sorted(MODES))
@pytest.mark.parametrize("magic", [b"MAP ", bytes(4)])
def test_every_mode(tmp_path: Path, dtype: str, order: str, magic: bytes) -> None:
    path = tmp_path / "a.rec"
    voxels = numbers((4, 5, 7), dtype)
    path.write_bytes(mrc(voxels, order=order, magic=magic))
    assert reader_for(path).name == "mrc"
    info = require_image("mrc", [path], voxels[None, None])
    assert info.voxel_size == pytest.approx((0.2, 0.4, 1.0))


@pytest.mark.parametrize(("flags", "dtype"), [(0, "uint8"), (1, "int8")])
def test_bytes_of_imod(tmp_path: Path, flags: int, dtype: str) -> None:
    path = tmp_path / "a.mrc"
    voxels = numbers((4, 5, 7), "int8")
    path.write_bytes(mrc(voxels, fields={152: 1146047817, 156: flags}))
    require_image("mrc", [path], voxels.view(dtype)[None, None])


def test_colours(tmp_path: Path) -> None:
    path = tmp_path / "a.mrc"
    voxels = numbers((4, 5, 7, 3), "uint8")
    path.write_bytes(mrc(voxels, mode=16, shape=(7, 5, 4)))
    assert require_image("mrc", [path], np.moveaxis(voxels, -1, 0)[None]).rgb


def test_stacks_of_volumes(tmp_path: Path) -> None:
    path = tmp_path / "a.mrcs"
    voxels = numbers((6, 5, 7))
    path.write_bytes(mrc(voxels, fields={88: 401, 36: 2}))
    info = require_image("mrc", [path], voxels.reshape(3, 1, 2, 5, 7))
    assert info.voxel_size[2] == pytest.approx(2.0)


def test_sizes_follow_the_axes_as_they_are_stored(tmp_path: Path) -> None:
    path = tmp_path / "a.map"
    voxels = numbers((4, 5, 7))
    path.write_bytes(mrc(voxels, axes=(3, 2, 1), cell=(40.0, 20.0, 14.0)))
    assert require_image("mrc", [path], voxels[None, None]).voxel_size == pytest.approx((0.2, 0.4, 1.0))


def test_sizes_that_say_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.mrc"
    voxels = numbers((4, 5, 7))
    path.write_bytes(mrc(voxels, cell=(0.0, np.nan, np.inf)))
    assert require_image("mrc", [path], voxels[None, None]).voxel_size == (None, None, None)
    path.write_bytes(mrc(voxels, cell=(7.0, 5.0, 4.0)))
    assert "1 Å" in require_image("mrc", [path], voxels[None, None]).notes[0]


def test_what_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mrc"
    voxels = numbers((4, 5, 7))
    for mode, told in ((4, "complex voxels"), (101, "mode 101")):
        path.write_bytes(mrc(voxels, mode=mode))
        error = refusal("mrc", [path])
        assert isinstance(error, UnsupportedFormat)
        assert told in str(error)
    for shape in ((0, 5, 4), (-7, 5, 4), (2**31 - 1, 2**31 - 1, 2**31 - 1)):
        path.write_bytes(mrc(voxels, shape=shape))
        assert isinstance(refusal("mrc", [path]), CorruptData)
    path.write_bytes(bytes(5000))
    assert "no MRC file" in str(refusal("mrc", [path]))
