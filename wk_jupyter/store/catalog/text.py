"""Text as it is searched and sorted: the same letters in whatever case and composition."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any


def fold(text: str) -> str:
    """Return what is equal for texts that differ in case or in how their letters are composed."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def searchable(parts: Iterable[str | None]) -> str:
    """Return folded parts a line each: words are looked for inside of them, never across two."""
    return fold("\n".join(part for part in parts if part))


def dataset_text(
    directory_name: str,
    *,
    name: str,
    description: str | None = None,
    tags: Iterable[str] = (),
    metadata: Iterable[Mapping[str, Any]] = (),
) -> str:
    """Return what of a dataset is searched, but for its layers: names, words, tags, metadata.

    NUL characters, which JSON may hold and PostgreSQL's texts may not, are replaced.
    """
    noted = [
        text for entry in metadata for text in (str(entry.get("key", "")), *_texts(entry.get("value", "")))
    ]
    text = searchable([name, directory_name, description, *tags, *noted])
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _texts(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list | tuple) else [str(value)]


def storable(text: str) -> str:
    """Return the text with what is no Unicode, such as bytes of a folder's name, written as escapes."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
