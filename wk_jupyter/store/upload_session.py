"""One upload on disk: what was reserved, the files as they come, and which chunks of them are there.

``upload.json`` is written whole; ``files`` grows in places; ``chunks.log`` gets a line when a chunk is in
its file: whoever is killed in between finds the chunk missing, and it is sent again.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from wk_jupyter.errors import Conflict, InvalidInput
from wk_jupyter.store.upload_parts import AttachmentPart, MagPart

FILES: Final = "files"
_META: Final = "upload.json"
_LOG: Final = "chunks.log"
_MAX_DEPTH: Final = 32
_MAX_NAME: Final = 255
_MAX_PATH: Final = 2048


class Reservation(msgspec.Struct, frozen=True):
    """What somebody wants to upload. ``options``: as imports have them; ``links``: layers of others.

    ``part``: what it is for a dataset that is there; None: a dataset of its own.
    """

    upload_id: str
    name: str
    file_count: int
    byte_count: int | None = None
    folder_id: str | None = None
    team_ids: tuple[str, ...] = ()
    links: tuple[Mapping[str, Any], ...] = ()
    options: Mapping[str, Any] = msgspec.field(default_factory=dict)
    part: MagPart | AttachmentPart | None = None


class Meta(msgspec.Struct, frozen=True):
    """``job_id``, ``is_taken``: what became of it when it was finished."""

    reservation: Reservation
    owner_id: str | None
    organization_id: str
    created: int
    dataset_id: str
    is_taken: bool = False
    job_id: str | None = None


@dataclass(frozen=True)
class Chunk:
    """A piece of a file: ``number`` counts from 1, ``path`` is relative, sizes are in bytes."""

    path: str
    number: int
    count: int
    chunk_size: int
    size: int
    file_size: int

    @property
    def offset(self) -> int:
        return (self.number - 1) * self.chunk_size

    def check(self) -> None:
        """Raise InvalidInput where a chunk cannot be what it says."""
        check_path(self.path)
        if not 1 <= self.number <= self.count or self.chunk_size < 1 or self.size < 0:
            raise InvalidInput(f"the chunk {self.number} of {self.count} of {self.path} is impossible.")
        end = self.offset + self.size
        is_last = self.number == self.count
        if end > self.file_size or (is_last and end != self.file_size):
            raise InvalidInput(
                f"the chunk {self.number} of {self.path} does not fit into {self.file_size} bytes."
            )
        if not is_last and self.size != self.chunk_size:
            raise InvalidInput(f"the chunk {self.number} of {self.path} has {self.size} bytes.")


@dataclass
class _File:
    size: int
    count: int
    there: set[int] = field(default_factory=set)


class UploadSession:
    """An upload that has been reserved. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.meta = msgspec.json.decode((folder / _META).read_bytes(), type=Meta)
        self._lock = threading.Lock()
        self._files: dict[str, _File] = {}
        self._read_log()

    @staticmethod
    def begin(folder: Path, meta: Meta) -> UploadSession:
        """Make the folder of an upload."""
        (folder / FILES).mkdir(parents=True, exist_ok=True)
        _write_meta(folder, meta)
        return UploadSession(folder)

    def taken(self, job_id: str | None, *, dataset_id: str | None = None) -> None:
        """Remember what became of it; its files are gone."""
        dataset_id = dataset_id or self.meta.dataset_id
        self.meta = msgspec.structs.replace(self.meta, is_taken=True, job_id=job_id, dataset_id=dataset_id)
        _write_meta(self.folder, self.meta)
        (self.folder / _LOG).unlink(missing_ok=True)
        shutil.rmtree(self.folder / FILES, ignore_errors=True)

    def has(self, path: str, number: int) -> bool:
        """Whether a chunk is there."""
        known = self._files.get(path)
        return known is not None and number in known.there

    def expect(self, chunk: Chunk) -> Path:
        """Return the file that a chunk belongs to, made where it is the first.

        Raises InvalidInput where it does not fit to what was reserved or to chunks before.
        """
        chunk.check()
        with self._lock:
            known = self._files.get(chunk.path)
            if known is not None and (known.size, known.count) != (chunk.file_size, chunk.count):
                raise InvalidInput(f"{chunk.path} has another size than its chunks before said.")
            if known is None:
                self._require_room(chunk)
                self._files[chunk.path] = _File(chunk.file_size, chunk.count)
        target = self.folder / FILES / chunk.path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise InvalidInput(f"{chunk.path} lies in what is a file.") from None
        if target.is_dir():
            raise InvalidInput(f"{chunk.path} is a folder already.")
        return target

    def note(self, chunk: Chunk) -> None:
        """Say that a chunk is in its file."""
        line = msgspec.json.encode([chunk.path, chunk.number, chunk.count, chunk.file_size]) + b"\n"
        with self._lock:
            known = self._files[chunk.path]
            if chunk.number in known.there:
                return
            descriptor = os.open(
                self.folder / _LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640
            )
            try:
                os.write(descriptor, line)
            finally:
                os.close(descriptor)
            known.there.add(chunk.number)

    def require_whole(self) -> None:
        """Raise Conflict naming what is missing. Empty files are counted by clients, but never sent."""
        for path, known in self._files.items():
            if len(known.there) < known.count:
                raise Conflict(
                    f"{path} is not whole: {len(known.there)} of {known.count} chunks are there.",
                    hint="Send the others, then finish.",
                )
        wanted = self.meta.reservation.byte_count
        if not self._files and not self.meta.reservation.links:
            raise Conflict("no file was sent.", hint="Send the files, then finish.")
        if wanted is not None and self.bytes_there() != wanted:
            raise Conflict(
                f"{self.bytes_there():,} of {wanted:,} bytes are there.",
                hint="Send the other files, then finish.",
            )

    def bytes_there(self) -> int:
        """The size of all files that are whole."""
        return sum(known.size for known in self._files.values() if len(known.there) == known.count)

    def paths(self) -> list[str]:
        """Paths of all files of which something is there."""
        return sorted(self._files)

    def _require_room(self, chunk: Chunk) -> None:
        reserved = self.meta.reservation
        if len(self._files) >= reserved.file_count:
            raise InvalidInput(f"{chunk.path} is one file more than the {reserved.file_count} reserved.")
        total = sum(known.size for known in self._files.values()) + chunk.file_size
        if reserved.byte_count is not None and total > reserved.byte_count:
            raise InvalidInput(f"{chunk.path} makes more than the {reserved.byte_count:,} bytes reserved.")

    def _read_log(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            raw = (self.folder / _LOG).read_bytes()
            whole = raw[: raw.rfind(b"\n") + 1]
            if len(whole) < len(raw):  # a line that was cut by a kill
                (self.folder / _LOG).write_bytes(whole)
            for line in whole.splitlines():
                path, number, count, size = msgspec.json.decode(line)
                self._files.setdefault(path, _File(size, count)).there.add(number)


def check_path(path: str) -> None:
    """Raise InvalidInput for a path that is not one within a folder."""
    parts = path.split("/")
    is_odd = "\\" in path or any(
        ord(character) < 32 or 0xD800 <= ord(character) < 0xE000 for character in path
    )
    too_long = len(path.encode("utf-8", "replace")) > _MAX_PATH or len(parts) > _MAX_DEPTH
    if is_odd or too_long or any(part in ("", ".", "..") for part in parts):
        raise InvalidInput(
            f"the path {path[:100]!r} cannot be uploaded.",
            hint="Paths are relative, without '..', backslashes and control characters.",
        )
    if any(len(part.encode()) > _MAX_NAME for part in parts):
        raise InvalidInput(f"a name in {path[:100]!r} has more than {_MAX_NAME} bytes.", hint="Shorten it.")


def _write_meta(folder: Path, meta: Meta) -> None:
    part = folder / f"{_META}.part"
    part.write_bytes(msgspec.json.encode(meta))
    part.replace(folder / _META)
