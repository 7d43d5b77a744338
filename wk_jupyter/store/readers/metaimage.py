"""MetaImage: ``.mha``, with voxels in it, and ``.mhd``, with voxels in a file beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from wk_jupyter.errors import UnsupportedFormat
from wk_jupyter.store.readers.base import Hints
from wk_jupyter.store.readers.byte_sources import open_binary
from wk_jupyter.store.readers.flat import FlatFile, FlatLayout, open_flat
from wk_jupyter.store.readers.lengths import NOTHING, VoxelNm, nanometers
from wk_jupyter.store.readers.sidecars import MOST_BYTES, neighbour, whole_numbers, wrong_field

_DTYPES: Final = {
    "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4",
    "MET_UINT": "u4", "MET_LONG": "i4", "MET_ULONG": "u4", "MET_LONG_LONG": "i8", "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4", "MET_DOUBLE": "f8",
}  # fmt: skip
_LAST: Final = "ElementDataFile"


class MetaImageReader:
    name = "metaimage"
    suffixes = (".mha",)

    def recognises(self, path: Path, head: bytes) -> bool:
        is_named = path.suffix.lower() in {".mha", ".mhd"}
        return is_named and (head.startswith(b"ObjectType") or b"NDims" in head)

    def open(self, paths: Sequence[Path], hints: Hints) -> FlatFile:  # noqa: ARG002 - the file tells all
        return open_flat(layout_of(paths[0]))


READER = MetaImageReader()


def layout_of(path: Path) -> FlatLayout:
    """Return where the voxels of a header lie. Raises CorruptData, UnsupportedFormat, InvalidInput."""
    fields, end = _fields(path)
    lengths = whole_numbers(path, "DimSize", fields.get("DimSize", ""))
    if not 2 <= len(lengths) <= 4:
        raise UnsupportedFormat(f"{path.name} has {len(lengths)} axes.", hint="Save 2 to 4.")
    element = fields.get("ElementType", "").removesuffix("_ARRAY")
    if element not in _DTYPES:
        raise UnsupportedFormat(f"{path.name} has voxels of type {element[:40]!r}.", hint="Save numbers.")
    is_big = _is_true(fields.get("BinaryDataByteOrderMSB") or fields.get("ElementByteOrderMSB", ""))
    stored = np.dtype((">" if is_big else "<") + _DTYPES[element])
    channels = whole_numbers(path, "ElementNumberOfChannels", fields.get("ElementNumberOfChannels", "1"))[0]
    axes, shape = "tzyx"[-len(lengths) :], lengths[::-1]
    if channels > 1:
        axes, shape = axes + "c", (*shape, channels)
    if not _is_true(fields.get("BinaryData", "True")):
        raise UnsupportedFormat(f"{path.name} has voxels written as text.", hint="Save them as binary data.")
    named = fields[_LAST]
    data = path if named.upper() == "LOCAL" else neighbour(path, named)
    packing = "zlib" if _is_true(fields.get("CompressedData", "")) else ""
    voxel_size, notes = _voxel_size(path, fields)
    offset = end if data == path else 0
    header = fields.get("HeaderSize", "0")
    if header == "-1" and not packing:  # the voxels are the last bytes
        offset = max(0, data.stat().st_size - int(np.prod(shape, dtype=object)) * stored.itemsize)
    elif header != "0":
        offset += whole_numbers(path, "HeaderSize", header)[0]
    return FlatLayout(data, stored, axes, shape, offset, packing, voxel_size=voxel_size, notes=notes)


def _fields(path: Path) -> tuple[dict[str, str], int]:
    """Return the lines ``key = value``, and the place after the last, which is where voxels may begin."""
    fields: dict[str, str] = {}
    with open_binary(path) as stream:
        while stream.tell() < MOST_BYTES and (line := stream.readline(MOST_BYTES)):
            key, sign, value = line.decode("latin-1").partition("=")
            if not sign:
                break
            fields[key.strip()] = value.strip()
            if key.strip() == _LAST:
                return fields, stream.tell()
    raise wrong_field(path, _LAST, "")


def _voxel_size(path: Path, fields: dict[str, str]) -> tuple[VoxelNm, tuple[str, ...]]:
    text = fields.get("ElementSpacing") or fields.get("ElementSize") or ""
    try:
        numbers = [abs(float(part)) for part in text.split()]
    except ValueError:
        raise wrong_field(path, "ElementSpacing", text) from None
    if not numbers:
        return NOTHING, ()
    unit = fields.get("DistanceUnits", "").strip("?")
    if not unit:
        told = " × ".join(f"{number:g}" for number in numbers[:3])
        return NOTHING, (f"a voxel is {told} of a unit that the file doesn't tell (mm are usual).",)
    x, y, z = ([nanometers(number, unit) for number in numbers] + [None] * 3)[:3]
    return (x, y, z), ()


def _is_true(text: str) -> bool:
    return text.lower() in {"true", "1", "yes"}
