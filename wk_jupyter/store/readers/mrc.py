"""MRC of electron microscopy (CCP4, IMOD): sections, stacks, tomograms, with extended headers.

Voxels keep their stored order; sizes are in ångström. Stacks of volumes (space group 401) have points in
time. Bytes are signed, but where IMOD says otherwise.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from wk_jupyter.errors import CorruptData, UnsupportedFormat
from wk_jupyter.store.readers.base import Hints
from wk_jupyter.store.readers.byte_sources import read_start
from wk_jupyter.store.readers.flat import FlatFile, FlatLayout, open_flat
from wk_jupyter.store.readers.lengths import VoxelNm, nanometers

_HEADER_BYTES: Final = 1024
_DTYPES: Final = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
_COMPLEX: Final = {3, 4}
_COLOR: Final = 16
_IMOD_STAMP: Final = 1146047817
_VOLUME_STACK: Final = 401
_MOST_LENGTH: Final = 2**31 - 1


class MrcReader:
    name = "mrc"
    suffixes = (".mrc", ".mrcs", ".rec", ".ali", ".preali", ".st", ".map")

    def recognises(self, path: Path, head: bytes) -> bool:
        if len(head) < 256 or path.suffix.lower() not in self.suffixes:
            return False
        return head[208:211] == b"MAP" or any(_is_plausible(head, byteorder) for byteorder in "<>")

    def open(self, paths: Sequence[Path], hints: Hints) -> FlatFile:  # noqa: ARG002 - the file tells all
        return open_flat(_layout(paths[0]))


READER = MrcReader()


def _is_plausible(head: bytes, byteorder: str) -> bool:
    """Old files have no magic: their sizes, mode and order of axes tell."""
    *lengths, mode = struct.unpack_from(f"{byteorder}4i", head)
    axes = struct.unpack_from(f"{byteorder}3i", head, 64)
    is_known = mode in _DTYPES or mode in _COMPLEX or mode in {_COLOR, 101}
    return is_known and all(0 < n < 2**24 for n in lengths) and sorted(axes) in ([0, 0, 0], [1, 2, 3])


def _layout(path: Path) -> FlatLayout:
    head = read_start(path, _HEADER_BYTES)
    if len(head) < _HEADER_BYTES:
        raise CorruptData(
            f"{path.name} is cut: it has {len(head)} bytes, fewer than the header of an MRC file.",
            path=str(path),
            hint="Copy or download it again.",
        )
    byteorder = _byteorder(path, head)
    nx, ny, nz, mode = struct.unpack_from(f"{byteorder}4i", head)
    [extended] = struct.unpack_from(f"{byteorder}i", head, 92)
    if not all(0 < n <= _MOST_LENGTH for n in (nx, ny, nz)) or extended < 0:
        raise CorruptData(f"{path.name} has impossible sizes: {nx} × {ny} × {nz}.", path=str(path))
    if mode in _COMPLEX:
        raise UnsupportedFormat(
            f"{path.name} has complex voxels, which cannot be a layer.", hint="Save their magnitude."
        )
    if mode not in _DTYPES and mode != _COLOR:
        raise UnsupportedFormat(
            f"{path.name} has voxels of mode {mode}, which is not read.", hint="Save mode 2."
        )
    axes = "zyx"
    shape: tuple[int, ...] = (nz, ny, nx)
    sections = _sections_of_a_volume(head, byteorder, nz)
    if sections:
        axes, shape = "tzyx", (nz // sections, sections, ny, nx)
    if mode == _COLOR:
        axes, shape = axes + "c", (*shape, 3)
    voxel_size, notes = _voxel_size(head, byteorder, (nx, ny, nz))
    stored = np.dtype(byteorder + _code(head, byteorder, mode))
    offset = _HEADER_BYTES + extended
    return FlatLayout(path, stored, axes, shape, offset, voxel_size=voxel_size, notes=notes)


def _byteorder(path: Path, head: bytes) -> str:
    """The machine's stamp tells; where it is not set, or wrong, numbers that make sense do."""
    stamped = {b"\x44": "<", b"\x11": ">"}.get(head[212:213], "<")
    for byteorder in (stamped, "<", ">"):
        if _is_plausible(head, byteorder):
            return byteorder
    if head[208:211] != b"MAP":
        raise CorruptData(f"{path.name} is no MRC file.", path=str(path), hint="Is it another format?")
    return stamped


def _code(head: bytes, byteorder: str, mode: int) -> str:
    if mode == _COLOR:
        return "u1"
    stamp, flags = struct.unpack_from(f"{byteorder}2i", head, 152)
    is_unsigned = mode == 0 and stamp == _IMOD_STAMP and not flags & 1
    return "u1" if is_unsigned else _DTYPES[mode]


def _sections_of_a_volume(head: bytes, byteorder: str, nz: int) -> int:
    [group] = struct.unpack_from(f"{byteorder}i", head, 88)
    [mz] = struct.unpack_from(f"{byteorder}i", head, 36)
    return mz if group == _VOLUME_STACK and 0 < mz < nz and nz % mz == 0 else 0


def _voxel_size(
    head: bytes, byteorder: str, lengths: tuple[int, int, int]
) -> tuple[VoxelNm, tuple[str, ...]]:
    """The cell's size along each stored axis, by the number of its parts."""
    parts = struct.unpack_from(f"{byteorder}3i", head, 28)
    cell = struct.unpack_from(f"{byteorder}3f", head, 40)
    order = struct.unpack_from(f"{byteorder}3i", head, 64)
    axes = [axis - 1 for axis in order] if sorted(order) == [1, 2, 3] else [0, 1, 2]
    numbers = [
        abs(cell[axis]) / (parts[axis] if parts[axis] > 0 else length)
        for axis, length in zip(axes, lengths, strict=True)
    ]
    x, y, z = (nanometers(number, "Å") for number in numbers)
    is_one = all(abs(number - 1) < 1e-6 for number in numbers)
    return (x, y, z), ("a voxel of 1 Å is what some programs write where they don't know.",) * is_one
