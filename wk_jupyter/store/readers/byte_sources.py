"""The bytes of a file, read at any place by several threads at once, also where the file is packed.

What is packed is unpacked into a file without a name, as far as somebody has read: nothing of it is left
when the process ends, however it ends. It lies where ``TMPDIR`` says, else in ``/var/tmp``, which is a disk
where ``/tmp`` may be memory.
"""

from __future__ import annotations

import bz2
import gzip
import os
import tempfile
import threading
import zlib
from pathlib import Path
from typing import IO, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from wk_jupyter.errors import CorruptData

_STEP: Final = 2**20
_MOST_RATIO: Final = {"gzip": 1032, "zlib": 1032, "bzip2": 2**16}  # no packed byte can become more


class ByteSource(Protocol):
    """Where voxels come from. Thread-safe."""

    path: Path

    def fill(self, target: NDArray[Any], start: int) -> None:
        """Read bytes from ``start`` on into a contiguous array. Raises CorruptData where they end."""
        ...

    def require(self, count: int) -> None:
        """Raise CorruptData where the file cannot hold as many bytes, before anybody allocates them."""
        ...

    def close(self) -> None: ...


class PlainBytes:
    """A file as it lies."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = open_binary(path)
        self._descriptor = self._file.fileno()
        self.length = os.fstat(self._descriptor).st_size

    def fill(self, target: NDArray[Any], start: int) -> None:
        _fill(self._descriptor, target, start, self.path)

    def require(self, count: int) -> None:
        if count > self.length:
            raise too_short(self.path, count, self.length)

    def close(self) -> None:
        self._file.close()
        self._descriptor = -1


class PackedBytes:
    """``packing``: gzip, zlib or bzip2, from byte ``start`` of the file on. Places count unpacked bytes."""

    def __init__(self, path: Path, packing: str, start: int = 0) -> None:
        self.path = path
        self._packing = packing
        self._packed = open_binary(path)
        self._length = os.fstat(self._packed.fileno()).st_size - start
        self._packed.seek(start)
        self._stream = _unpacking(self._packed, packing)
        self._scratch: IO[bytes] | None = None
        self._there = 0
        self._lock = threading.Lock()

    def fill(self, target: NDArray[Any], start: int) -> None:
        self._unpack(start + target.nbytes)
        assert self._scratch is not None
        _fill(self._scratch.fileno(), target, start, self.path)

    def require(self, count: int) -> None:
        most = self._length * _MOST_RATIO[self._packing]
        if count > most:
            raise too_short(self.path, count, most)

    def close(self) -> None:
        with self._lock:
            self._packed.close()
            if self._scratch is not None:
                self._scratch.close()

    def _unpack(self, end: int) -> None:
        if self._scratch is not None and self._there >= end:
            return
        with self._lock:
            if self._scratch is None:
                self._scratch = tempfile.TemporaryFile(dir=_scratch_folder())  # noqa: SIM115 - until close
            while self._there < end:
                part = self._next()
                done = 0
                while done < len(part):
                    done += os.pwrite(self._scratch.fileno(), part[done:], self._there + done)
                self._there += len(part)

    def _next(self) -> bytes:
        try:
            part: bytes = self._stream.read(_STEP)
        except (OSError, EOFError, zlib.error, ValueError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise CorruptData(
                f"{self.path.name} is damaged: it cannot be unpacked after {self._there:,} bytes ({error}).",
                path=str(self.path),
                hint="Copy or download it again.",
            ) from None
        if not part:
            raise CorruptData(
                f"{self.path.name} is cut: it unpacks to {self._there:,} bytes, fewer than its header says.",
                path=str(self.path),
                hint="Copy or download it again.",
            )
        return part


class _ZlibStream:
    """Reads a zlib stream as gzip's and bz2's readers do theirs."""

    def __init__(self, packed: IO[bytes]) -> None:
        self._packed = packed
        self._unpacker = zlib.decompressobj()

    def read(self, count: int) -> bytes:
        while not self._unpacker.eof:
            packed = self._unpacker.unconsumed_tail or self._packed.read(_STEP)
            part = self._unpacker.decompress(packed, count)
            if part or not packed:
                return part
        return b""


def open_binary(path: Path) -> IO[bytes]:
    """Open a file. Raises CorruptData where it is not there, or no file."""
    try:
        return path.open("rb")
    except OSError as error:
        raise CorruptData(
            f"{path.name} cannot be read: {error.strerror}.", path=str(path), hint="Is it still there?"
        ) from None


def read_start(path: Path, count: int, packing: str = "") -> bytes:
    """Return the first bytes of a file, fewer where it ends, unpacked. Raises CorruptData."""
    try:
        with open_binary(path) as raw:
            return bytes((_unpacking(raw, packing) if packing else raw).read(count))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise CorruptData(
            f"{path.name} is damaged: it cannot be unpacked ({error}).", path=str(path)
        ) from None


def too_short(path: Path, promised: int, there: int) -> CorruptData:
    """Return the error of a file whose header promises more bytes than it has."""
    return CorruptData(
        f"{path.name} promises {promised:,} bytes, but can hold {there:,} at most.",
        path=str(path),
        hint="It is cut, or its header is wrong: copy or download it again.",
    )


def _unpacking(packed: IO[bytes], packing: str) -> Any:
    if packing == "gzip":
        return gzip.GzipFile(fileobj=packed)
    if packing == "bzip2":
        return bz2.BZ2File(packed)
    return _ZlibStream(packed)


def _fill(descriptor: int, target: NDArray[Any], start: int, path: Path) -> None:
    view, done = memoryview(target.reshape(-1).view(np.uint8).data), 0
    while done < len(view):
        count = os.preadv(descriptor, [view[done:]], start + done)
        if count == 0:
            raise CorruptData(
                f"{path.name} is cut: it ends at byte {start + done:,}, within its voxels.",
                path=str(path),
                hint="Copy or download it again.",
            )
        done += count


def _scratch_folder() -> str | None:
    if "TMPDIR" in os.environ or not os.access("/var/tmp", os.W_OK):  # noqa: S108 - the file has no name
        return None
    return "/var/tmp"  # noqa: S108
