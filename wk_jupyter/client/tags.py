"""A dataset's tags: a list whose changes are written at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, MutableSequence
from html import escape
from typing import Any, Final, Self

from wk_jupyter.client.allowed_teams import several

_CHIP: Final = (
    "display:inline-block;margin:0 4px 2px 0;padding:0 8px;border-radius:9px;"
    "background:var(--jp-layout-color2,#e0e0e0);color:var(--jp-ui-font-color1,#212121)"
)


class Tags(MutableSequence[str]):
    """``ds.tags += ["fixed"]``, ``ds.tags.remove("draft")``; each change is one request.

    What somebody else changed since it was read is not overwritten: Conflict is raised instead.
    """

    def __init__(
        self, owner: object, read: Callable[[], list[str]], write: Callable[[list[str]], None]
    ) -> None:
        self.owner = owner
        self._read = read
        self._write = write

    def __getitem__(self, index: Any) -> Any:
        return self._read()[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self._change(lambda tags: tags.__setitem__(index, value))

    def __delitem__(self, index: Any) -> None:
        self._change(lambda tags: tags.__delitem__(index))

    def __len__(self) -> int:
        return len(self._read())

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def insert(self, index: int, value: str) -> None:
        """Put a tag before another."""
        self._change(lambda tags: tags.insert(index, value))

    def extend(self, values: Iterable[str]) -> None:
        """Add several at once; those that are there already stay where they are."""
        added = several(values, "tags")
        self._change(lambda tags: tags.extend(added))

    def clear(self) -> None:
        """Take all of them away."""
        self._change(list.clear)

    def __iadd__(self, values: Iterable[str]) -> Self:
        self.extend(values)
        return self

    def __isub__(self, values: Iterable[str]) -> Self:
        gone = set(several(values, "tags"))
        self._write([tag for tag in self._read() if tag not in gone])
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, list | tuple | Tags) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._read())

    def _repr_html_(self) -> str:
        return "".join(f"<span style='{_CHIP}'>{escape(tag)}</span>" for tag in self) or "<i>no tags</i>"

    def _change(self, how: Callable[[list[str]], None]) -> None:
        tags = list(self._read())
        how(tags)
        self._write(list(dict.fromkeys(tags)))
