"""A public sample from the network into the data directory."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from wk_jupyter.datasource import read_properties
from wk_jupyter.errors import CorruptData, InvalidDataSource
from wk_jupyter.properties_document import PROPERTIES_FILE
from wk_jupyter.samples import catalog, places, unpack

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from wk_jupyter.samples.transfer import Progress


def download(
    name: str | catalog.Sample,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    organization: str | None = None,
    progress: Progress | None = None,
) -> Path:
    """Download a public sample, unpack it into the data directory, and return the dataset's folder.

    ``name`` is one of those that ``wk.samples`` shows. Call it again after an interruption, and it goes on
    where it was. A sample that is there already is not downloaded again. ``progress`` is called with
    the bytes that have come and all bytes (or None); default is a line of text.

    Raises DatasetNotFound (no such sample), Unreachable (no network: says what else can be done),
    CorruptData (what came is not the sample), TooLarge (the disk is too small), Conflict.
    """
    sample = catalog.find(name) if isinstance(name, str) else name
    base = places.data_dir(data_dir)
    folder = places.dataset_folder(sample.name, base, organization or places.default_organization())
    if (folder / PROPERTIES_FILE).exists():
        return folder
    archive = base / "downloads" / f"{sample.name}.zip"
    if not archive.exists():
        _transfer(sample, archive, progress)
    with places.arriving(folder) as unfinished:
        _unpack(archive, unfinished)
    archive.unlink()
    return folder


def _transfer(sample: catalog.Sample, archive: Path, progress: Progress | None) -> None:
    from wk_jupyter.samples.transfer import Expected, Transfer  # noqa: PLC0415 - httpx is slow to import

    line = ProgressLine(sample.name)
    try:
        Transfer(sample.url, archive, Expected(sample.megabytes, sample.sha256), progress or line).run()
    finally:
        line.end()


def _unpack(archive: Path, folder: Path) -> None:
    try:
        unpack.unpack(archive, folder)
        if (folder / PROPERTIES_FILE).exists():
            read_properties(folder)
    except (CorruptData, InvalidDataSource):
        # Kept, it would be found again by the next call, which could then never succeed.
        archive.unlink()
        raise


class ProgressLine:
    """Shows on stderr how far a download is, in one line that is written over; works in cells too."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._shown = ""

    def __call__(self, have: int, total: int | None) -> None:
        share = f" ({100 * have // total} %)" if total else ""
        text = f"{self._label}: {have // 1_000_000} of {total // 1_000_000 if total else '?'} MB{share}"
        if text != self._shown:
            sys.stderr.write(f"\r{text}")
            sys.stderr.flush()
            self._shown = text

    def end(self) -> None:
        if self._shown:
            sys.stderr.write("\n")
