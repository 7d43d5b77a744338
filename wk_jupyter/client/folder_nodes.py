"""The tree of folders as a server tells it, and as a cell shows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from itertools import islice
from typing import Final

from wk_jupyter.client.connection import Connection
from wk_jupyter.errors import NotFound

_MOST_LINES: Final = 200
_DIM: Final = "color:var(--jp-ui-font-color2,#757575)"


@dataclass
class Node:
    """A folder with those in it. ``path`` leads to it from the root, whose own is empty."""

    id: str
    name: str
    path: str
    parent: Node | None
    is_editable: bool = False
    dataset_count: int | None = None
    children: list[Node] = field(default_factory=list)

    def walk(self) -> Iterator[Node]:
        """Yield the folder and all below it, each before those in it."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting += reversed(node.children)


def fetch_tree(connection: Connection) -> Node:
    """Return the root with all folders that one may see. Raises NotFound where there is none."""
    entries = connection.get("folders/tree", includeDatasetCounts=True)
    inside: dict[str | None, list[dict[str, object]]] = {}
    for entry in entries:
        inside.setdefault(entry.get("parent"), []).append(entry)
    roots = inside.get(None, [])
    if not roots:
        raise NotFound(f"{connection.url} tells of no folders.", hint="Are you signed in? See wk.connect().")
    root = _node(roots[0], None)
    for node in root.walk():  # children are put there before they are walked to
        node.children = [_node(entry, node) for entry in inside.get(node.id, ())]
    return root


def _node(entry: dict[str, object], parent: Node | None) -> Node:
    name = str(entry["name"])
    count = entry.get("datasetCount")
    return Node(
        id=str(entry["id"]),
        name=name,
        path="" if parent is None else f"{parent.path}/{name}".lstrip("/"),
        parent=parent,
        is_editable=bool(entry.get("isEditable")),
        dataset_count=count if isinstance(count, int) else None,
    )


def as_text(top: Node) -> str:
    """Return a tree with lines, a folder each, as far as it is short enough to be read."""
    lines = list(islice(_lines(top, "", ""), _MOST_LINES))
    return "\n".join([*lines, *_rest(top, len(lines))])


def as_html(top: Node) -> str:
    """Return a tree that opens and closes."""
    left = [_MOST_LINES]
    shown = _details(top, left)
    rest = "".join(f"<div style='{_DIM}'>{escape(line)}</div>" for line in _rest(top, _MOST_LINES - left[0]))
    return f"<div style='line-height:1.6;color:var(--jp-ui-font-color1,inherit)'>{shown}{rest}</div>"


def _lines(node: Node, before: str, below: str) -> Iterator[str]:
    yield f"{before}{node.name}{_count(node, '  ')}"
    for number, child in enumerate(node.children, 1):
        is_last = number == len(node.children)
        yield from _lines(
            child, below + ("└── " if is_last else "├── "), below + ("    " if is_last else "│   ")
        )


def _details(node: Node, left: list[int]) -> str:
    if not left[0]:
        return ""
    left[0] -= 1
    title = f"{escape(node.name)}<span style='{_DIM}'>{_count(node, '&ensp;')}</span>"
    if not node.children:
        return f"<div style='padding-left:1.1em'>{title}</div>"
    inside = "".join(_details(child, left) for child in node.children)
    return (
        f"<details open><summary style='cursor:pointer'>{title}</summary>"
        f"<div style='padding-left:1.1em'>{inside}</div></details>"
    )


def _count(node: Node, gap: str) -> str:
    if not node.dataset_count:
        return ""
    return f"{gap}{node.dataset_count:,} dataset{'s' if node.dataset_count > 1 else ''}"


def _rest(top: Node, shown: int) -> list[str]:
    more = sum(1 for _ in top.walk()) - shown
    return [f"… and {more:,} more folders: list(wk.folders) has all of their paths"] if more else []
