"""NRRD: ``.nrrd``, and ``.nhdr`` with its voxels in a file beside it; raw, gzip and bzip2.

Axes are told apart by their kinds: those of space are x, y, z in the order in which they are stored, fastest
first, ``time`` is t, all others are channels.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    name: code
    for code, names in {
        "i1": "signed char|int8|int8_t",
        "u1": "uchar|unsigned char|uint8|uint8_t",
        "i2": "short|short int|signed short|signed short int|int16|int16_t",
        "u2": "ushort|unsigned short|unsigned short int|uint16|uint16_t",
        "i4": "int|signed int|int32|int32_t",
        "u4": "uint|unsigned int|uint32|uint32_t",
        "i8": "longlong|long long|long long int|signed long long|signed long long int|int64|int64_t",
        "u8": "ulonglong|unsigned long long|unsigned long long int|uint64|uint64_t",
        "f4": "float",
        "f8": "double",
    }.items()
    for name in names.split("|")
}
_PACKINGS: Final = {"raw": "", "gzip": "gzip", "gz": "gzip", "bzip2": "bzip2", "bz2": "bzip2"}
_SPACE: Final = {"domain", "space", "???", "none"}
_VECTOR: Final = re.compile(r"none|\(([^()]*)\)")
_QUOTED: Final = re.compile(r'"([^"]*)"')
_FEW_CHANNELS: Final = 4


class NrrdReader:
    name = "nrrd"
    suffixes = (".nrrd", ".nhdr")

    def recognises(self, path: Path, head: bytes) -> bool:  # noqa: ARG002 - the magic tells
        return head.startswith(b"NRRD000")

    def open(self, paths: Sequence[Path], hints: Hints) -> FlatFile:  # noqa: ARG002 - the file tells all
        return open_flat(layout_of(paths[0]))


READER = NrrdReader()


@dataclass(frozen=True)
class _Header:
    """``fields``: in lower case, without spaces; ``end``: the place of the first byte after the header."""

    path: Path
    fields: Mapping[str, str]
    end: int
    is_segmentation: bool


def layout_of(path: Path) -> FlatLayout:
    """Return where the voxels of a header lie. Raises CorruptData, UnsupportedFormat, InvalidInput."""
    header = _read(path)
    fields = header.fields
    lengths = whole_numbers(path, "sizes", fields.get("sizes", ""))
    roles, notes = _roles(header, lengths)
    kind = fields.get("type", "").lower()
    if kind not in _DTYPES:
        raise UnsupportedFormat(f"{path.name} has voxels of type {kind[:40]!r}.", hint="Save numbers.")
    encoding = fields.get("encoding", "").lower()
    if encoding not in _PACKINGS:
        raise UnsupportedFormat(
            f"{path.name} has its voxels written as {encoding[:40]!r}.", hint="Save it as raw or gzip."
        )
    stored = np.dtype((">" if fields.get("endian", "").lower() == "big" else "<") + _DTYPES[kind])
    named = fields.get("datafile", "")
    if named.upper().startswith("LIST") or "%" in named:
        raise UnsupportedFormat(f"{path.name} has its voxels in several files.", hint="Save it as one file.")
    data = neighbour(path, named) if named else path
    voxel_size, size_notes = _voxel_size(header, roles)
    return FlatLayout(
        data,
        stored,
        "".join(reversed(roles)),
        lengths[::-1],
        _offset(header, data, math.prod(lengths) * stored.itemsize),
        _PACKINGS[encoding],
        voxel_size=voxel_size,
        labels=True if header.is_segmentation and stored.kind in "ui" else None,
        notes=(*notes, *size_notes),
    )


def _read(path: Path) -> _Header:
    fields: dict[str, str] = {}
    is_segmentation = False
    with open_binary(path) as stream:
        if not stream.readline(MOST_BYTES).startswith(b"NRRD000"):
            raise UnsupportedFormat(f"{path.name} is no NRRD file.", hint="Is it another format?")
        while stream.tell() < MOST_BYTES and (line := stream.readline(MOST_BYTES)):
            text = line.decode("utf-8", "replace").strip("\r\n")
            if not text:
                break
            key, sign, value = text.partition(":")
            if value.startswith("="):  # what programs add
                is_segmentation |= key.startswith("Segment")
            elif sign and not text.startswith("#"):
                fields[key.strip().lower().replace(" ", "")] = value.strip()
        return _Header(path, fields, stream.tell(), is_segmentation)


def _roles(header: _Header, lengths: tuple[int, ...]) -> tuple[list[str], list[str]]:
    """Return a letter of t, c, z, y, x for each axis, fastest first. Raises UnsupportedFormat."""
    count = len(lengths)
    kinds = header.fields.get("kinds", "").lower().split()
    directions = _VECTOR.findall(header.fields.get("spacedirections", ""))
    notes = []
    if "complex" in kinds:
        raise UnsupportedFormat(
            f"{header.path.name} has complex voxels, which cannot be a layer.", hint="Save their magnitude."
        )
    if len(kinds) == count and set(kinds) - {"???", "none"}:
        groups = ["space" if kind in _SPACE else "t" if kind == "time" else "c" for kind in kinds]
    elif len(directions) == count:
        groups = ["space" if numbers else "c" for numbers in directions]
    else:
        groups = ["space"] * count
        if count == 4 and lengths[0] <= _FEW_CHANNELS:
            groups[0] = "c"
            notes.append("the first of its 4 axes is taken for channels.")
        elif count == 4:
            groups[3] = "t"
            notes.append("the last of its 4 axes is taken for time.")
    spaces = groups.count("space")
    if not 2 <= spaces <= 3 or groups.count("t") > 1 or groups.count("c") > 1:
        told = " × ".join(map(str, lengths))
        raise UnsupportedFormat(
            f"{header.path.name} has the axes {told}: more or fewer than can be shown.",
            hint="Save 2 or 3 axes of space, at most one of time and one of channels, and name their kinds.",
        )
    letters = iter("xyz")
    return [next(letters) if group == "space" else group for group in groups], notes


def _voxel_size(header: _Header, roles: list[str]) -> tuple[VoxelNm, list[str]]:
    fields, sizes = header.fields, dict.fromkeys("xyz", math.nan)
    vectors = _VECTOR.findall(fields.get("spacedirections", ""))
    numbers = fields.get("spacings", "").split()
    for place, role in enumerate(roles):
        if role not in sizes:
            continue
        if len(vectors) == len(roles):
            sizes[role] = math.hypot(*_floats(header, vectors[place].replace(",", " ").split()))
        elif len(numbers) == len(roles):
            sizes[role] = _floats(header, numbers[place : place + 1])[0]
    if all(math.isnan(size) for size in sizes.values()):
        return NOTHING, []
    units = _QUOTED.findall(fields.get("spaceunits", ""))
    if not units:
        own = _QUOTED.findall(fields.get("units", ""))
        units = [own[roles.index(axis)] for axis in "xyz" if axis in roles] if len(own) == len(roles) else []
    if not any(units):
        told = " × ".join(f"{size:g}" for size in sizes.values() if not math.isnan(size))
        return NOTHING, [f"a voxel is {told} of a unit that the file doesn't tell (mm are usual)."]
    x, y, z = (
        nanometers(abs(size), unit) for size, unit in zip(sizes.values(), [*units, "", ""][:3], strict=True)
    )
    return (x, y, z), []


def _floats(header: _Header, parts: list[str]) -> list[float]:
    try:
        return [float(part) for part in parts]
    except ValueError:
        raise wrong_field(header.path, "spacing", " ".join(parts)) from None


def _offset(header: _Header, data: Path, needed: int) -> int:
    fields = header.fields
    start = header.end if data == header.path else 0
    if fields.get("lineskip", "0") != "0":
        raise UnsupportedFormat(f"{header.path.name} skips lines of text.", hint="Save it anew.")
    skip = fields.get("byteskip", "0")
    if skip == "0":
        return start
    if _PACKINGS[fields["encoding"].lower()]:
        raise UnsupportedFormat(f"{header.path.name} skips packed bytes.", hint="Save it anew.")
    if skip == "-1":  # the voxels are the last bytes
        return max(0, data.stat().st_size - needed)
    return start + whole_numbers(header.path, "byte skip", skip)[0]
