"""Files that hold many blocks, kept open with their parsed index, so that a block is one ``preadv``.

WKW cubes and Zarr shards are both such files; what differs is told by a ``BlockGrid``. On the event
loop only what lies in the page cache is read (``RWF_NOWAIT``); all else is ``COLD`` and is read by an
executor, as everything is where the platform or the file system has no such flag. Files are never
mapped: one that is cut short under a mapping would kill the process.

An open file is trusted for ``RECHECK_SECONDS``, then its path is looked at again (by the executor),
so that a replaced file is seen within that time; one that turns out too short is looked at at once.
Descriptors are closed by reference counting, when the last reader lets go: evicting a file never
closes it under a read.
"""

from __future__ import annotations

import itertools
import math
import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from wk_jupyter.api.frames import Encoding
from wk_jupyter.errors import CorruptData
from wk_jupyter.store.volumes.base import COLD, MISSING, Block, BlockError, BlockIndex, BlockLayout

RECHECK_SECONDS: Final = 2.0
DEFAULT_OPEN_FILES: Final = 256
DEFAULT_TABLE_BYTES: Final = 64 * 1024**2
_NOWAIT: Final = getattr(os, "RWF_NOWAIT", 0)
_COPY_AGAIN: Final = "The file was cut short or its index is damaged: copy it again from its source."
_owners: Final = itertools.count()


@dataclass(frozen=True, slots=True)
class BlockTable:
    """Where the blocks of one file lie: length 0 means never written, -1 that it cannot be there."""

    offsets: NDArray[np.int64]
    lengths: NDArray[np.int64]


def checked_table(offsets: NDArray[Any], lengths: NDArray[Any], size: int, layout: BlockLayout) -> BlockTable:
    """Make a table of untrusted numbers for a file of ``size`` bytes.

    Blocks that reach beyond the file, or are larger than any encoder makes a block of this layout, get
    the length -1 and fail when they are asked for; the others are still served.
    """
    starts, counts = offsets.astype(np.int64), lengths.astype(np.int64)
    most = largest_encoded(layout)
    bad = (starts < 0) | (starts > size) | (counts < 0) | (counts > most) | (starts + counts > size)
    if layout.encoding == Encoding.RAW:
        bad |= (counts != 0) & (counts != layout.decoded_bytes)
    counts[bad] = -1
    return BlockTable(starts, counts)


def largest_encoded(layout: BlockLayout) -> int:
    """Bytes that are more than what LZ4, zstd or gzip make of incompressible voxels of one block."""
    return layout.decoded_bytes + layout.decoded_bytes // 64 + 1024


class BlockGrid(Protocol):
    """How blocks are spread over files."""

    layout: BlockLayout

    def addresses(self, indices: Sequence[BlockIndex]) -> list[tuple[BlockIndex, int] | None]:
        """Return for each block the file that holds it and its number in that; None beyond the array."""
        ...

    def path(self, file: BlockIndex) -> Path: ...

    def load_table(self, descriptor: int, size: int, path: Path) -> BlockTable:
        """Read the index of an open file of ``size`` bytes. Raises CorruptData."""
        ...


class OpenFile:
    """A descriptor with the table of its blocks. Hold the object as long as the descriptor is used."""

    __slots__ = (
        "checked_until", "descriptor", "lengths", "nbytes", "nowait", "offsets", "path", "size", "stamp",
        "table",
    )  # fmt: skip

    def __init__(self, path: Path, grid: BlockGrid) -> None:
        self.path = path
        self.descriptor = -1
        self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        status = os.fstat(self.descriptor)
        self.size = status.st_size
        self.stamp = _stamp(status)
        self.table = grid.load_table(self.descriptor, self.size, path)
        # An element of a view is an int at once: three times as fast as one of an array.
        self.offsets = self.table.offsets.data
        self.lengths = self.table.lengths.data
        self.nbytes = self.offsets.nbytes + self.lengths.nbytes
        self.checked_until = time.monotonic() + RECHECK_SECONDS
        self.nowait = bool(_NOWAIT)

    def __del__(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)

    def will_need(self, number: int) -> None:
        """Let the kernel start to read a block while others are being waited for."""
        if self.lengths[number] > 0 and hasattr(os, "posix_fadvise"):
            os.posix_fadvise(
                self.descriptor,
                self.offsets[number],
                self.lengths[number],
                os.POSIX_FADV_WILLNEED,
            )

    def without_reading(self, number: int) -> Block:
        """What is known of a block from the table alone."""
        length = self.lengths[number]
        if length < 0:
            return BlockError(self.damaged(number))
        return COLD if length else MISSING

    def read(self, number: int) -> Block:
        """Return a block, from the disk where needed."""
        length = self.lengths[number]
        if length == 0:
            return MISSING
        if length < 0:
            return BlockError(self.damaged(number))
        try:
            data = os.pread(self.descriptor, length, self.offsets[number])
        except OSError as error:
            return BlockError(unreadable(self.path, error))
        return data if len(data) == length else BlockError(self.damaged(number))

    def damaged(self, number: int) -> CorruptData:
        return CorruptData(
            f"block {number} of {self.path} does not lie within the file, which has {self.size:,} bytes.",
            path=str(self.path),
            hint=_COPY_AGAIN,
        )


class AbsentFile:
    """A file that is not there: all its blocks were never written."""

    __slots__ = ("checked_until",)
    nbytes = 0

    def __init__(self) -> None:
        self.checked_until = time.monotonic() + RECHECK_SECONDS


class BrokenFile(AbsentFile):
    """A file that is there, whose head or index cannot be read."""

    __slots__ = ("block",)

    def __init__(self, error: CorruptData) -> None:
        super().__init__()
        self.block = BlockError(error)


File = OpenFile | AbsentFile
_BEYOND: Final = AbsentFile()
_BEYOND.checked_until = math.inf


def _without_reading(file: File | None, now: float) -> Block:
    """What is known of any block of a file that is not open, or must be looked at again."""
    if file is None or file.checked_until < now:
        return COLD
    return file.block if isinstance(file, BrokenFile) else MISSING


class FileCache:
    """Open files of all volumes that share it; the one checked longest ago is closed first. Thread-safe.

    Files in use are checked every ``RECHECK_SECONDS``, so this is "least recently used" at that
    resolution, at no cost for a read.
    """

    def __init__(self, limit: int = DEFAULT_OPEN_FILES, table_bytes: int = DEFAULT_TABLE_BYTES) -> None:
        self.limit = limit
        self.table_bytes = table_bytes
        self._files: dict[tuple[int, BlockIndex], File] = {}
        self._nbytes = 0
        self._lock = threading.RLock()  # a volume may be collected, and drop its files, at any moment
        self.get: Callable[[tuple[int, BlockIndex]], File | None] = self._files.get

    def __len__(self) -> int:
        return len(self._files)

    def put(self, key: tuple[int, BlockIndex], file: File) -> None:
        dropped = []  # let go of after the lock: closing may take time
        with self._lock:
            dropped.append(self._pop(key))
            self._files[key] = file
            self._nbytes += file.nbytes
            while len(self._files) > self.limit or (self._nbytes > self.table_bytes and len(self._files) > 1):
                dropped.append(self._pop(next(iter(self._files))))

    def drop(self, owner: int) -> None:
        """Forget the files of one volume."""
        with self._lock:
            dropped = [self._pop(key) for key in list(self._files) if key[0] == owner]
        del dropped

    def _pop(self, key: tuple[int, BlockIndex]) -> File | None:
        file = self._files.pop(key, None)
        self._nbytes -= file.nbytes if file else 0
        return file


DEFAULT_CACHE: Final = FileCache()


@dataclass(frozen=True)
class _Place:
    file: OpenFile
    number: int
    key: BlockIndex


class BlockFiles:
    """``StoredBlocks`` over the files of a grid."""

    def __init__(self, grid: BlockGrid, cache: FileCache = DEFAULT_CACHE) -> None:
        self.layout = grid.layout
        self._grid = grid
        self._cache = cache
        self._owner = next(_owners)
        weakref.finalize(self, cache.drop, self._owner)

    def fetch_cached(self, indices: Sequence[BlockIndex], scratch: memoryview | None = None) -> list[Block]:
        """Return what lies in the page cache, without waiting for the disk.

        Blocks are views of ``scratch`` as far as it reaches. Memory that is used again and again lies in
        the processor's cache: this saves a third of the time of a request.
        """
        # The server's hottest loop: nothing is created here that can be had once a call.
        now, owner = time.monotonic(), self._owner
        room, used = len(scratch) if scratch is not None else 0, 0
        get, preadv = self._cache.get, os.preadv
        blocks: list[Block] = []
        file: File | None = _BEYOND
        last: BlockIndex | None = None
        for place in self._grid.addresses(indices):
            if place is None:
                blocks.append(MISSING)
                continue
            key, number = place
            if key != last:  # the next brick is mostly in the same file
                file, last = get((owner, key)), key
            if file.__class__ is not OpenFile or file.checked_until < now:
                blocks.append(_without_reading(file, now))
                continue
            length = file.lengths[number]
            if length <= 0 or not file.nowait:
                blocks.append(file.without_reading(number))
                continue
            buffer: memoryview | bytearray
            if scratch is not None and used + length <= room:
                buffer = scratch[used : used + length]
                used += length
            else:
                buffer = bytearray(length)
            try:
                count = preadv(file.descriptor, (buffer,), file.offsets[number], _NOWAIT)
            except OSError as error:
                # EAGAIN: not in the page cache. All else: a file system without this flag.
                file.nowait = isinstance(error, BlockingIOError)
                count = 0
            blocks.append(buffer if count == length else COLD)
        return blocks

    def fetch(self, indices: Sequence[BlockIndex]) -> list[Block]:
        """Return the blocks, opening files and reading from disk where needed."""
        places = [self._place(address) for address in self._grid.addresses(indices)]
        if len(places) > 1:
            for place in places:
                if isinstance(place, _Place):
                    place.file.will_need(place.number)
        return [self._read(place) if isinstance(place, _Place) else place for place in places]

    def describe(self, index: BlockIndex) -> str:
        """Name a block in words."""
        [place] = self._grid.addresses([index])
        return f"block {place[1]} of {self._grid.path(place[0])}" if place else f"block {index}"

    def open_file(self, file: BlockIndex) -> OpenFile | None:
        """Return a file to read many blocks of; None where it is absent. Raises CorruptData."""
        found = self._open(file)
        if isinstance(found, BrokenFile):
            raise found.block.error
        return found if isinstance(found, OpenFile) else None

    def has_changed(self, files: Sequence[BlockIndex]) -> bool:
        """Look at files again, whatever their age; tell if one of them is another one now."""
        known = [self._cache.get((self._owner, file)) for file in files]
        return any(self._open(file, recheck=True) is not old for file, old in zip(files, known, strict=True))

    def close(self) -> None:
        """Let go of all files; those being read are closed when that is done."""
        self._cache.drop(self._owner)

    def _place(self, address: tuple[BlockIndex, int] | None) -> _Place | Block:
        if address is None:
            return MISSING
        key, number = address
        file = self._open(key)
        if isinstance(file, OpenFile):
            return _Place(file, number, key)
        return file.block if isinstance(file, BrokenFile) else MISSING

    def _read(self, place: _Place) -> Block:
        block = place.file.read(place.number)
        if not isinstance(block, BlockError):
            return block
        file = self._open(place.key, recheck=True)  # was it replaced since it was opened?
        return file.read(place.number) if isinstance(file, OpenFile) else block

    def _open(self, file: BlockIndex, *, recheck: bool = False) -> File:
        key = (self._owner, file)
        found = self._cache.get(key)
        if found is not None and not recheck and found.checked_until >= time.monotonic():
            return found
        path = self._grid.path(file)
        try:
            if isinstance(found, OpenFile) and _stamp(path.stat()) == found.stamp:
                found.checked_until = time.monotonic() + RECHECK_SECONDS
            else:
                found = OpenFile(path, self._grid)
        except (FileNotFoundError, NotADirectoryError):
            found = AbsentFile()
        except CorruptData as error:
            found = BrokenFile(error)
        except OSError as error:
            found = BrokenFile(unreadable(path, error))
        self._cache.put(key, found)
        return found


def unreadable(path: Path, error: OSError) -> CorruptData:
    """Say which file the operating system would not read, and why."""
    return CorruptData(
        f"{path} cannot be read: {error.strerror or error}.",
        path=str(path),
        hint="Check the file, its permissions and, for a link, its target.",
    )


def read_exactly(descriptor: int, length: int, offset: int, path: Path) -> bytes:
    """Read bytes that must be there. Raises CorruptData where the file is shorter."""
    data = os.pread(descriptor, length, offset)
    if len(data) != length:
        raise CorruptData(
            f"{path} is cut short: {offset + length:,} bytes are needed, {offset + len(data):,} are there.",
            path=str(path),
            hint="Copy the file again from its source.",
        )
    return data


def _stamp(status: os.stat_result) -> tuple[int, int, int]:
    return (status.st_mtime_ns, status.st_size, status.st_ino)
