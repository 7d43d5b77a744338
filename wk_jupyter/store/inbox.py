"""The scan of ``<data_dir>/binaryData/<organization>``: what lies on disk, compared with the catalog.

A dataset is looked into only when the size, time or inode of its properties file has changed, so that
a scan of many datasets is mostly one ``stat`` each. The catalog is written in one transaction at the
end: a scan that is killed changes nothing.
"""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from wk_jupyter.datasource import check_document
from wk_jupyter.errors import InvalidDataSource, WkError
from wk_jupyter.properties_document import (
    MAX_PROPERTIES_BYTES,
    PROPERTIES_FILE,
    decode_document,
)
from wk_jupyter.store.catalog.datasets import DatasetRepository
from wk_jupyter.store.records import MISSING_REASON, ScanReport

Progress = Callable[[int, int], None]
_USUAL_BYTES: Final = 1 << 16
_UNEXPLORED: Final = "none"  # the disk key of a dataset without a properties file


@dataclass
class _Findings:
    added: list[dict[str, Any]] = field(default_factory=list)
    changed: list[dict[str, Any]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    unusable: int = 0


class Inbox:
    """Scans one organization's folder. Scans are serialised."""

    def __init__(self, folder: Path, repository: DatasetRepository) -> None:
        self.folder = folder
        self._repository = repository
        self._lock = threading.Lock()

    def scan(
        self, *, progress: Progress | None = None, cancelled: threading.Event | None = None
    ) -> ScanReport:
        """Bring the catalog to what lies on disk. A dataset that cannot be read is listed with its reason.

        ``progress`` is called with (done, all). A cancelled scan changes nothing.
        """
        started = time.monotonic()
        with self._lock, _paused_gc():
            known = self._repository.disk_keys()
            findings = _Findings()
            entries = self._entries(findings)
            for number, (name, folder) in enumerate(entries):
                if cancelled is not None and cancelled.is_set():
                    return ScanReport(len(known), 0, 0, 0, 0, time.monotonic() - started, ("cancelled",))
                self._look_at(name, folder, known, findings)
                if progress is not None:
                    progress(number + 1, len(entries))
            seen = {name for name, _ in entries}
            missing = [row[0] for name, row in known.items() if name not in seen and row[2] != "missing"]
            findings.added.sort(key=lambda row: str(row["directory_name"]))
            if findings.added or findings.changed or missing:
                self._repository.write_scan(findings.added, findings.changed, missing, MISSING_REASON)
        return ScanReport(
            datasets=len(entries),
            added=len(findings.added),
            changed=len(findings.changed),
            missing=len(missing),
            unusable=findings.unusable,
            seconds=time.monotonic() - started,
            notices=tuple(findings.notices),
        )

    def _entries(self, findings: _Findings) -> list[tuple[str, str]]:
        """Names and paths of folders and links, also dangling ones, that may be datasets."""
        try:
            with os.scandir(self.folder) as entries:
                found = [
                    (entry.name, entry.path)
                    for entry in entries
                    if entry.name[0] != "." and (entry.is_dir(follow_symlinks=False) or entry.is_symlink())
                ]
        except OSError as error:
            findings.notices.append(f"{self.folder} cannot be listed: {error.strerror}.")
            return []
        return found

    def _look_at(
        self, name: str, folder: str, known: Mapping[str, tuple[str, str, str]], findings: _Findings
    ) -> None:
        before = known.get(name)
        key = disk_key(folder)
        if before is not None and before[1] == key and before[2] != "missing":
            if key != _UNEXPLORED or before[2] == "active":
                findings.unusable += before[2] != "active"
                return
            row = describe(folder, key)
            if row["status"] == before[2]:
                findings.unusable += 1
                return
        else:
            row = describe(folder, key)
        findings.unusable += row["status"] != "active"
        row["directory_name"] = name
        (findings.added if before is None else findings.changed).append(row)


def disk_key(folder: str) -> str:
    """Return what changes when the properties file of a dataset does."""
    try:
        status = os.stat(f"{folder}/{PROPERTIES_FILE}")  # noqa: PTH116 three times as fast as a Path
    except OSError:
        return _UNEXPLORED
    return f"{status.st_mtime_ns}:{status.st_size}:{status.st_ino}"


def describe(folder: str, key: str) -> dict[str, Any]:
    """Return the columns that a dataset's folder decides. Never raises for what lies in it."""
    row: dict[str, Any] = {
        "status": "active",
        "status_reason": "",
        "warnings": [],
        "layers": [],
        "properties": None,
        "disk_key": key,
    }
    try:
        if key == _UNEXPLORED:
            row.update(_explored(Path(folder)))
        else:
            origin = f"{folder.rpartition('/')[2]}/{PROPERTIES_FILE}"
            document = decode_document(_read(folder), origin=origin)
            check_document(document, origin=origin)
            row["layers"] = [(layer.name, layer.category) for layer in document.data_layers]
    except WkError as error:
        row["status"] = "unreadable"
        row["status_reason"] = str(error)
    except (OSError, RecursionError, MemoryError) as error:
        row["status"] = "unreadable"
        row["status_reason"] = f"{folder} cannot be read: {getattr(error, 'strerror', None) or error}."
    return row


def _explored(folder: Path) -> dict[str, Any]:
    """What a folder without a properties file is taken for."""
    if not folder.exists():
        target = folder.readlink() if folder.is_symlink() else folder
        return {
            "status": "unreadable",
            "status_reason": f"the link {folder.name} points to {target}, which is not there.",
        }
    from wk_jupyter.datasource import encode_document  # noqa: PLC0415 keep the common way short
    from wk_jupyter.store.explore import explore  # noqa: PLC0415 loads tensorstore

    try:
        found = explore(folder)
    except WkError as error:
        return {"status": "not imported yet", "status_reason": str(error)}
    return {
        "properties": encode_document(found.data_source),
        "layers": [(layer.name, layer.category) for layer in found.data_source.layers],
        "warnings": list(found.notices),
    }


def _read(folder: str) -> bytes:
    path = f"{folder}/{PROPERTIES_FILE}"
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        raw = os.read(descriptor, _USUAL_BYTES)
        if len(raw) == _USUAL_BYTES:
            with open(descriptor, "rb", buffering=0, closefd=False) as stream:
                raw += stream.read(MAX_PROPERTIES_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(raw) > MAX_PROPERTIES_BYTES:
        raise InvalidDataSource(f"{path} is longer than {MAX_PROPERTIES_BYTES:,} bytes.", path=path)
    return raw


@contextmanager
def _paused_gc() -> Iterator[None]:
    """Without this the collector walks all rows again and again: it cost more than the parsing did."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
