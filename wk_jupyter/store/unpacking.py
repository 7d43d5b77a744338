"""Unpacks a ZIP that somebody brought, which is hostile until it is checked.

All names are looked at before anything is written; sizes are counted while it is, because what an archive
says of itself need not be true. What is unpacked comes to its place whole or not at all.
"""

from __future__ import annotations

import contextlib
import lzma
import shutil
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wk_jupyter.errors import CorruptData, InvalidInput, TooLarge, UnsupportedFormat
from wk_jupyter.properties_document import PROPERTIES_FILE
from wk_jupyter.store.upload_session import check_path

_AT_ONCE: Final = 2**20
_SPARE: Final = 2**28  # bytes that unpacking must leave free
_KEPT_HIDDEN: Final = frozenset({".zarray", ".zattrs", ".zgroup"})
_DROPPED: Final = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})
_LAYER_NAMES: Final = frozenset({"color", "segmentation"})
_LAYER_FILES: Final = frozenset({"zarr.json", ".zarray", ".zgroup", ".zattrs", "attributes.json", "info"})
_WKW_HEADER: Final = "header.wkw"
_HINT: Final = "Make the ZIP anew from the files themselves, or bring them without a ZIP."


@dataclass(frozen=True)
class UnpackingLimits:
    """How much one archive may become. ``ratio`` of unpacked to packed bytes, above ``small`` bytes.

    Volumes that are empty for the most part pack well; what packs better than this is made to fill a disk.
    """

    files: int = 1_000_000
    bytes: int | None = None
    ratio: int = 250
    small: int = 2**30


def is_archive(path: Path) -> bool:
    """Whether a path is that of a ZIP, by its name."""
    return path.suffix.lower() == ".zip" and path.is_file()


def unpack(
    archive: Path,
    target: Path,
    *,
    limits: UnpackingLimits | None = None,
    progress: Callable[[float], None] = lambda _: None,
) -> None:
    """Unpack a ZIP into ``target``, a folder that is not there yet.

    Hidden files are left out but for those of Zarr, and so are folders that all files have in common, as
    long as they are no layers. ZIPs in the ZIP stay files. ``progress`` is told the part that is done.
    Raises InvalidInput, TooLarge, UnsupportedFormat, CorruptData naming the entry, OSError: nothing is left.
    """
    limits = limits or UnpackingLimits()
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        with _opened(archive) as opened:
            entries = _checked(archive, opened.infolist(), limits)
            paths = _without_common_folders([path for _, path in entries])
            _require_room(archive, entries, limits)
            part.mkdir(parents=True)
            infos = [info for info, _ in entries]
            _Unpacked(archive, opened, limits, progress).write(infos, paths, part)
        part.rename(target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _opened(archive: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(archive)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, UnicodeDecodeError) as error:
        raise CorruptData(
            f"{archive.name} is no ZIP, or its end is missing ({error}).",
            path=archive.name,
            hint="Was it sent or saved whole?",
        ) from None


# --- names --------------------------------------------------------------------------------------


def _checked(
    archive: Path, infos: Sequence[zipfile.ZipInfo], limits: UnpackingLimits
) -> list[tuple[zipfile.ZipInfo, str]]:
    """Return what is to be unpacked with its path. All entries are checked, also those left out."""
    if len(infos) > limits.files:
        raise TooLarge(f"{archive.name} has {len(infos):,} files; at most {limits.files:,} are unpacked.")
    names = _Names()
    wanted = []
    for info in infos:
        path = _path_of(info)
        _require_plain(info, path)
        if info.is_dir() or _is_dropped(path):
            continue
        names.add(path)
        wanted.append((info, path))
    if not wanted:
        raise InvalidInput(f"{archive.name} has no files in it.", hint="Bring a ZIP of image files.")
    return wanted


def _path_of(info: zipfile.ZipInfo) -> str:
    """Return an entry's path with slashes. Raises InvalidInput where it is none within a folder."""
    # zipfile cuts names at a zero byte: two readers would see two names.
    name = info.orig_filename
    path = "/".join(part for part in name.removesuffix("/").split("/") if part != ".")
    if not path and name in {"./", "."}:
        return path
    try:
        check_path(path)
    except InvalidInput:
        raise InvalidInput(
            f"the entry {name[:100]!r} of the ZIP would lie outside of its folder, or has a name that is not "
            "taken here.",
            hint=_HINT,
        ) from None
    return path


def _require_plain(info: zipfile.ZipInfo, path: str) -> None:
    if info.flag_bits & 0x1:
        raise UnsupportedFormat(f"{path} in the ZIP is encrypted.", hint="Make a ZIP without a password.")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        raise InvalidInput(f"{path} in the ZIP is a link, which is not followed.", hint=_HINT)
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise InvalidInput(f"{path} in the ZIP is neither a file nor a folder.", hint=_HINT)


def _is_dropped(path: str) -> bool:
    parts = path.split("/")
    return any(part in _DROPPED or (part[0] == "." and part not in _KEPT_HIDDEN) for part in parts)


class _Names:
    """Refuses names that would be one file on some file systems, and files that are folders too."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, bool]] = {}
        self._files: set[str] = set()

    def add(self, path: str) -> None:
        parts = path.split("/")
        for count in range(1, len(parts) + 1):
            name, is_file = "/".join(parts[:count]), count == len(parts)
            key = unicodedata.normalize("NFC", name).casefold()
            other, was_file = self._seen.setdefault(key, (name, is_file))
            if other != name:
                raise InvalidInput(
                    f"{name} and {other} in the ZIP differ in no more than case or accents.",
                    hint="Rename one of them.",
                )
            if is_file and name in self._files:
                raise InvalidInput(f"{name} is in the ZIP twice.", hint=_HINT)
            if is_file != was_file:
                raise InvalidInput(f"{name} is a folder and a file in the ZIP.", hint=_HINT)
        self._files.add(path)


def _without_common_folders(paths: list[str]) -> list[str]:
    """Take away the folders that all have in common, down to a layer."""
    while True:
        first, slash, _ = paths[0].partition("/")
        if not slash or not all(path.startswith(f"{first}/") for path in paths):
            return paths
        below = [path[len(first) + 1 :] for path in paths]
        if _is_layer(first, below):
            return paths
        paths = below


def _is_layer(name: str, below: Sequence[str]) -> bool:
    """Whether a folder is a layer or a mag, by what lies in it."""
    if PROPERTIES_FILE in below:
        return False
    if name in _LAYER_NAMES:
        return True
    return any(path in _LAYER_FILES or path.split("/", 1)[-1] == _WKW_HEADER for path in below)


# --- bytes --------------------------------------------------------------------------------------


def _require_room(
    archive: Path, entries: Iterable[tuple[zipfile.ZipInfo, str]], limits: UnpackingLimits
) -> None:
    """Refuse by what the archive says of itself, before the work."""
    total = sum(info.file_size for info, _ in entries)
    _require_possible(archive, total, limits)
    free = shutil.disk_usage(archive.parent).free
    if total + _SPARE > free:
        raise TooLarge(
            f"there is no room to unpack {archive.name}: it has {total:,} bytes, and {free:,} are free.",
            hint="Ask whoever runs the server to make room.",
        )


def _require_possible(archive: Path, total: int, limits: UnpackingLimits) -> None:
    if limits.bytes is not None and total > limits.bytes:
        raise TooLarge(
            f"{archive.name} unpacks to more than {limits.bytes:,} bytes.", hint="Bring it in parts."
        )
    if total > limits.small and total > limits.ratio * archive.stat().st_size:
        raise TooLarge(
            f"{archive.name} unpacks to more than {limits.ratio} times its size.",
            hint="Bring the files without a ZIP.",
        )


class _Unpacked:
    """Writes the entries of an archive, and counts."""

    def __init__(
        self,
        archive: Path,
        opened: zipfile.ZipFile,
        limits: UnpackingLimits,
        progress: Callable[[float], None],
    ) -> None:
        self._archive = archive
        self._opened = opened
        self._limits = limits
        self._progress = progress
        self._written = 0
        self._expected = 1

    def write(self, infos: Sequence[zipfile.ZipInfo], paths: Sequence[str], folder: Path) -> None:
        self._expected = sum(info.file_size for info in infos) or 1
        for info, path in zip(infos, paths, strict=True):
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            with self._damage_named(path):
                self._write_one(info, place)

    def _write_one(self, info: zipfile.ZipInfo, place: Path) -> None:
        before = self._written
        with self._opened.open(info) as stream, place.open("xb") as file:
            while data := stream.read(_AT_ONCE):
                self._written += len(data)
                if self._written - before > info.file_size:
                    raise zipfile.BadZipFile("it is larger than the ZIP says")
                _require_possible(self._archive, self._written, self._limits)
                file.write(data)
                self._progress(min(1.0, self._written / self._expected))
        if self._written - before != info.file_size:
            raise zipfile.BadZipFile("its end is missing")

    @contextlib.contextmanager
    def _damage_named(self, path: str) -> Iterator[None]:
        try:
            yield
        except NotImplementedError as error:
            raise UnsupportedFormat(
                f"{path} in {self._archive.name} is packed in a way that is not read here ({error}).",
                hint="Make the ZIP anew, packed in the usual way (deflate).",
            ) from None
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError, RuntimeError) as error:
            raise CorruptData(
                f"{path} in {self._archive.name} is damaged: {error}.",
                path=path,
                hint="Was it sent or saved whole?",
            ) from None
