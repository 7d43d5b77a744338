"""Looking at chunks before tensorstore reads them: it takes as much memory as a file tells it to, and a
process that has none left is gone.

A file may be of any size without filling a disk (sparse), Blosc takes the size that its head promises,
and precomputed shards are unpacked to their end. All else is read no further than a chunk can hold.
"""

from __future__ import annotations

import itertools
import os
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from wk_jupyter.errors import CorruptData

Cell: TypeAlias = tuple[int, ...]
Index: TypeAlias = tuple["slice | int", ...]
"""What is read of an array: for each of its dimensions a place or a range, in its own coordinates."""

_REMEMBERED: Final = 2**17
_HEAD_BYTES: Final = 65536  # of a file beyond its chunk: heads, checksums, what packing adds to noise
_BLOSC_SIZE_AT: Final = 4
_BLOSC_HEAD_BYTES: Final = 16


class Check(Protocol):
    """Looks at one cell of the grid. Blocks. Raises CorruptData, naming the file."""

    def __call__(self, cell: Cell, /) -> None: ...


class ChunkGuard:
    """Looks at each chunk once, before it is read first. ``origin`` and ``shape`` tell the grid."""

    def __init__(self, origin: Sequence[int], shape: Sequence[int], check: Check) -> None:
        self._origin, self._shape, self._check = tuple(origin), tuple(shape), check
        self._passed: set[Cell] = set()
        self._lock = threading.Lock()

    def has_passed(self, index: Index) -> bool:
        """Whether all that ``index`` meets was looked at. Does not block."""
        return self._passed.issuperset(cells_of(index, self._origin, self._shape))

    def check(self, index: Index) -> None:
        """Look at what ``index`` meets. Raises CorruptData, naming the file."""
        for cell in cells_of(index, self._origin, self._shape):
            if cell not in self._passed:
                self._check(cell)
                with self._lock:
                    if len(self._passed) >= _REMEMBERED:
                        self._passed.clear()
                    self._passed.add(cell)


def cells_of(index: Index, origin: Sequence[int], shape: Sequence[int]) -> Iterator[Cell]:
    """The cells of a grid that ``index`` meets."""
    ranges = []
    for place, start, size in zip(index, origin, shape, strict=True):
        begin, end = (place.start, place.stop) if isinstance(place, slice) else (place, place + 1)
        ranges.append(range((begin - start) // size, -(-(end - start) // size)))
    return itertools.product(*ranges)


def packed_limit(chunk_bytes: int) -> int:
    """How many bytes a chunk of ``chunk_bytes`` may have on disk: packing noise makes it larger."""
    return chunk_bytes + chunk_bytes // 4 + _HEAD_BYTES


def chunk_files(
    name: Callable[[Cell], Path], chunk_bytes: int, head: Callable[[bytes], int] | None = None
) -> Check:
    """Chunks that are a file each, of ``chunk_bytes`` when unpacked.

    ``head`` tells, for those packed by Blosc, how many bytes lie before it.
    """

    def check(cell: Cell) -> None:
        path = name(cell)
        try:
            size = path.stat().st_size
            if head is not None and size <= packed_limit(chunk_bytes):
                with path.open("rb") as file:
                    check_blosc(file.read(4096), head, chunk_bytes, path)
        except OSError:  # what is not there is the fill value; what cannot be read tensorstore tells
            return
        check_size(size, packed_limit(chunk_bytes), path)

    return check


def check_size(size: int, limit: int, path: Path) -> None:
    if size > limit:
        raise too_large(path, f"is {size:,} bytes long, more than the {limit:,} it can hold")


def check_blosc(data: bytes, head: Callable[[bytes], int], chunk_bytes: int, path: Path) -> None:
    """Compare the size that the head of a packed chunk promises with that of the chunk."""
    try:
        promised = int(struct.unpack_from("<I", data, head(data) + _BLOSC_SIZE_AT)[0])
    except struct.error:  # cut short
        return
    if promised > chunk_bytes + _BLOSC_HEAD_BYTES:
        raise too_large(path, f"unpacks to {promised:,} bytes, more than the {chunk_bytes:,} it can hold")


def too_large(path: Path, what: str) -> CorruptData:
    return CorruptData(
        f"a chunk in {path} {what}.",
        path=str(path),
        hint="The file is damaged, or made to do harm: copy it again from its source.",
    )


def read_at(path: Path, offset: int, length: int) -> bytes:
    """Read a part of a file; empty where it is not there. Raises OSError."""
    with path.open("rb") as file:
        if length < 0 or not 0 <= offset < 2**62:
            return b""
        return os.pread(file.fileno(), length, offset)
