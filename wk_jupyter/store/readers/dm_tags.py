"""The tree of tags of DM3 and DM4 files, written from what is publicly known of the format.

Names and counts are big-endian, values of the byte order that the file tells. Only values below
``ImageList`` and ``Thumbnails`` are kept; arrays are skipped, and their place is kept.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from wk_jupyter.errors import CorruptData, UnsupportedFormat
from wk_jupyter.store.readers.byte_sources import open_binary

_GROUP: Final = 20
_VALUE: Final = 21
_STRUCT: Final = 15
_STRING: Final = 18
_ARRAY: Final = 20
_CODES: Final = {
    2: "h", 3: "i", 4: "H", 5: "I", 6: "f", 7: "d", 8: "?", 9: "b", 10: "B", 11: "q", 12: "Q"
}  # fmt: skip
_TEXT_TYPES: Final = {4}
_MOST_DEPTH: Final = 64
_MOST_INFO: Final = 2**14
_MOST_TEXT: Final = 2**12
_KEPT: Final = ("ImageList", "Thumbnails")
_SKIPPED: Final = "ImageTags"


@dataclass(frozen=True)
class TagArray:
    """Where an array lies: the place of its first byte, and how many bytes it has."""

    offset: int
    length: int


@dataclass(frozen=True)
class Tags:
    """``values``: by path, such as ``ImageList/0/ImageData/DataType``; what has no name has its number."""

    byteorder: str
    values: dict[str, Any]


def read_tags(path: Path) -> Tags:
    """Read the tags of a file. Raises CorruptData, UnsupportedFormat."""
    with open_binary(path) as stream:
        parser = _Parser(stream, path)
        return Tags(parser.byteorder, parser.parse())


class _Parser:
    def __init__(self, stream: IO[bytes], path: Path) -> None:
        self._stream = stream
        self._path = path
        self._length = path.stat().st_size
        version = int.from_bytes(self._take(4), "big")
        if version not in {3, 4}:
            raise UnsupportedFormat(f"{path.name} is no DM3 or DM4 file.", hint="Save it as one of these.")
        self._is_four = version == 4
        self._number()  # the length of the file, which some writers get wrong
        self.byteorder = "<" if int.from_bytes(self._take(4), "big") else ">"
        self._values: dict[str, Any] = {}

    def parse(self) -> dict[str, Any]:
        self._group("", 0)
        return self._values

    def _group(self, path: str, depth: int) -> None:
        if depth > _MOST_DEPTH:
            raise self._wrong("its tags lie too deep")
        self._take(2)
        for index in range(self._number()):
            kind = self._take(1)[0]
            name = self._take(int.from_bytes(self._take(2), "big")).decode("latin-1") or str(index)
            if self._is_four:
                self._number()  # bytes of the tag
            inner = f"{path}/{name}" if path else name
            if kind == _GROUP:
                self._group(inner, depth + 1)
            elif kind == _VALUE:
                self._value(inner)
            else:
                raise self._wrong(f"a tag is of kind {kind}")

    def _value(self, path: str) -> None:
        if self._take(4) != b"%%%%":
            raise self._wrong("a tag does not begin as it should")
        count = self._number()
        if not 1 <= count <= _MOST_INFO:
            raise self._wrong(f"a tag is described by {count} numbers")
        info = [self._number() for _ in range(count)]
        value = self._decode(info)
        if value is not None and path.startswith(_KEPT) and _SKIPPED not in path:
            self._values[path] = value

    def _decode(self, info: list[int]) -> Any:
        kind = info[0]
        if kind in _CODES:
            code = f"{self.byteorder}{_CODES[kind]}"
            return struct.unpack(code, self._take(struct.calcsize(code)))[0]
        if kind == _STRUCT:
            self._skip(self._struct_bytes(info))
            return None
        if kind == _STRING and len(info) > 1:
            self._skip(info[1])
            return None
        if kind == _ARRAY and len(info) > 2:
            return self._array(info)
        raise self._wrong(f"a value is of type {kind}")

    def _array(self, info: list[int]) -> Any:
        element, count = info[1], info[-1]
        width = self._struct_bytes(info[1:-1]) if element == _STRUCT else self._width(element)
        offset = self._stream.tell()
        if element in _TEXT_TYPES and count <= _MOST_TEXT:
            encoding = "utf-16-le" if self.byteorder == "<" else "utf-16-be"
            text = self._take(count * width).decode(encoding, "replace")
            return (TagArray(offset, count * width), text.rstrip("\0"))
        self._skip(count * width)
        return (TagArray(offset, count * width), "")

    def _struct_bytes(self, info: list[int]) -> int:
        """The types of fields stand in every second place, after the number of fields."""
        return sum(map(self._width, info[4::2]))

    def _width(self, kind: int) -> int:
        if kind not in _CODES:
            raise self._wrong(f"an element is of type {kind}")
        return struct.calcsize("=" + _CODES[kind])

    def _number(self) -> int:
        return int.from_bytes(self._take(8 if self._is_four else 4), "big", signed=True)

    def _take(self, count: int) -> bytes:
        if count < 0:
            raise self._wrong(f"a tag has {count} bytes")
        data = self._stream.read(count)
        if len(data) != count:
            raise self._cut()
        return data

    def _skip(self, count: int) -> None:
        if count < 0:
            raise self._wrong(f"a tag has {count} bytes")
        if self._stream.tell() + count > self._length:
            raise self._cut()
        self._stream.seek(count, 1)

    def _cut(self) -> CorruptData:
        return CorruptData(
            f"{self._path.name} is cut: it ends at byte {self._length:,}, within its tags.",
            path=str(self._path),
            hint="Copy or download it again.",
        )

    def _wrong(self, what: str) -> CorruptData:
        return CorruptData(
            f"{self._path.name} is damaged: {what} (near byte {self._stream.tell():,}).",
            path=str(self._path),
            hint="Copy or download it again.",
        )
