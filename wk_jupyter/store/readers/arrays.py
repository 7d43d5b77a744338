"""NumPy's files, ``.npy``, of 2 to 5 axes: the last of t, c, z, y, x, or what the hint ``axes`` says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wk_jupyter.errors import CorruptData, InvalidInput, UnsupportedFormat
from wk_jupyter.store.readers.base import Grain, Hints, ImageInfo, Region, Size

_AXES: Final = "tczyx"


class _Array:
    def __init__(self, path: Path, hints: Hints) -> None:
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except OSError as error:
            raise CorruptData(f"{path.name} cannot be read: {error.strerror}.", path=str(path)) from None
        except Exception as error:  # noqa: BLE001 - a header is a Python literal, which fails in many ways
            raise CorruptData(
                f"{path.name} is no array that can be read ({error}).", path=str(path)
            ) from None
        if array.dtype.kind not in "uifb" or array.dtype.itemsize > 8:
            raise UnsupportedFormat(
                f"{path.name} has voxels of type {array.dtype}.", hint="Save real numbers."
            )
        axes = str(hints.get("axes") or ("zyx"[-array.ndim :] if array.ndim <= 3 else _AXES[-array.ndim :]))
        if len(axes) != array.ndim or len(set(axes)) != len(axes) or not set("yx") <= set(axes) <= set(_AXES):
            raise InvalidInput(
                f"{path.name} has {array.ndim} axes; they cannot be {axes!r}.", hint="Say axes."
            )
        if 0 in array.shape:
            raise CorruptData(f"{path.name} is empty: its shape is {array.shape}.", path=str(path))
        order = [axes.index(axis) for axis in _AXES if axis in axes]
        there = iter(array.transpose(order).shape)
        self._voxels = array.transpose(order).reshape([next(there) if a in axes else 1 for a in _AXES])
        size = Size(*self._voxels.shape)
        dtype = np.dtype(np.uint8) if array.dtype == np.bool_ else array.dtype.newbyteorder("=")
        rgb = bool(hints.get("rgb")) and size.c == 3
        notes = ("Bools are 0 and 1.",) if array.dtype == np.bool_ else ()
        self.info = ImageInfo(size, dtype, Grain(1, 1, size.x), rgb=rgb, notes=notes)

    def read(self, region: Region) -> NDArray[Any]:
        part = self._voxels[region.t, slice(*region.c), slice(*region.z), slice(*region.y), slice(*region.x)]
        return np.array(part, self.info.dtype, order="C")  # a copy: the file's own pages are not the caller's


class _ArrayFile:
    def __init__(self, image: _Array) -> None:
        self.images = [image]

    def close(self) -> None:
        self.images = []


class ArrayReader:
    name = "array"
    suffixes = (".npy",)

    def recognises(self, path: Path, head: bytes) -> bool:  # noqa: ARG002 - the magic tells
        return head.startswith(b"\x93NUMPY")

    def open(self, paths: Sequence[Path], hints: Hints) -> _ArrayFile:
        return _ArrayFile(_Array(paths[0], hints))


READER = ArrayReader()
