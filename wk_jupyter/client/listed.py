"""Lists of people's things as cells show them: live, found by name, shown as a table."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from wk_jupyter.client.connection import Connection
from wk_jupyter.errors import NotFound

if TYPE_CHECKING:
    import pandas as pd


class Row(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    def _row(self) -> tuple[Any, ...]: ...


T = TypeVar("T", bound=Row)


class Listed(Generic[T]):
    """Things of a server by name, position or id. They are asked for each time: shown is how it is now."""

    _noun: ClassVar[str]
    _columns: ClassVar[tuple[str, ...]]

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def _fetch(self) -> list[T]:
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self._fetch())

    def __iter__(self) -> Iterator[T]:
        return iter(self._fetch())

    def __contains__(self, key: object) -> bool:
        return any(key in (thing, thing.name, thing.id) for thing in self._fetch())

    def __getitem__(self, key: int | str) -> T:
        """Raises NotFound with similar names."""
        things = self._fetch()
        if isinstance(key, int):
            if not -len(things) <= key < len(things):
                raise NotFound(f"there are {len(things)} {self._noun}s, none at {key}.")
            return things[key]
        found = [thing for thing in things if key in (thing.name, thing.id)]
        if not found:
            near = difflib.get_close_matches(str(key), [thing.name for thing in things], n=3, cutoff=0.5)
            raise NotFound(
                f"there is no {self._noun} {key!r}, or you may not see it.",
                hint=f"Did you mean {' or '.join(map(repr, near))}?" if near else "",
            )
        return found[0]

    def to_dataframe(self) -> pd.DataFrame:
        """Return a pandas DataFrame, one row each."""
        import pandas as pd  # noqa: PLC0415 loads slowly

        return pd.DataFrame([thing._row() for thing in self._fetch()], columns=list(self._columns))  # noqa: SLF001

    @property
    def df(self) -> pd.DataFrame:
        return self.to_dataframe()

    def _ipython_key_completions_(self) -> list[str]:
        return [thing.name for thing in self._fetch()]

    def __repr__(self) -> str:
        rows = [self._columns, *self._cells()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )

    def _repr_html_(self) -> str:
        def line(tag: str, row: Sequence[str]) -> str:
            cells = "".join(f"<{tag} style='text-align:left'>{escape(cell)}</{tag}>" for cell in row)
            return f"<tr>{cells}</tr>"

        body = "".join(line("td", row) for row in self._cells())
        return f"<table><thead>{line('th', self._columns)}</thead><tbody>{body}</tbody></table>"

    def _cells(self) -> list[tuple[str, ...]]:
        return [tuple(map(_shown, thing._row())) for thing in self._fetch()]  # noqa: SLF001


def time_of(ms: int | None) -> dt.datetime | None:
    """Return a time of the wire, in ms since 1970."""
    return None if ms is None else dt.datetime.fromtimestamp(ms / 1000, dt.UTC)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dt.datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M")
    if isinstance(value, list | tuple):
        return ", ".join(value)
    return "" if value is None else str(value)
