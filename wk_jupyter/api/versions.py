"""API versions: which are spoken, and in what a reply for an older one differs."""

from __future__ import annotations

from typing import Any, Final

CURRENT_API_VERSION: Final = 16
OLDEST_API_VERSION: Final = 13
DATA_VERSION: Final = 15
"""The official client stays at 15 for ``/data`` even where ``/api`` is at 16."""

_LARGEST_EXACT_JSON_INTEGER: Final = 2**53 - 1
_LAST_VERSION_WITH_PLAIN_INTEGERS: Final = 14
_FIRST_VERSION_WITH_COMPACT_LISTS: Final = 16


def lists_are_compact(version: int) -> bool:
    """Whether ``GET datasets`` has short entries without being asked for them."""
    return version >= _FIRST_VERSION_WITH_COMPACT_LISTS


def encode_big_integers(value: Any, version: int) -> Any:
    """Return ``value`` with integers over 2**53 - 1 in the envelope that JavaScript can read exactly.

    Up to version 14 they are plain: those clients cannot parse the envelope.
    """
    if isinstance(value, dict):
        if value.get("customJsonEncoding") == "bigint":
            return _as_version(int(value["value"]), version)
        return {key: encode_big_integers(item, version) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode_big_integers(item, version) for item in value]
    return _as_version(value, version) if isinstance(value, int) else value


def _as_version(number: int, version: int) -> Any:
    if abs(number) <= _LARGEST_EXACT_JSON_INTEGER or version <= _LAST_VERSION_WITH_PLAIN_INTEGERS:
        return number
    return {"customJsonEncoding": "bigint", "value": str(number)}
