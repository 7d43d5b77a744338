"""A zip from elsewhere into a folder: only plain files, only below the folder, no more than fits."""

from __future__ import annotations

import errno
import lzma
import shutil
import stat
import struct
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Final

from wk_jupyter.errors import CorruptData, TooLarge

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MAX_FILES: Final = 200_000
_MAX_RATIO: Final = 60
"""WKW and Zarr are compressed already; even an empty segmentation stays far below this on the whole."""

_PIECE: Final = 1024 * 1024
# What zipfile raises for damage, by what it was doing.
_DAMAGED: Final = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    EOFError,
    NotImplementedError,
    UnicodeDecodeError,
    struct.error,
    zlib.error,
)
_LAYER_NAMES: Final = frozenset({"color", "segmentation"})
_HIDDEN_BUT_DATA: Final = frozenset({".zarray", ".zattrs", ".zgroup", ".zmetadata"})


def unpack(archive: Path, folder: Path) -> None:
    """Put the dataset in the zip ``archive`` into ``folder``, which exists and is empty.

    A folder round everything is left out, so are hidden files. Raises CorruptData where the archive is
    broken or unsafe, naming the entry, and TooLarge where it would unpack to too much.
    """
    try:
        with zipfile.ZipFile(archive) as packed:
            entries = list(_files(packed, archive))
            _check_amount(entries, archive, folder)
            paths = [PurePosixPath(entry.filename).parts for entry in entries]
            wrapping = _wrapping(paths)
            for entry, parts in zip(entries, paths, strict=True):
                _extract(packed, entry, folder.joinpath(*parts[wrapping:]), archive)
    except _DAMAGED as error:
        raise CorruptData(
            f"{archive} is not a whole zip file: {error}.", path=str(archive), hint="Download it again."
        ) from error


def _files(packed: zipfile.ZipFile, archive: Path) -> Iterator[zipfile.ZipInfo]:
    """The entries to unpack. Raises CorruptData for any that could write elsewhere, wanted or not."""
    names: set[str] = set()
    for entry in packed.infolist():
        _check_entry(entry, archive)
        parts = PurePosixPath(entry.filename).parts
        hidden = any(part.startswith(".") and part not in _HIDDEN_BUT_DATA for part in parts)
        if entry.is_dir() or hidden or "__MACOSX" in parts:
            continue
        if entry.filename in names:
            raise _unsafe(archive, entry, "is there twice")
        names.add(entry.filename)
        yield entry


def _check_entry(entry: zipfile.ZipInfo, archive: Path) -> None:
    name = entry.orig_filename
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or ":" in name:
        raise _unsafe(archive, entry, "would be written outside of the dataset")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _unsafe(archive, entry, "is a link or a device")
    if entry.flag_bits & 0x1:
        raise _unsafe(archive, entry, "is encrypted")


def _unsafe(archive: Path, entry: zipfile.ZipInfo, why: str) -> CorruptData:
    return CorruptData(
        f"{archive} was not unpacked: its entry {entry.orig_filename[:200]!r} {why}.",
        path=str(archive),
        hint="Such an archive is broken or meant to do harm; delete it.",
    )


def _check_amount(entries: list[zipfile.ZipInfo], archive: Path, folder: Path) -> None:
    total = sum(entry.file_size for entry in entries)
    if not entries:
        raise CorruptData(f"{archive} has no files.", path=str(archive), hint="Download it again.")
    if len(entries) > _MAX_FILES or total > _MAX_RATIO * archive.stat().st_size:
        raise TooLarge(
            f"{archive} was not unpacked: it would become {len(entries):,} files of {total:,} bytes.",
            hint="So much from so little is a sign of an archive made to fill disks.",
        )
    free = shutil.disk_usage(folder).free
    if total > free:
        raise TooLarge(
            f"{archive} unpacks to {total:,} bytes, but {folder.parent} has room for {free:,}.",
            hint="Make room, or choose another data_dir.",
        )


def _wrapping(paths: list[tuple[str, ...]]) -> int:
    """How many folders lie round everything; a layer's folder is never one of them."""
    depth = 0
    while True:
        heads = {parts[depth] if len(parts) > depth + 1 else None for parts in paths}
        if len(heads) != 1 or None in heads or heads & _LAYER_NAMES:
            return depth
        depth += 1


def _extract(packed: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, archive: Path) -> None:
    """zipfile stops at the size that the entry states, and checks its checksum at the end."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        sink = target.open("xb")
    except (FileExistsError, NotADirectoryError) as error:
        raise _unsafe(archive, entry, "lies where another one is") from error
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise _unsafe(archive, entry, "has a name that is too long") from error
    with sink, packed.open(entry) as source:
        while piece := _read(source, archive):
            sink.write(piece)


def _read(source: IO[bytes], archive: Path) -> bytes:
    """What fails here is the archive, not the disk that is written to."""
    try:
        return source.read(_PIECE)
    except (OSError, lzma.LZMAError, ValueError) as error:
        raise CorruptData(
            f"{archive} is not a whole zip file: {error}.", path=str(archive), hint="Download it again."
        ) from error
