"""Text files that say how the raw voxels beside them lie: what RAW, MetaImage and NRRD have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from wk_jupyter.errors import CorruptData, InvalidInput, UnsupportedFormat
from wk_jupyter.store.readers.byte_sources import read_start

MOST_BYTES: Final = 2**20
MOST_VOXELS: Final = 2**62


def read_text(path: Path) -> str:
    """Return the beginning of a text file, at most 1 MiB. Raises CorruptData."""
    return read_start(path, MOST_BYTES).decode("utf-8", "replace")


def neighbour(path: Path, name: str) -> Path:
    """Return the file that a header names: it lies in the same folder. Raises InvalidInput."""
    found = path.parent / name
    if Path(name).name != name or name in {"", ".", ".."}:
        raise UnsupportedFormat(
            f"{path.name} names {name[:100]!r}, which is not in the same folder.",
            hint="Put both into one folder.",
        )
    if not found.is_file():
        raise InvalidInput(
            f"{path.name} needs {name} beside it, which is not there.", hint="Bring both files."
        )
    return found


def whole_numbers(path: Path, field: str, text: str) -> tuple[int, ...]:
    """Return the positive numbers of a field, such as sizes. Raises CorruptData."""
    try:
        found = tuple(int(part) for part in text.split())
    except ValueError:
        found = ()
    if not found or min(found) < 1 or max(found) > MOST_VOXELS:
        raise wrong_field(path, field, text)
    return found


def wrong_field(path: Path, field: str, text: str) -> CorruptData:
    """Return the error of a header's line that makes no sense."""
    return CorruptData(f"{path.name} is damaged: its {field} is {text[:100]!r}.", path=str(path))
