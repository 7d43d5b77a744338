"""Folders as one uses them in a cell: ``wk.folders["Lab/2026"]``."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from wk_jupyter.client.allowed_teams import AllowedTeams, allowed_teams, team_ids
from wk_jupyter.client.connection import Connection, current
from wk_jupyter.client.folder_nodes import Node, as_html, as_text, fetch_tree
from wk_jupyter.client.metadata import Metadata, metadata_entries
from wk_jupyter.client.table import DatasetTable
from wk_jupyter.errors import InvalidInput, NotFound

_DIM: Final = "color:var(--jp-ui-font-color2,#757575)"


class Folders:
    """The folders that one may see, as a tree: ``wk.folders``, ``wk.folders["Lab/2026"]``.

    A path begins below the root; one that begins with the root's name is understood as well, and so is an
    id. They are asked of the server each time: what is shown is how it is now.
    """

    def __init__(self, connection: Connection | None = None) -> None:
        self._connection = connection

    @property
    def connection(self) -> Connection:
        return self._connection or current()

    @property
    def root(self) -> Folder:
        """The folder that all others lie in."""
        connection = self.connection
        return _folder(connection, fetch_tree(connection))

    def create(self, path: str) -> Folder:
        """Make a folder: ``wk.folders.create("Lab/2026")``. Those above it must be there.

        Raises Conflict for a name that is taken, NotFound, Forbidden, InvalidInput.
        """
        if not isinstance(path, str):
            raise InvalidInput(f"a folder is made by its path, not by {path!r}.")
        above, _, name = path.strip("/").rpartition("/")
        return (self[above] if above else self.root).create(name)

    def __getitem__(self, path: str) -> Folder:
        """Raises NotFound with similar paths, InvalidInput where several folders have the path."""
        connection = self.connection
        return _folder(connection, _find(fetch_tree(connection), path))

    def given(self, folder: Folder | str) -> Folder:
        """Return a folder that is given by its path, its id or as a Folder. Raises NotFound, InvalidInput."""
        return folder if isinstance(folder, Folder) else self[folder]

    def __iter__(self) -> Iterator[str]:
        return iter([node.path for node in _below(fetch_tree(self.connection))])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and bool(_candidates(fetch_tree(self.connection), path))

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    def __repr__(self) -> str:
        return as_text(fetch_tree(self.connection))

    def _repr_html_(self) -> str:
        return as_html(fetch_tree(self.connection))


class Folder:
    """One folder. Teams that are allowed on it see all datasets in it and in the folders below."""

    def __init__(self, connection: Connection, folder_id: str, name: str) -> None:
        self.connection = connection
        self._id = folder_id
        self._name = name
        self._teams_seen: list[str] | None = None

    @property
    def id(self) -> str:
        return self._id

    @property
    def name(self) -> str:
        """The name when it was last looked up; ``rename`` changes it."""
        return self._name

    @property
    def path(self) -> str:
        """The way to it from the root; of the root itself its name."""
        node = self._node()
        return node.path or node.name

    @property
    def parent(self) -> Folder | None:
        above = self._node().parent
        return None if above is None else _folder(self.connection, above)

    @property
    def children(self) -> list[Folder]:
        """The folders in it, by name."""
        return [_folder(self.connection, node) for node in self._node().children]

    @property
    def is_editable(self) -> bool:
        """Whether one may change it."""
        return bool(self._detail()["isEditable"])

    def __getitem__(self, path: str) -> Folder:
        """A folder below this one: ``folder["2026/march"]``. Raises NotFound."""
        top = self._node()
        return _folder(self.connection, _find(top, path))

    def _ipython_key_completions_(self) -> list[str]:
        top = self._node()
        return [_path_below(top, node) for node in _below(top)]

    def create(self, name: str) -> Folder:
        """Make a folder in this one. Raises Conflict for a name that is taken, Forbidden, InvalidInput."""
        made = self.connection.api("POST", "folders/create", params={"parentId": self.id, "name": name})
        return Folder(self.connection, made["id"], made["name"])

    def rename(self, name: str) -> None:
        """Give it another name. Raises Conflict where the name is taken or somebody else renamed it."""
        self._name = self._put({"name": name}, {"name": self._name})["name"]

    def move_to(self, target: Folder | str, *, preview: bool = False) -> FolderMove:
        """Put it, with all in it, into another folder; tells which teams gain and lose sight of it.

        ``preview=True`` tells it before anything is done. Raises Conflict where the name is taken there,
        InvalidInput for a place inside of the folder, NotFound, Forbidden.
        """
        target = Folders(self.connection).given(target)
        query = {"newParentId": target.id, "preview": preview}
        told = self.connection.api("PUT", f"folders/{self.id}/move", params=query)
        return FolderMove(
            folder=self.name,
            target=target.name,
            preview=preview,
            teams_gained=tuple(team["name"] for team in told["teamsGained"]),
            teams_lost=tuple(team["name"] for team in told["teamsLost"]),
            dataset_count=told["datasetCount"],
        )

    def delete(self) -> None:
        """Delete it. Raises Conflict where folders or datasets lie in it."""
        self.connection.api("DELETE", f"folders/{self.id}")

    @property
    def allowed_teams(self) -> AllowedTeams:
        """The teams that may see what is in it, set by names, ids or teams: ``… = ["reviewers"]``.

        Those of the folders above may as well. Where somebody else changed them since they were read,
        setting them raises Conflict.
        """
        return self._allowed(self._detail())

    @allowed_teams.setter
    def allowed_teams(self, wanted: Iterable[Any]) -> None:
        ids = team_ids(self.connection, wanted, self._detail())
        seen = {} if self._teams_seen is None else {"allowedTeams": self._teams_seen}
        self._allowed(self._put({"allowedTeams": ids}, seen))

    @property
    def metadata(self) -> Metadata:
        """Notes by key, which are text, numbers or lists of text; set one by one or all of them."""
        return Metadata(self._detail().get("metadata") or [], self._write_metadata)

    @metadata.setter
    def metadata(self, values: Mapping[str, Any]) -> None:
        self._put({"metadata": metadata_entries(values)}, {})

    def datasets(self, search: str | None = None, *, subfolders: bool = False) -> DatasetTable:
        """Return the datasets in it, by name; ``subfolders``: in the folders below as well."""
        return DatasetTable(self.connection, search, {"folderId": self.id, "includeSubfolders": subfolders})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Folder) and (self.connection.url, self.id) == (
            other.connection.url,
            other.id,
        )

    def __hash__(self) -> int:
        return hash((self.connection.url, self.id))

    def __repr__(self) -> str:
        return as_text(self._node())

    def _repr_html_(self) -> str:
        return as_html(self._node())

    # --- the server -------------------------------------------------------------------------

    def _node(self) -> Node:
        return _find(fetch_tree(self.connection), self.id)

    def _detail(self) -> dict[str, Any]:
        told: dict[str, Any] = self.connection.get(f"folders/{self.id}")
        return told

    def _put(self, changes: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
        body = changes | {"expected": expected}
        told: dict[str, Any] = self.connection.api("PUT", f"folders/{self.id}", body=body)
        return told

    def _write_metadata(self, entries: list[dict[str, Any]], read: list[dict[str, Any]]) -> None:
        self._put({"metadata": entries}, {"metadata": read})

    def _allowed(self, told: dict[str, Any]) -> AllowedTeams:
        self._teams_seen = [team["id"] for team in told["allowedTeams"]]
        return allowed_teams(told)


@dataclass(frozen=True)
class FolderMove:
    """What a move did or would do: which teams see the folder's datasets now, and which no more."""

    folder: str
    target: str
    preview: bool
    teams_gained: tuple[str, ...]
    teams_lost: tuple[str, ...]
    dataset_count: int

    def __repr__(self) -> str:
        verb = "would move" if self.preview else "has moved"
        datasets = f"{self.dataset_count:,} dataset{'' if self.dataset_count == 1 else 's'}"
        lines = [f"{self.folder!r} {verb} to {self.target!r} with {datasets}."]
        if self.teams_gained:
            lines.append(f"  seen by more teams: {', '.join(self.teams_gained)}")
        if self.teams_lost:
            lines.append(f"  no more seen by: {', '.join(self.teams_lost)}, but where they are allowed below")
        if not (self.teams_gained or self.teams_lost):
            lines.append("  the same teams see it")
        return "\n".join(lines)


def _folder(connection: Connection, node: Node) -> Folder:
    return Folder(connection, node.id, node.name)


def _below(top: Node) -> Iterator[Node]:
    nodes = top.walk()
    next(nodes)
    return nodes


def _path_below(top: Node, node: Node) -> str:
    return node.path[len(top.path) :].lstrip("/")


def _candidates(top: Node, path: str) -> list[Node]:
    """Folders by a path below ``top``, else by id, else by a path that begins with the root's name."""
    wanted = path.strip("/")
    by_path = [node for node in _below(top) if _path_below(top, node) == wanted]
    by_id = [node for node in top.walk() if node.id == wanted]
    if by_path or by_id or top.parent is not None:
        return by_path or by_id
    return [node for node in top.walk() if f"{top.name}/{node.path}".rstrip("/") == wanted]


def _find(top: Node, path: str) -> Node:
    if not isinstance(path, str):
        raise InvalidInput(f"a folder is found by its path or id, not by {path!r}.")
    found = _candidates(top, path)
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(node.id for node in found)
        raise InvalidInput(f"several folders are called {path!r}.", hint=f"Take one by its id: {ids}.")
    near = difflib.get_close_matches(path, [_path_below(top, node) for node in _below(top)], n=3, cutoff=0.5)
    raise NotFound(
        f"there is no folder {path!r}, or you may not see it.",
        hint=f"Did you mean {' or '.join(map(repr, near))}?"
        if near
        else "See wk.folders for those there are.",
    )


folders: Final = Folders()
"""Of the current connection."""
