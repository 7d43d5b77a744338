"""What texts for people tell of the server's disk: everything to its admins, to others only what lies
below the dataset's own folder."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_QUOTED: Final = re.compile(r"""(?P<quote>['"])(?:file://)?/(?:[^'"\n]*/)?(?P<name>[^'"\n/]+)/?(?P=quote)""")
# A blank belongs to the path where the next word has a slash in it.
_PIECE: Final = r"""[^\s/'"<>|;,)\]}]"""
_PLAIN: Final = re.compile(
    rf"(?<![\w.…/:\\-])(?:file://)?/(?:(?:{_PIECE}|/|\ (?=[^\s/]+/))*/)?(?P<name>{_PIECE}+)/?"
)


def without_server_paths(text: str, folder: Path | None = None) -> str:
    """Return ``text`` with paths below ``folder``, a dataset's, relative to it, and of all others the last
    name alone."""
    if "/" not in text:
        return text
    if folder is not None:
        for place in dict.fromkeys((str(folder.absolute()), str(folder))):
            text = text.replace(f"{place}/", "")
            text = re.sub(rf"{re.escape(place)}(?!\w|[.-]\w)", folder.name.replace("\\", r"\\"), text)
    text = _QUOTED.sub(r"\g<quote>…/\g<name>\g<quote>", text)
    return _PLAIN.sub(r"…/\g<name>", text)
