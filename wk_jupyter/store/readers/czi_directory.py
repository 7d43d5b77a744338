"""The segments of a CZI file, and its directory of tiles; from what is publicly known of the format."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from wk_jupyter.errors import CorruptData, UnsupportedFormat
from wk_jupyter.store.readers.byte_sources import PlainBytes

SEGMENT_HEAD: Final = 32
_FILE: Final = b"ZISRAWFILE"
_DIRECTORY: Final = b"ZISRAWDIRECTORY"
_METADATA: Final = b"ZISRAWMETADATA"
_DIRECTORY_HEAD: Final = 128
_METADATA_HEAD: Final = 256
_ENTRY: Final = struct.Struct("<2siqiiB5xi")
_DIMENSION: Final = struct.Struct("<4siifi")
_MOST_DIMENSIONS: Final = 40
_MOST_XML: Final = 2**27
_OTHER_AXES: Final = "RIHVB"
_NAMES_OF_AXES: Final = {
    "R": "rotations", "I": "illuminations", "H": "phases", "V": "views", "B": "blocks"
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tile:
    """One stored picture. ``x`` and ``y`` count pixels of the whole slide; higher layers lie above."""

    position: int
    pixel_type: int
    compression: int
    x: int
    y: int
    width: int
    height: int
    time: int
    channel: int
    z: int
    scene: int
    layer: int


@dataclass
class Directory:
    """All tiles of full resolution, in the file's order; ``xml``: the metadata, or ``b""``."""

    tiles: list[Tile]
    xml: bytes
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Entry:
    position: int
    pixel_type: int
    compression: int
    starts: dict[str, int]
    sizes: dict[str, tuple[int, int]]

    @property
    def is_reduced(self) -> bool:
        """A tile of a coarser level is stored with fewer pixels than it covers."""
        return any(size != stored for size, stored in self.sizes.values())


def read_directory(source: PlainBytes) -> Directory:
    """Read what tiles there are. Raises UnsupportedFormat, CorruptData."""
    name = source.path.name
    head = _read(source, 0, 112) if source.length >= 112 else b""
    if not head.startswith(_FILE):
        pointer = source.length < 1024 and _read(source, 0, min(40, source.length)).startswith(
            b"version https://git-lfs"
        )
        raise UnsupportedFormat(
            f"{name} is not a CZI file{' but a Git LFS pointer to one' if pointer else ''}.",
            hint="Fetch the file itself (git lfs pull)." if pointer else "Was it written to the end?",
        )
    part, directory, metadata = struct.unpack_from("<iqq", head, 80)
    if part != 0:
        raise UnsupportedFormat(
            f"{name} is part {part} of a CZI of several files.", hint="Save it as one file."
        )
    entries = list(_entries(source, directory))
    result = Directory([], _xml(source, metadata))
    firsts = _firsts(entries, result.notes)
    for entry in entries:
        if not entry.is_reduced and all(
            entry.starts.get(axis, first) == first for axis, first in firsts.items()
        ):
            result.tiles.append(_tile(source, entry))
    if not result.tiles:
        raise UnsupportedFormat(f"{name} holds no image.", hint="Save it with its pixels.")
    return result


def _firsts(entries: list[_Entry], notes: list[str]) -> dict[str, int]:
    """Of axes that no layer can have, the first place is taken."""
    firsts = {}
    for axis in _OTHER_AXES:
        places = {entry.starts[axis] for entry in entries if axis in entry.starts}
        if len(places) > 1:
            firsts[axis] = min(places)
            notes.append(f"of {len(places)} {_NAMES_OF_AXES[axis]} ({axis}) the first is taken.")
    return firsts


def _entries(source: PlainBytes, position: int) -> Iterator[_Entry]:
    length = _segment(source, position, _DIRECTORY, "directory")
    data = _read(source, position + SEGMENT_HEAD, length)
    [count] = struct.unpack_from("<i", data)
    place = _DIRECTORY_HEAD
    for _ in range(count):
        if place + _ENTRY.size > len(data):
            raise damaged(source, "its directory ends too early")
        schema, pixel_type, at, part, compression, _, dimensions = _ENTRY.unpack_from(data, place)
        place += _ENTRY.size
        if schema != b"DV" or part != 0:
            raise UnsupportedFormat(
                f"{source.path.name} is a CZI of an old or divided kind.", hint="Save it anew."
            )
        if not 2 <= dimensions <= _MOST_DIMENSIONS or place + dimensions * _DIMENSION.size > len(data):
            raise damaged(source, f"a tile has {dimensions} dimensions")
        starts: dict[str, int] = {}
        sizes: dict[str, tuple[int, int]] = {}
        for _ in range(dimensions):
            letters, start, size, _, stored = _DIMENSION.unpack_from(data, place)
            place += _DIMENSION.size
            axis = letters.rstrip(b"\0").decode("latin-1")
            starts[axis] = start
            sizes[axis] = (size, stored)
        yield _Entry(at, pixel_type, compression, starts, sizes)


def _tile(source: PlainBytes, entry: _Entry) -> Tile:
    starts, sizes = entry.starts, entry.sizes
    if not {"X", "Y"} <= starts.keys():
        raise damaged(source, "a tile has no X and Y")
    for axis, (size, _) in sizes.items():
        if size != 1 and axis not in "XY":
            raise UnsupportedFormat(
                f"{source.path.name} has tiles of {size} places along {axis}.", hint="Save it anew."
            )
    width, height = sizes["X"][0], sizes["Y"][0]
    if width < 1 or height < 1 or not 0 < entry.position < source.length:
        raise damaged(source, f"a tile of {width} × {height} pixels lies at byte {entry.position:,}")
    return Tile(
        position=entry.position,
        pixel_type=entry.pixel_type,
        compression=entry.compression,
        x=starts["X"],
        y=starts["Y"],
        width=width,
        height=height,
        time=starts.get("T", 0),
        channel=starts.get("C", 0),
        z=starts.get("Z", 0),
        scene=starts.get("S", 0),
        layer=starts.get("M", 0),
    )


def _xml(source: PlainBytes, position: int) -> bytes:
    if position == 0:
        return b""
    length = _segment(source, position, _METADATA, "metadata")
    [size] = struct.unpack("<i", _read(source, position + SEGMENT_HEAD, 4))
    if not 0 <= size <= min(length, _MOST_XML):
        raise damaged(source, f"its metadata have {size:,} bytes")
    return _read(source, position + SEGMENT_HEAD + _METADATA_HEAD, size)


def _segment(source: PlainBytes, position: int, kind: bytes, what: str) -> int:
    """Return how many bytes follow the head of a segment, of those that are in the file."""
    if position == 0:
        raise damaged(source, f"it has no {what}: it was not written to the end")
    if not 0 < position <= source.length - SEGMENT_HEAD:
        raise CorruptData(
            f"{source.path.name} is cut: its {what} should lie at byte {position:,} of {source.length:,}.",
            path=str(source.path),
            hint="Copy or download it again.",
        )
    head = _read(source, position, SEGMENT_HEAD)
    [used] = struct.unpack_from("<q", head, 24)
    if head[:16].rstrip(b"\0") != kind:
        raise damaged(source, f"there is no {what} at byte {position:,}")
    there = source.length - position - SEGMENT_HEAD
    least = _DIRECTORY_HEAD if kind == _DIRECTORY else _METADATA_HEAD
    if not least <= used <= there:
        raise damaged(source, f"its {what} has {used:,} bytes")
    return int(used)


def damaged(source: PlainBytes, what: str) -> CorruptData:
    """Return the error of a file that contradicts itself."""
    return CorruptData(
        f"{source.path.name} is damaged: {what}.", path=str(source.path), hint="Copy or download it again."
    )


def _read(source: PlainBytes, start: int, count: int) -> bytes:
    data = np.empty(count, np.uint8)
    if count:
        source.fill(data, start)
    return data.tobytes()
