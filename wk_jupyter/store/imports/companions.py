"""Files that belong to one beside them: voxels that a header speaks for, and notes on how voxels lie."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from wk_jupyter.store.readers.sidecars import read_text

_NAMES_ITS_DATA: Final = {
    ".nhdr": re.compile(r"(?im)^data ?file:\s*(\S.*?)\s*$"),
    ".mhd": re.compile(r"(?im)^ElementDataFile\s*=\s*(\S.*?)\s*$"),
}
_RAW: Final = frozenset({".raw", ".dat"})
_NOTES_ON_RAW: Final = frozenset({".rpl", ".json"})


def spoken_for(files: Sequence[Path]) -> set[str]:
    """Return the names of what headers among the files of a folder speak for: no images by themselves."""
    return {name for path in files for name in _data_of(path)}


def is_note(path: Path, files: Sequence[Path]) -> bool:
    """Whether a file that is no image tells of one beside it: nobody needs to hear that it is left out."""
    if path.name == "knossos.conf":
        return True
    beside = {each.stem for each in files if each.suffix.lower() in _RAW}
    return path.suffix.lower() in _NOTES_ON_RAW and path.stem in beside


def _data_of(path: Path) -> Iterator[str]:
    suffix = path.suffix.lower()
    if suffix == ".hdr":
        for end in (".img", ".img.gz", ".IMG"):
            yield path.stem + end
    elif suffix in _NAMES_ITS_DATA:
        yield from _NAMES_ITS_DATA[suffix].findall(read_text(path))
