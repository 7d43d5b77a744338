"""Files that hold many blocks, kept open with their parsed index, so that a block is one ``preadv``.

WKW cubes and Zarr shards are both such files; what differs is told by a ``BlockGrid``. On the event
loop only what lies in the page cache is read (``RWF_NOWAIT``); all else is ``COLD`` and read by an
executor. Files are never mapped: one that is cut short under a mapping would kill the process.

An open file is looked at again after ``RECHECK_SECONDS``: replaced or changed ones are opened anew,
so that an edit on disk is seen within that time. Descriptors are closed by reference counting, when
the last reader lets go, so that an evicted file is never closed under a read.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from wk_jupyter.errors import CorruptData
from wk_jupyter.store.volumes.base import COLD, MISSING, Block, BlockError, BlockIndex, BlockLayout

RECHECK_SECONDS: Final = 2.0
DEFAULT_OPEN_FILES: Final = 256
_NOWAIT: Final = getattr(os, "RWF_NOWAIT", 0)


@dataclass(frozen=True, slots=True)
class BlockTable:
    """Where the blocks of one file lie: byte offsets and lengths; length 0 means never written."""

    offsets: NDArray[np.int64]
    lengths: NDArray[np.int64]


class BlockGrid(Protocol):
    """How blocks are spread over files."""

    layout: BlockLayout

    def address(self, index: BlockIndex) -> tuple[BlockIndex, int] | None:
        """Return the file that holds a block and the block's number in it; None beyond the array."""
        ...

    def path(self, file: BlockIndex) -> Path: ...

    def load_table(self, descriptor: int, size: int, path: Path) -> BlockTable:
        """Read the index of an open file. Raises CorruptData."""
        ...


class _OpenFile:
    """A descriptor with the table of its blocks."""

    __slots__ = ("_nowait", "checked_until", "descriptor", "lengths", "offsets", "path", "size", "stamp")

    def __init__(self, path: Path, grid: BlockGrid) -> None:
        self.path = path
        self.descriptor = -1
        self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        status = os.fstat(self.descriptor)
        self.size = status.st_size
        self.stamp = _stamp(status)
        table = grid.load_table(self.descriptor, self.size, path)
        self.offsets, self.lengths = table.offsets, table.lengths
        self.checked_until = time.monotonic() + RECHECK_SECONDS
        self._nowait = bool(_NOWAIT)

    def __del__(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)

    def read(self, number: int) -> Block:
        length = int(self.lengths[number])
        if length <= 0:
            return MISSING if length == 0 else self._outside(number)
        return _whole(os.pread(self.descriptor, length, int(self.offsets[number])), length, self, number)

    def read_nowait(self, number: int) -> Block:
        length = int(self.lengths[number])
        if length <= 0:
            return MISSING if length == 0 else self._outside(number)
        if not self._nowait:
            return COLD
        buffer = bytearray(length)
        try:
            count = os.preadv(self.descriptor, (buffer,), int(self.offsets[number]), _NOWAIT)
        except BlockingIOError:
            return COLD
        except OSError:  # a file system without it: leave all its reads to the executor
            self._nowait = False
            return COLD
        return buffer if count == length else COLD

    def _outside(self, number: int) -> BlockError:
        return BlockError(
            CorruptData(
                f"block {number} of {self.path} lies outside of the file, which has {self.size:,} bytes.",
                path=str(self.path),
                hint="The file was cut short or its index is damaged: copy it again from its source.",
            )
        )


class _AbsentFile:
    """A file that is not there: all its blocks were never written."""

    __slots__ = ("checked_until",)

    def __init__(self) -> None:
        self.checked_until = time.monotonic() + RECHECK_SECONDS


class _BrokenFile(_AbsentFile):
    """A file whose head or index cannot be read."""

    __slots__ = ("error",)

    def __init__(self, error: CorruptData) -> None:
        super().__init__()
        self.error = BlockError(error)


_File = _OpenFile | _AbsentFile


class FileCache:
    """Open files of all volumes of a process, least recently checked closed first. Thread-safe."""

    def __init__(self, limit: int = DEFAULT_OPEN_FILES) -> None:
        self.limit = limit
        self._files: dict[tuple[int, BlockIndex], _File] = {}
        self._lock = threading.Lock()
        self.get = self._files.get

    def put(self, key: tuple[int, BlockIndex], file: _File) -> None:
        with self._lock:
            self._files.pop(key, None)
            self._files[key] = file
            evicted = [self._files.pop(next(iter(self._files))) for _ in range(len(self._files) - self.limit)]
        del evicted  # descriptors are closed outside of the lock

    def drop(self, owner: int) -> None:
        """Forget the files of one volume."""
        with self._lock:
            dropped = [self._files.pop(key) for key in list(self._files) if key[0] == owner]
        del dropped


DEFAULT_CACHE: Final = FileCache()
_owners: Final = itertools.count()


class BlockFiles:
    """``StoredBlocks`` over the files of a grid."""

    def __init__(self, grid: BlockGrid, cache: FileCache = DEFAULT_CACHE) -> None:
        self.layout = grid.layout
        self._grid = grid
        self._cache = cache
        self._owner = next(_owners)
        weakref.finalize(self, cache.drop, self._owner)

    def fetch_cached(self, indices: Sequence[BlockIndex]) -> list[Block]:
        """Return what lies in the page cache, without waiting for the disk."""
        now, owner = time.monotonic(), self._owner
        address, get = self._grid.address, self._cache.get
        blocks: list[Block] = []
        for index in indices:
            place = address(index)
            if place is None:
                blocks.append(MISSING)
                continue
            file = get((owner, place[0]))
            if file is None or file.checked_until < now:
                blocks.append(COLD)
            elif isinstance(file, _OpenFile):
                blocks.append(file.read_nowait(place[1]))
            else:
                blocks.append(file.error if isinstance(file, _BrokenFile) else MISSING)
        return blocks

    def fetch(self, indices: Sequence[BlockIndex]) -> list[Block]:
        """Return the blocks, opening files and reading from disk where needed."""
        blocks: list[Block] = []
        for index in indices:
            place = self._grid.address(index)
            if place is None:
                blocks.append(MISSING)
                continue
            file = self._open(place[0])
            if isinstance(file, _OpenFile):
                blocks.append(_guarded_read(file, place[1]))
            else:
                blocks.append(file.error if isinstance(file, _BrokenFile) else MISSING)
        return blocks

    def table(self, file: BlockIndex) -> tuple[int, BlockTable, _OpenFile] | None:
        """Return descriptor and block table of a file for reading many blocks at once; None where absent.

        The last item must be held while the descriptor is used. Raises CorruptData.
        """
        found = self._open(file)
        if isinstance(found, _BrokenFile):
            raise found.error.error
        if isinstance(found, _OpenFile):
            return found.descriptor, BlockTable(found.offsets, found.lengths), found
        return None

    def close(self) -> None:
        self._cache.drop(self._owner)

    def _open(self, file: BlockIndex) -> _File:
        key = (self._owner, file)
        found = self._cache.get(key)
        if found is not None and found.checked_until >= time.monotonic():
            return found
        path = self._grid.path(file)
        try:
            if isinstance(found, _OpenFile) and _stamp(path.stat()) == found.stamp:
                found.checked_until = time.monotonic() + RECHECK_SECONDS
            else:
                found = _OpenFile(path, self._grid)
        except FileNotFoundError:
            found = _AbsentFile()
        except CorruptData as error:
            found = _BrokenFile(error)
        except OSError as error:
            found = _BrokenFile(unreadable(path, error))
        self._cache.put(key, found)
        return found


def unreadable(path: Path, error: OSError) -> CorruptData:
    """Say which file the operating system would not read, and why."""
    return CorruptData(
        f"{path} cannot be read: {error.strerror or error}.",
        path=str(path),
        hint="Check the file, its permissions and, for a link, its target.",
    )


def checked_table(offsets: NDArray[Any], lengths: NDArray[Any], size: int) -> BlockTable:
    """Make a table of untrusted numbers: blocks outside of the file get length -1 and fail when asked for."""
    starts, counts = offsets.astype(np.int64), lengths.astype(np.int64)
    bad = (starts < 0) | (counts < 0) | (starts > size) | (counts > size) | (starts + counts > size)
    counts[bad] = -1
    return BlockTable(starts, counts)


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


def _guarded_read(file: _OpenFile, number: int) -> Block:
    try:
        return file.read(number)
    except OSError as error:
        return BlockError(unreadable(file.path, error))


def _whole(data: bytes, length: int, file: _OpenFile, number: int) -> Block:
    if len(data) == length:
        return data
    return BlockError(
        CorruptData(
            f"{file.path} was cut short while it was read (block {number}).",
            path=str(file.path),
            hint="Copy the file again from its source.",
        )
    )


def _stamp(status: os.stat_result) -> tuple[int, int, int]:
    return (status.st_mtime_ns, status.st_size, status.st_ino)
