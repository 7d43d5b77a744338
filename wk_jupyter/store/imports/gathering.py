"""The files of a delivery, by folder: which may hold images, and which are refused or left aside."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from wk_jupyter.errors import InvalidInput, UnsupportedFormat
from wk_jupyter.store.imports.companions import is_note, spoken_for
from wk_jupyter.store.readers import readers

MAX_FILES: Final = 2_000_000
_MAX_DEPTH: Final = 32
_ASIDE: Final = frozenset({
    ".txt", ".md", ".json", ".xml", ".csv", ".tsv", ".yml", ".yaml", ".ini", ".cfg", ".conf", ".log", ".html",
    ".pdf", ".db", ".rpl", ".lock", ".py", ".ipynb", ".m", ".js", ".toml", ".properties",
})  # fmt: skip
_REFUSED: Final = {
    **dict.fromkeys(
        (".tar", ".tgz", ".gz", ".bz2", ".xz", ".rar", ".7z", ".zst"),
        "is an archive of a kind that is not unpacked here. Unpack it, or make a ZIP of it",
    ),
    ".nml": "is a skeleton annotation, not image data",
    ".nmx": "is a skeleton annotation, not image data",
    **dict.fromkeys((".ply", ".stl", ".obj"), "is a mesh, not image data"),
}
_HINT: Final = "Bring image files, or a folder of them; see wk_jupyter's README for the formats."
_HIDDEN: Final = frozenset({"Thumbs.db", "desktop.ini", "DICOMDIR"})
_NATURAL: Final = re.compile(r"(\d+)")


class NothingThere(InvalidInput):
    """No file that could hold an image."""


@dataclass
class Folder:
    """A folder of a delivery: files that a reader may know, in natural order. ``name`` is relative.

    ``aside``: files of known kinds that are no images; ``refused``: those that cannot be brought.
    """

    path: Path
    name: str
    files: list[Path] = field(default_factory=list)
    aside: list[Path] = field(default_factory=list)
    refused: list[Path] = field(default_factory=list)


@dataclass
class Gathered:
    """All folders with image files; ``aside``: names of files that are no images, and change nothing."""

    folders: list[Folder] = field(default_factory=list)
    aside: list[str] = field(default_factory=list)
    archives: list[Path] = field(default_factory=list)
    count: int = 0


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Order names as people count: ``slice9`` before ``slice10``."""
    return [
        (0, int(part), "") if part.isdecimal() else (1, 0, part.casefold())
        for part in _NATURAL.split(name)
        if part
    ]


def gather(root: Path) -> Gathered:
    """List what lies in a folder, or one file. Hidden files are left out; links to files are followed.

    Raises UnsupportedFormat naming a file that cannot be part of a dataset, NothingThere, and InvalidInput
    where there is too much, or a link leads nowhere.
    """
    found = Gathered()
    if not root.exists():
        raise InvalidInput(f"{root} is not there.", hint="Is it on a disk that is not mounted?")
    folders = [_one_file(root, found)] if root.is_file() else _walk(root, found)
    for folder in folders:
        _settle(folder)
        found.aside += [path.name for path in folder.aside]
        if folder.files:
            found.folders.append(folder)
    if not found.folders and not found.archives:
        raise _nothing(root, found)
    return found


def _settle(folder: Folder) -> None:
    """Leave images alone in a folder's files. Raises UnsupportedFormat for what cannot be brought."""
    known = spoken_for(folder.files)
    for path in folder.refused:
        if path.name not in known:
            reason = _REFUSED[path.suffix.lower()]
            raise UnsupportedFormat(f"{path.name} {reason}.", hint="Take it out, then try again.")
    folder.aside = [path for path in folder.aside if not is_note(path, folder.files)]
    folder.files = [path for path in folder.files if path.name not in known]
    folder.files.sort(key=lambda path: natural_key(path.name))


def suffix_reader(name: str) -> str | None:
    """Return the name of the reader that a file's suffix belongs to, the longest one; None: unknown."""
    lower = name.lower()
    suffixes = _suffixes()
    dots = [at for at, character in enumerate(lower) if character == "."]
    return next((suffixes[lower[at:]] for at in dots if lower[at:] in suffixes), None)


@cache
def _suffixes() -> dict[str, str]:
    return {suffix: reader.name for reader in readers() for suffix in reader.suffixes}


def _one_file(path: Path, found: Gathered) -> Folder:
    folder = Folder(path.parent, "")
    _sort_in(found, folder, path)
    return folder


def _walk(root: Path, found: Gathered) -> Iterator[Folder]:
    """Each folder, none twice: links in circles end there."""
    seen: set[tuple[int, int]] = set()
    waiting = [(root, 0)]
    while waiting:
        path, depth = waiting.pop()
        status = path.stat()
        if (status.st_dev, status.st_ino) in seen or depth > _MAX_DEPTH:
            continue
        seen.add((status.st_dev, status.st_ino))
        folder = Folder(path, "" if path == root else path.relative_to(root).as_posix())
        below = []
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name.startswith((".", "__MACOSX")) or entry.name in _HIDDEN:
                    continue
                if entry.is_dir():
                    below.append(path / entry.name)
                else:
                    _sort_in(found, folder, path / entry.name)
        yield folder
        below.sort(key=lambda child: natural_key(child.name), reverse=True)
        waiting += [(child, depth + 1) for child in below]


def _sort_in(found: Gathered, folder: Folder, path: Path) -> None:
    """Put a file where it belongs. What no suffix tells is a file too: its first bytes may."""
    found.count += 1
    if found.count > MAX_FILES:
        raise InvalidInput(f"{folder.path} holds more than {MAX_FILES:,} files.", hint="Bring a part of it.")
    if path.is_symlink() and not path.exists():
        target = os.readlink(path)  # noqa: PTH115 - as it is written
        raise InvalidInput(f"{path.name} is a link to {target}, which is not there.", hint="Copy the file.")
    suffix = path.suffix.lower()
    if suffix_reader(path.name) is not None:
        folder.files.append(path)
    elif suffix == ".zip":
        found.archives.append(path)
    elif suffix in _REFUSED:
        folder.refused.append(path)
    elif suffix in _ASIDE:
        folder.aside.append(path)
    else:
        folder.files.append(path)


def _nothing(root: Path, found: Gathered) -> NothingThere:
    if found.aside:
        names = ", ".join(sorted(found.aside)[:5])
        return NothingThere(f"{root.name} holds no image data, only {names}.", hint=_HINT)
    return NothingThere(f"{root.name} is empty.", hint=_HINT)
