"""The rule for metadata: what people note about datasets and folders, as keys with typed values."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from wk_jupyter.errors import InvalidInput
from wk_jupyter.store.names import checked_name

_MAX_ENTRIES: Final = 100
_MAX_CHARACTERS: Final = 2**16
_LARGEST: Final = 2**63
_REFUSED: Final = re.compile(r"[\x00\ud800-\udfff]")  # which no database takes


def checked_metadata(entries: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Return entries ``{"key", "type", "value"}`` as they are kept. Raises InvalidInput naming the entry.

    A type is ``string``, ``number`` or ``string[]``. Keys occur once.
    """
    if len(entries) > _MAX_ENTRIES:
        raise InvalidInput(
            f"metadata: it has {len(entries)} entries.", hint=f"At most {_MAX_ENTRIES} are kept."
        )
    kept: dict[str, dict[str, Any]] = {}
    characters = 0
    for number, entry in enumerate(entries):
        key = checked_name(entry["key"], f"metadata[{number}].key")
        if key in kept:
            raise InvalidInput(f"metadata: the key {key!r} is there twice.", hint="Put the values together.")
        kept[key] = {"key": key, "type": entry["type"], "value": entry["value"]}
        texts = _checked_value(key, entry["type"], entry["value"])
        characters += sum(len(text) + 1 for text in texts)
    if characters > _MAX_CHARACTERS:
        raise InvalidInput(
            f"metadata: its values have {characters:,} characters.",
            hint=f"At most {_MAX_CHARACTERS:,} are kept.",
        )
    return tuple(kept.values())


def _checked_value(key: str, kind: str, value: Any) -> Sequence[str]:
    """Return the texts in a value."""
    if kind == "number":
        is_kept = math.isfinite(value) if isinstance(value, float) else _is_integer(value)
        if not is_kept:
            raise InvalidInput(f"metadata: the value of {key!r} is not a number that can be kept.")
        return ()
    texts = value if kind == "string[]" else [value]
    if kind not in ("string", "string[]") or not isinstance(texts, Sequence) or isinstance(texts, str):
        raise InvalidInput(f"metadata: {key!r} says that it is a {kind[:40]!r}, and is something else.")
    for text in texts:
        if not isinstance(text, str) or _REFUSED.search(text):
            raise InvalidInput(f"metadata: the value of {key!r} is not text that can be kept.")
    return texts


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST
