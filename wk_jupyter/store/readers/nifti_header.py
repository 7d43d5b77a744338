"""Headers of NIfTI-1, NIfTI-2 and Analyze 7.5: numbers at fixed places, in either byte order."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wk_jupyter.errors import CorruptData

HEADER_BYTES: Final = 540  # of NIfTI-2, the longer one
_Affine = NDArray[np.float64]
# name: (place, struct's format, how many)
_NIFTI1: Final = {
    "dim": (40, "h", 8), "intent_code": (68, "h", 1), "datatype": (70, "h", 1), "pixdim": (76, "f", 8),
    "vox_offset": (108, "f", 1), "scl_slope": (112, "f", 1), "scl_inter": (116, "f", 1),
    "xyzt_units": (123, "B", 1), "cal_max": (124, "f", 1), "cal_min": (128, "f", 1),
    "aux_file": (228, "24s", 1), "qform_code": (252, "h", 1), "sform_code": (254, "h", 1),
    "quatern": (256, "f", 3), "srow": (280, "f", 12), "intent_name": (328, "16s", 1),
}  # fmt: skip
_NIFTI2: Final = {
    "dim": (16, "q", 8), "intent_code": (504, "i", 1), "datatype": (12, "h", 1), "pixdim": (104, "d", 8),
    "vox_offset": (168, "q", 1), "scl_slope": (176, "d", 1), "scl_inter": (184, "d", 1),
    "xyzt_units": (500, "i", 1), "cal_max": (192, "d", 1), "cal_min": (200, "d", 1),
    "aux_file": (320, "24s", 1), "qform_code": (344, "i", 1), "sform_code": (348, "i", 1),
    "quatern": (352, "d", 3), "srow": (400, "d", 12), "intent_name": (508, "16s", 1),
}  # fmt: skip
_MOST_LENGTH: Final = 1e100
_ENDS: Final = (("R", "L"), ("A", "P"), ("S", "I"))


@dataclass(frozen=True)
class Header:
    """``shape``: x, y, z, t and the fifth axis. ``pixdim``: of x, y, z, in ``unit``; "": the file tells none.

    ``orientation``: towards what the axes x, y, z run, as ``"LAS"``; "" where the file doesn't say.
    """

    version: str
    byteorder: str
    shape: tuple[int, int, int, int, int]
    datatype: int
    pixdim: tuple[float, float, float]
    unit: str
    offset: int
    slope: float
    intercept: float
    window: tuple[float, float] | None
    intent: int
    names: str
    orientation: str

    @property
    def is_scaled(self) -> bool:
        """A slope of 0 or NaN says that there is none."""
        is_told = math.isfinite(self.slope) and self.slope != 0 and math.isfinite(self.intercept)
        return is_told and (self.slope, self.intercept) != (1.0, 0.0)


def is_nifti(head: bytes) -> bool:
    """Whether bytes begin a header of NIfTI-1 or -2; Analyze has no magic."""
    return head[344:348] in {b"n+1\0", b"ni1\0"} or head[4:8] in {b"n+2\0", b"ni2\0"}


def parse(path: Path, head: bytes) -> Header:
    """Decode a header. Raises CorruptData."""
    byteorder, size = _byteorder(path, head)
    fields = _fields(_NIFTI2 if size == 540 else _NIFTI1, byteorder, head)
    is_two = size == 540
    is_analyze = not is_nifti(head)
    least = 544 if is_two else 352
    is_single = head[5:6] == b"+" if is_two else head[345:346] == b"+"
    offset = float(fields["vox_offset"])
    if not math.isfinite(offset) or offset < 0 or offset > 2**62:
        raise CorruptData(f"{path.name} says that its voxels begin at byte {offset}.", path=str(path))
    pixdim = tuple(abs(float(number)) for number in fields["pixdim"][1:4])
    codes = {1: "m", 2: "mm", 3: "µm"}
    low, high = float(fields["cal_min"]), float(fields["cal_max"])
    names = b" ".join([fields["aux_file"], fields["intent_name"]]).replace(b"\0", b"")
    return Header(
        version="Analyze" if is_analyze else "NIfTI-2" if is_two else "NIfTI-1",
        byteorder=byteorder,
        shape=_shape(path, fields["dim"]),
        datatype=fields["datatype"],
        pixdim=(pixdim[0], pixdim[1], pixdim[2]),
        unit="" if is_analyze else codes.get(fields["xyzt_units"] & 7, ""),
        offset=max(int(offset), least if is_single else 0),
        slope=math.nan if is_analyze else float(fields["scl_slope"]),
        intercept=float(fields["scl_inter"]),
        window=(low, high) if math.isfinite(high - low) and low < high and not is_analyze else None,
        intent=0 if is_analyze else fields["intent_code"],
        names=names.decode("latin-1"),
        orientation="" if is_analyze else _orientation(fields),
    )


def _byteorder(path: Path, head: bytes) -> tuple[str, int]:
    """Return the byte order and the size that a header says of itself, which tells it."""
    for byteorder in "<>":
        size = struct.unpack_from(f"{byteorder}i", head)[0] if len(head) >= 4 else 0
        if size in {348, 540} and len(head) >= size:
            return byteorder, size
    raise CorruptData(
        f"{path.name} does not begin with a NIfTI header.",
        path=str(path),
        hint="It is cut, or something else under that name.",
    )


def _fields(table: dict[str, tuple[int, str, int]], byteorder: str, head: bytes) -> dict[str, Any]:
    found = {}
    for name, (place, kind, count) in table.items():
        values = struct.unpack_from(f"{byteorder}{kind * count}", head, place)
        found[name] = values[0] if count == 1 else values
    return found


def _shape(path: Path, dim: tuple[int, ...]) -> tuple[int, int, int, int, int]:
    rank = dim[0]
    if not 1 <= rank <= 7 or any(length < 1 for length in dim[1 : rank + 1]):
        raise CorruptData(f"{path.name} has impossible axes: {list(dim)}.", path=str(path))
    lengths = [*dim[1 : rank + 1], 1, 1, 1, 1, 1, 1][:7]
    if lengths[5] > 1 or lengths[6] > 1:
        raise CorruptData(f"{path.name} has {rank} axes, of which 5 can be read.", path=str(path))
    x, y, z, t, fifth = lengths[:5]
    return (x, y, z, t, fifth)


def _orientation(fields: dict[str, Any]) -> str:
    """Return the nearest direction of each axis: the sform counts, else the qform."""
    if fields["sform_code"] > 0:
        matrix = np.array(fields["srow"], np.float64).reshape(3, 4)[:, :3]
    elif fields["qform_code"] > 0:
        matrix = _rotation(fields["quatern"])
        if fields["pixdim"][0] < 0:
            matrix[:, 2] *= -1
    else:
        return ""
    if not np.abs(matrix).max() < _MOST_LENGTH:  # nor NaN
        return ""
    lengths = np.linalg.norm(matrix, axis=0)
    if not lengths.all():
        return ""
    cosines = matrix / lengths
    letters, free = "", [0, 1, 2]
    for axis in range(3):
        row = max(free, key=lambda direction: abs(cosines[direction, axis]))
        free.remove(row)
        letters += _ENDS[row][0 if cosines[row, axis] > 0 else 1]
    return letters


def _rotation(quaternion: tuple[float, float, float]) -> _Affine:
    b, c, d = np.clip(quaternion, -1, 1)
    a = math.sqrt(max(0.0, 1.0 - (b * b + c * c + d * d)))
    return np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
