"""Uploads on somebody's behalf: reserved, sent in chunks, finished or given up, resumed after any death."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wk_jupyter.errors import Conflict, InvalidInput, NotFound, TooLarge
from wk_jupyter.store.access import Principal
from wk_jupyter.store.catalog.database import new_id, now_ms
from wk_jupyter.store.composing import Composing
from wk_jupyter.store.context import Context
from wk_jupyter.store.data_dir import BINARY_DATA
from wk_jupyter.store.imports.imports import Delivery, Imports, Taken
from wk_jupyter.store.imports.options import parse_options
from wk_jupyter.store.records import OrganizationRecord
from wk_jupyter.store.upload_parts import UploadParts
from wk_jupyter.store.upload_session import FILES, Chunk, Meta, Reservation, UploadSession

UPLOADS: Final = ".uploads"
KEPT_DAYS: Final = 14
_DAY_MS: Final = 86_400_000
_MAX_ID: Final = 256
_SPARE: Final = 2**28  # bytes that an upload must leave free


@dataclass(frozen=True)
class UploadLimits:
    """``bytes``: of one upload; None: as much as the disk takes."""

    bytes: int | None = None
    files: int = 1_000_000


class ChunkWriter:
    """Writes what comes of one chunk into its place; from one thread at a time."""

    def __init__(self, session: UploadSession, chunk: Chunk) -> None:
        self._session = session
        self._chunk = chunk
        path = session.expect(chunk)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
        self._written = 0

    def write(self, data: bytes) -> None:
        """Write the next bytes. Raises InvalidInput for more than the chunk has, OSError."""
        if self._written + len(data) > self._chunk.size:
            raise InvalidInput(
                f"the chunk {self._chunk.number} of {self._chunk.path} is longer than it says."
            )
        view = memoryview(data)
        while view:
            count = os.pwrite(self._descriptor, view, self._chunk.offset + self._written)
            self._written += count
            view = view[count:]

    def finish(self) -> None:
        """Say that all of it is there. Raises InvalidInput where it is not."""
        if self._written != self._chunk.size:
            raise InvalidInput(
                f"the chunk {self._chunk.number} of {self._chunk.path} has {self._written} bytes in place of "
                f"{self._chunk.size}.",
                hint="Send it again.",
            )
        self._session.note(self._chunk)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Uploads:
    """All uploads of a data directory. Thread-safe."""

    def __init__(
        self,
        context: Context,
        imports: Imports,
        composing: Composing,
        parts: UploadParts,
        limits: UploadLimits,
    ) -> None:
        self._context = context
        self._imports = imports
        self._composing = composing
        self._parts = parts
        self._limits = limits
        self._lock = threading.Lock()
        self._open: dict[Path, UploadSession] = {}
        self._finishing: dict[Path, threading.Lock] = {}

    def reserve(self, principal: Principal, wanted: Reservation) -> None:
        """Make room for an upload. Asked again by the same person, it stays what it is.

        Raises InvalidInput, Forbidden, NotFound, TooLarge, Conflict where the id is another's.
        """
        self._require_possible(principal, wanted)
        folder = self._folder(principal, wanted.upload_id)
        with self._lock:
            if (folder / "upload.json").exists():
                known = self._session(folder)
                if not _is_hers(principal, known.meta):
                    raise Conflict("there is another upload of this id.", hint="Choose another id.")
                return
            organization = self._imports.organization_of(principal)
            meta = Meta(wanted, principal.user_id, organization.id, now_ms(), new_id())
            self._open[folder] = UploadSession.begin(folder, meta)

    def writer(self, principal: Principal, upload_id: str, chunk: Chunk) -> ChunkWriter:
        """Return what writes a chunk. Raises NotFound, InvalidInput, Conflict where it is finished."""
        session = self._find(principal, upload_id)
        if session.meta.is_taken:
            raise Conflict("this upload is finished.")
        return ChunkWriter(session, chunk)

    def has(self, principal: Principal, upload_id: str, path: str, number: int) -> bool:
        """Whether a chunk is there already. Raises NotFound."""
        return self._find(principal, upload_id).has(path, number)

    def finish(self, principal: Principal, upload_id: str) -> Taken:
        """Make a dataset of an upload, or say again what became of it.

        Raises NotFound, Conflict where something is missing, and WkError where it cannot be a dataset: what
        was sent is gone then.
        """
        session = self._find(principal, upload_id)
        with self._lock:
            lock = self._finishing.setdefault(session.folder, threading.Lock())
        with lock:
            meta = session.meta
            if meta.is_taken:
                return Taken(meta.dataset_id, meta.job_id)
            session.require_whole()
            wanted = meta.reservation
            if wanted.part is not None:
                self._parts.put(principal, wanted.part, session.folder / FILES)
                session.taken(None, dataset_id=wanted.part.dataset_id)
                return Taken(wanted.part.dataset_id, None)
            delivery = Delivery(
                name=wanted.name,
                folder=session.folder / FILES,
                folder_id=wanted.folder_id,
                team_ids=wanted.team_ids,
                options=parse_options(wanted.options),
                dataset_id=meta.dataset_id,
            )
            taken = self._imports.take(principal, delivery)
            if taken.job_id is None:
                self._link_layers(principal, taken.dataset_id, wanted)
            session.taken(taken.job_id)
            return taken

    def cancel(self, principal: Principal, upload_id: str) -> None:
        """Give up an upload, with all that was sent. Raises NotFound, Conflict where it is finished."""
        session = self._find(principal, upload_id)
        if session.meta.is_taken:
            raise Conflict("this upload is finished.", hint="Delete the dataset.")
        self._remove(session.folder)

    def unfinished(self, principal: Principal) -> list[UploadSession]:
        """Return her uploads of datasets that may go on, the newest first."""
        found = []
        for folder in self._root(self._imports.organization_of(principal)).glob("*"):
            session = self._read(folder)
            is_whole_dataset = session is not None and session.meta.reservation.part is None
            if session is None or not is_whole_dataset or session.meta.is_taken:
                continue
            if _is_hers(principal, session.meta):
                found.append(session)
        return sorted(found, key=lambda session: session.meta.created, reverse=True)

    def sweep(self, organization: OrganizationRecord) -> None:
        """Remove what nobody has finished in two weeks, and what is remembered of finished ones."""
        oldest = now_ms() - KEPT_DAYS * _DAY_MS
        for folder in self._root(organization).glob("*"):
            session = self._read(folder)
            touched = folder.stat().st_mtime_ns // 1_000_000 if folder.exists() else 0
            if touched < oldest and (session is None or session.meta.created < oldest):
                self._remove(folder)

    # --- shared -----------------------------------------------------------------------------

    def _require_possible(self, principal: Principal, wanted: Reservation) -> None:
        if wanted.part is not None:
            self._parts.require_possible(principal, wanted.part)
        else:
            self._imports.require_may_add(
                principal, name=wanted.name, folder_id=wanted.folder_id, team_ids=wanted.team_ids
            )
        parse_options(wanted.options)
        if not wanted.upload_id or len(wanted.upload_id) > _MAX_ID or "/" in wanted.upload_id:
            raise InvalidInput(f"uploadId: it has 1 to {_MAX_ID} characters, none of them a slash.")
        if not 0 < wanted.file_count <= self._limits.files and not wanted.links:
            raise TooLarge(
                f"an upload has 1 to {self._limits.files:,} files, not {wanted.file_count:,}.",
                hint="Put them into one ZIP, or bring them in parts.",
            )
        size = wanted.byte_count or 0
        if size < 0 or (self._limits.bytes is not None and size > self._limits.bytes):
            raise TooLarge(f"{size:,} bytes are more than one upload may have ({self._limits.bytes:,}).")
        free = shutil.disk_usage(self._context.data_dir).free
        if size + _SPARE > free:
            raise TooLarge(
                f"there is no room for {size:,} bytes: {free:,} are free on the server.",
                hint="Ask whoever runs it to make room.",
            )

    def _link_layers(self, principal: Principal, dataset_id: str, wanted: Reservation) -> None:
        for link in wanted.links:
            source, layer = str(link.get("datasetId", "")), str(link.get("layerName", ""))
            name = str(link.get("newLayerName") or layer)
            self._composing.add_layer(principal, dataset_id, source=source, layer=layer, name=name)

    def _find(self, principal: Principal, upload_id: str) -> UploadSession:
        folder = self._folder(principal, upload_id)
        with self._lock:
            if (folder / "upload.json").exists():
                session = self._session(folder)
                if _is_hers(principal, session.meta):
                    return session
        raise NotFound(
            f"there is no upload {upload_id[:100]!r}.",
            hint=f"It was finished or given up, or it is older than {KEPT_DAYS} days. Reserve it again.",
        )

    def _session(self, folder: Path) -> UploadSession:
        if folder not in self._open:
            self._open[folder] = UploadSession(folder)
        return self._open[folder]

    def _read(self, folder: Path) -> UploadSession | None:
        with self._lock:
            return self._session(folder) if (folder / "upload.json").exists() else None

    def _remove(self, folder: Path) -> None:
        with self._lock:
            self._open.pop(folder, None)
            self._finishing.pop(folder, None)
            doomed = folder.with_name(f".removing-{folder.name}")
            if folder.exists():
                folder.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)

    def _folder(self, principal: Principal, upload_id: str) -> Path:
        """Ids are anything: their digest names the folder."""
        digest = hashlib.sha256(upload_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return self._root(self._imports.organization_of(principal)) / digest

    def _root(self, organization: OrganizationRecord) -> Path:
        return self._context.data_dir / BINARY_DATA / organization.name / UPLOADS


def _is_hers(principal: Principal, meta: Meta) -> bool:
    is_holder = principal.organization_id is None and principal.is_admin
    return is_holder or (principal.user_id == meta.owner_id and meta.owner_id is not None)
