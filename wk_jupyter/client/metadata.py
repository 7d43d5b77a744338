"""What is noted about a dataset or a folder: a dictionary whose changes are written at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from html import escape
from numbers import Integral, Real
from typing import Any, TypeAlias

from wk_jupyter.errors import InvalidInput

Value: TypeAlias = str | int | float | list[str]
Write: TypeAlias = Callable[[list[dict[str, Any]], list[dict[str, Any]]], None]


class Metadata(MutableMapping[str, Value]):
    """Text, numbers and lists of text by key: ``folder.metadata["species"] = "mouse"``.

    What somebody else changed since it was read is not overwritten: Conflict is raised instead.
    """

    def __init__(self, entries: Sequence[Mapping[str, Any]], write: Write) -> None:
        """``write`` takes the entries as they shall be, and as they were read."""
        self._entries = [dict(entry) for entry in entries]
        self._write = write

    def __getitem__(self, key: str) -> Value:
        for entry in self._entries:
            if entry["key"] == key:
                value: Value = entry["value"]
                return value
        raise KeyError(key)

    def __setitem__(self, key: str, value: Any) -> None:
        fresh = metadata_entry(key, value)
        kept = [fresh if entry["key"] == key else entry for entry in self._entries]
        self._change(kept if key in self else [*kept, fresh])

    def __delitem__(self, key: str) -> None:
        if key not in self:
            raise KeyError(key)
        self._change([entry for entry in self._entries if entry["key"] != key])

    def __iter__(self) -> Iterator[str]:
        return iter([entry["key"] for entry in self._entries])

    def __len__(self) -> int:
        return len(self._entries)

    def update(self, *others: Any, **named: Any) -> None:
        """Set several at once: all of them, or none where one is refused."""
        self._change(metadata_entries({**self, **dict(*others, **named)}))

    def clear(self) -> None:
        """Forget all of it."""
        self._change([])

    def _change(self, entries: list[dict[str, Any]]) -> None:
        self._write(entries, self._entries)
        self._entries = entries

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    def __repr__(self) -> str:
        return repr(dict(self))

    def _repr_html_(self) -> str:
        if not self:
            return "<i>no metadata</i>"
        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(key)}</th>"
            f"<td style='text-align:left'>{escape(_shown(value))}</td></tr>"
            for key, value in self.items()
        )
        return f"<table>{rows}</table>"


def metadata_entries(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a dictionary as the wire has it. Raises InvalidInput naming the key."""
    if not isinstance(values, Mapping):
        raise InvalidInput(f"metadata: it is a dictionary, not {values!r}.")
    return [metadata_entry(key, value) for key, value in values.items()]


def metadata_entry(key: str, value: Any) -> dict[str, Any]:
    """Return one key with its value as the wire has it. Raises InvalidInput naming the key."""
    if not isinstance(key, str):
        raise InvalidInput(f"metadata: the key {key!r} is not text.")
    kind, kept = "number", _number(value)
    if isinstance(value, str):
        kind, kept = "string", value
    elif isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
        kind, kept = "string[]", list(value)
    if kept is None:
        raise InvalidInput(
            f"metadata: {key!r} cannot be {value!r}.",
            hint="Values are text, numbers and lists of text: str(value) is always possible.",
        )
    return {"key": key, "type": kind, "value": kept}


def _number(value: Any) -> Value | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, Integral):
        return int(value)
    return float(value) if isinstance(value, Real) else None


def _shown(value: Value) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)
