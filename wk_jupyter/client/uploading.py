"""Files sent to a server in chunks, several at once, resumed where they were left."""

from __future__ import annotations

import contextlib
import hashlib
import mimetypes
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from wk_jupyter.client.connection import Connection
from wk_jupyter.errors import InvalidInput, Unreachable

CHUNK_BYTES: Final = 32 * 1024**2
_AT_ONCE: Final = 3
_TRIES: Final = 6
_PLACE: Final = "data/v15/datasets/upload/dataset"
Told = Callable[[int, int], None]


@dataclass(frozen=True)
class Piece:
    """A file to send: ``name`` is its path below what is uploaded, with slashes."""

    path: Path
    name: str
    size: int

    def chunks(self) -> int:
        return max(1, -(-self.size // CHUNK_BYTES))  # an empty file comes too: nothing is dropped unseen


@dataclass(frozen=True)
class Wanted:
    """What is to become of the files; ``options`` as ``NewImport`` of the API has them."""

    name: str
    folder_id: str | None = None
    team_ids: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


def pieces_of(source: Path) -> list[Piece]:
    """List what is to be sent of a file or folder: hidden files are left out, links followed.

    Raises InvalidInput where there is nothing.
    """
    if source.is_file():
        return [Piece(source, source.name, source.stat().st_size)]
    found = []
    for folder, folders, names in os.walk(source, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder) / name
            if path.is_file() and (not name.startswith(".") or name in {".zarray", ".zattrs", ".zgroup"}):
                found.append(Piece(path, path.relative_to(source).as_posix(), path.stat().st_size))
    if not found:
        raise InvalidInput(f"{source} holds no files.", hint="Give a file, or a folder with files.")
    return found


def send(
    connection: Connection, source: Path, wanted: Wanted, told: Told = lambda *_: None
) -> dict[str, Any]:
    """Upload a file or folder, and return what the server makes of it: ``datasetId`` and ``jobId``.

    The same files for the same name go on where an upload was left. ``told`` is called with bytes sent and
    all bytes. Raises what the server refuses, Unreachable where it stays away.
    """
    pieces = pieces_of(source)
    upload_id = _id_of(pieces, wanted)
    about = {
        "uploadId": upload_id,
        "totalFileCount": len(pieces),
        "totalFileSizeInBytes": sum(piece.size for piece in pieces),
    }
    connection.request(
        "POST",
        f"{_PLACE}/reserveUpload",
        json={
            "resumableUploadInfo": about,
            "datasetName": wanted.name,
            "initialTeamIds": list(wanted.team_ids),
            "folderId": wanted.folder_id,
            "options": wanted.options,
        },
    )
    _send_all(connection, upload_id, pieces, told)
    found: dict[str, Any] = connection.request(
        "POST", f"{_PLACE}/finishUpload", params={"uploadId": upload_id}
    ).json()
    return found


def _id_of(pieces: Sequence[Piece], wanted: Wanted) -> str:
    """The same files, of the same size and time, for the same dataset are the same upload, today."""
    digest = hashlib.sha256(repr((wanted, time.strftime("%Y-%m-%d"), os.getuid())).encode())
    for piece in pieces:
        digest.update(f"{piece.path}\0{piece.name}\0{piece.size}\0{piece.path.stat().st_mtime_ns}\0".encode())
    return f"{time.strftime('%Y-%m-%d')}__{digest.hexdigest()[:32]}"


def _send_all(connection: Connection, upload_id: str, pieces: Sequence[Piece], told: Told) -> None:
    total, sent = sum(piece.size for piece in pieces), 0
    known = _files_there(connection, upload_id)
    todo = ((piece, number) for piece in pieces for number in range(1, piece.chunks() + 1))
    with ThreadPoolExecutor(_AT_ONCE) as senders:
        running: dict[Future[int], None] = {}
        try:
            for piece, number in todo:
                ask = piece.name in known
                running[senders.submit(_send, connection, upload_id, piece, number, ask=ask)] = None
                if len(running) >= 2 * _AT_ONCE:
                    sent += _finished(running)
                    told(sent, total)
            while running:
                sent += _finished(running)
                told(sent, total)
        except BaseException:
            senders.shutdown(wait=False, cancel_futures=True)
            raise


def _finished(running: dict[Future[int], None]) -> int:
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    for future in done:
        del running[future]
    return sum(future.result() for future in done)


def _files_there(connection: Connection, upload_id: str) -> set[str]:
    """Return the files of which something has been sent before."""
    for entry in connection.request("GET", f"{_PLACE}/unfinishedUploads").json():
        if entry["uploadId"] == upload_id:
            return set(entry["filePaths"])
    return set()


def _send(connection: Connection, upload_id: str, piece: Piece, number: int, *, ask: bool) -> int:
    """Send one chunk, unless it is there. Returns its size."""
    start = (number - 1) * CHUNK_BYTES
    size = min(CHUNK_BYTES, piece.size - start)
    identifier = f"{upload_id}/{piece.name}"
    if ask:
        query = {"resumableIdentifier": identifier, "resumableChunkNumber": number}
        if connection.request("GET", _PLACE, params=query).status_code == 200:
            return size
    fields = {
        "resumableChunkNumber": str(number),
        "resumableTotalChunks": str(piece.chunks()),
        "resumableChunkSize": str(CHUNK_BYTES),
        "resumableCurrentChunkSize": str(size),
        "resumableTotalSize": str(piece.size),
        "resumableIdentifier": identifier,
        "resumableRelativePath": piece.name,
        "resumableFilename": piece.path.name,
        "resumableType": mimetypes.guess_type(piece.path.name)[0] or "",
    }
    for attempt in _attempts():
        data = _read(piece, start, size)
        try:
            connection.request("POST", _PLACE, data=fields, files={"file": ("upload", data)})
        except Unreachable:
            if attempt == _TRIES:
                raise
        else:
            break
    return size


def _attempts() -> Iterator[int]:
    """Count tries, with longer and longer pauses in between."""
    for attempt in range(1, _TRIES + 1):
        yield attempt
        time.sleep(min(8.0, 0.5 * 2**attempt))


def _read(piece: Piece, start: int, size: int) -> bytes:
    with contextlib.ExitStack() as stack:
        stream = stack.enter_context(piece.path.open("rb"))
        stream.seek(start)
        data = stream.read(size)
    if len(data) != size:
        raise InvalidInput(f"{piece.path} has become shorter while it was sent.", hint="Upload it again.")
    return data
