"""How commands show what they found: as tables of plain text."""

# ruff: noqa: T201 - what a command says goes to its output
from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns that are as wide as their widest cell, below their headings."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    for row in (headings, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def as_time(ms: int | None, never: str) -> str:
    """Return a time of the catalog, in ms since 1970, as one reads it here."""
    if ms is None:
        return never
    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC).astimezone().strftime("%Y-%m-%d %H:%M")
