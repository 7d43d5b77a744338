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
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from wk_jupyter.properties_document import PROPERTIES_FILE
from wk_jupyter.store.catalog.datasets import DatasetRepository, Known
from wk_jupyter.store.catalog.text import storable
from wk_jupyter.store.dataset_folder import contents_key, look, properties_key
from wk_jupyter.store.records import FolderFinding, ScanReport

Progress = Callable[[int, int], None]
_MAX_NAMED: Final = 10


@dataclass
class _Findings:
    added: list[FolderFinding] = field(default_factory=list)
    changed: list[FolderFinding] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    unusable: int = 0


class Inbox:
    """Scans one organization's folder. Scans are serialised; those of other processes do no harm."""

    def __init__(self, folder: Path, repository: DatasetRepository) -> None:
        self.folder = folder
        self._repository = repository
        self._lock = threading.Lock()

    def scan(
        self, *, progress: Progress | None = None, cancelled: threading.Event | None = None
    ) -> ScanReport:
        """Bring the catalog to what lies on disk. A dataset that cannot be read is listed with its reason.

        ``progress`` is called with (done, all). A cancelled scan changes nothing, nor does one to which
        the folder itself is closed.
        """
        started = time.monotonic()
        with self._lock, _paused_gc():
            known = self._repository.known()
            findings = _Findings()
            try:
                names = self._names(findings)
            except OSError as error:
                notice = f"{self.folder} cannot be listed: {error.strerror}. What is known of it is kept."
                return _unchanged(known, started, storable(notice))
            if not self._look_at_all(names, known, findings, progress=progress, cancelled=cancelled):
                return _unchanged(known, started, "cancelled")
            missing = _missing(known, set(names))
            findings.added.sort(key=lambda finding: finding.directory_name)
            touched = self._repository.write_scan(findings.added, findings.changed, missing)
        return ScanReport(
            datasets=len(names),
            added=len(findings.added),
            changed=len(findings.changed),
            missing=len(missing),
            unusable=findings.unusable,
            seconds=time.monotonic() - started,
            notices=tuple(findings.notices),
            touched=touched,
        )

    def look_again(self, name: str) -> None:
        """Bring one dataset of the catalog to what lies on disk, whatever its disk key says."""
        with self._lock, self._opened() as root_fd:
            if os.path.lexists(self.folder / name):
                self._repository.write_scan([], [look(str(self.folder), name, root_fd)], [])
            else:
                self._repository.write_scan([], [], [name])

    def _names(self, findings: _Findings) -> list[str]:
        """Names of folders and links, also dangling ones, that may be datasets."""
        try:
            with os.scandir(self.folder) as entries:
                names = [
                    entry.name
                    for entry in entries
                    if entry.name[0] != "." and (entry.is_dir(follow_symlinks=False) or entry.is_symlink())
                ]
        except FileNotFoundError:  # then its datasets are gone with it
            return []
        strange = [name for name in names if not name.isascii() and storable(name) != name]
        if strange:
            findings.notices.append(
                f"left alone, as their names are not valid UTF-8: {_listed(strange)}. Rename these folders."
            )
        others = _other_organizations(self.folder, self._repository.organizations())
        if others:
            findings.notices.append(
                f"left alone, as they belong to no organization: the folders {_listed(others)} beside "
                f"{self.folder.name}. `wk-jupyter organization add` founds one."
            )
        return [name for name in names if name not in strange] if strange else names

    def _look_at_all(
        self,
        names: list[str],
        known: Known,
        findings: _Findings,
        *,
        progress: Progress | None,
        cancelled: threading.Event | None,
    ) -> bool:
        """Compare each folder with what is known of it. Returns False where this was cancelled."""
        root, stat, active = str(self.folder), os.stat, known.active
        if not names:
            return True
        with self._opened() as root_fd:
            for number, name in enumerate(names, 1):
                if cancelled is not None and cancelled.is_set():
                    return False
                key = active.get(name)
                # Unrolled, as a scan of many datasets does little else.
                if key is not None:
                    try:
                        now = properties_key(stat(f"{name}/{PROPERTIES_FILE}", dir_fd=root_fd))
                    except OSError:
                        now = contents_key(f"{root}/{name}")
                    if now == key:
                        if progress is not None:
                            progress(number, len(names))
                        continue
                self._look_at(name, known, findings, root_fd)
                if progress is not None:
                    progress(number, len(names))
        return True

    def _look_at(self, name: str, known: Known, findings: _Findings, root_fd: int) -> None:
        before = known.others.get(name)
        # Looking for what a folder without a properties file may be is slow: its key is asked first.
        if before is not None and self._is_as_unknown_as(before, name, root_fd):
            findings.unusable += 1
            return
        finding = look(str(self.folder), name, root_fd)
        findings.unusable += finding.status != "active"
        if before is None and name not in known.active:
            findings.added.append(finding)
        elif before != (finding.disk_key, finding.status, finding.status_reason):
            findings.changed.append(finding)

    def _is_as_unknown_as(self, before: tuple[str, str, str], name: str, root_fd: int) -> bool:
        key, status, _ = before
        if status != "not imported yet" or not key or _has_properties(name, root_fd):
            return False
        return contents_key(f"{self.folder}/{name}") == key

    @contextmanager
    def _opened(self) -> Iterator[int]:
        """The folder itself, from which its datasets are reached without walking its path each time."""
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def _unchanged(known: Known, started: float, notice: str) -> ScanReport:
    there = len(known.active) + len(known.others)
    return ScanReport(there, 0, 0, 0, 0, time.monotonic() - started, (notice,))


def _has_properties(name: str, root_fd: int) -> bool:
    try:
        os.lstat(f"{name}/{PROPERTIES_FILE}", dir_fd=root_fd)
    except OSError:
        return False
    return True


def _missing(known: Known, seen: set[str]) -> list[str]:
    gone = [name for name in known.active if name not in seen]
    return gone + [name for name, row in known.others.items() if name not in seen and row[1] != "missing"]


def _other_organizations(folder: Path, known: Collection[str]) -> list[str]:
    """Return the folders beside this one that belong to no organization: all others are scanned, too."""
    try:
        with os.scandir(folder.parent) as entries:
            return sorted(
                entry.name
                for entry in entries
                if entry.name[0] != "." and entry.name not in known and entry.is_dir()
            )
    except OSError:
        return []


def _listed(names: list[str]) -> str:
    more = len(names) - _MAX_NAMED
    return ", ".join(map(storable, names[:_MAX_NAMED])) + (f" and {more} more" if more > 0 else "")


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
