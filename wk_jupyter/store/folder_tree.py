"""The folders that datasets lie in: who sees them, and who may change what about them.

A folder is a row of the catalog, none on the disk. Teams that are allowed on it see all that lies below.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from wk_jupyter.errors import Conflict, InvalidInput
from wk_jupyter.store.access import Action, Principal, no_such_folder
from wk_jupyter.store.allowed_teams import teams_to_be, write_teams
from wk_jupyter.store.catalog.folders import (
    all_folders,
    count_datasets,
    count_folders,
    depth_of,
    find_folder,
    insert_folder,
    move_folder,
)
from wk_jupyter.store.catalog.tables import datasets, folder_teams, folders, teams
from wk_jupyter.store.catalog.teams import find_teams
from wk_jupyter.store.changes import Writer
from wk_jupyter.store.context import Context
from wk_jupyter.store.expectations import require_as_expected
from wk_jupyter.store.metadata import checked_metadata
from wk_jupyter.store.names import checked_name
from wk_jupyter.store.records import FolderMove, FolderRecord

MAX_DEPTH: Final = 64


@dataclass(frozen=True)
class FolderPatch:
    """What shall change about a folder, or what it was when it was last seen; None: nothing is said."""

    name: str | None = None
    team_ids: frozenset[str] | None = None
    metadata: Sequence[Mapping[str, Any]] | None = None


_UNSAID: Final = FolderPatch()


class Folders:
    """Reads and changes folders on somebody's behalf. Thread-safe."""

    def __init__(self, context: Context) -> None:
        self._context = context

    # --- reading ----------------------------------------------------------------------------

    def root(self, principal: Principal) -> FolderRecord:
        """Return the folder that all others of the principal's organization lie in. Raises NotFound."""
        is_root = sa.and_(folders.c.organization_id == self._home(principal), folders.c.parent_id.is_(None))
        with self._context.engine.connect() as connection:
            root_id = connection.execute(sa.select(folders.c.id).where(is_root)).scalar_one()
            return self._folder(connection, principal, root_id, Action.READ)

    def get(self, principal: Principal, folder_id: str) -> FolderRecord:
        """Return a folder. Raises NotFound, also for those that one may not see."""
        with self._context.engine.connect() as connection:
            return self._folder(connection, principal, folder_id, Action.READ)

    def tree(self, principal: Principal) -> list[FolderRecord]:
        """Return all folders that the principal may see: the root first, each before those in it, by name.

        ``parent_id`` is the nearest folder above that she may see.
        """
        with self._context.engine.connect() as connection:
            every = all_folders(connection, self._home(principal))
        seen: list[FolderRecord] = []
        shown_under: dict[
            str, str | None
        ] = {}  # for each folder: itself where she sees it, else its parent's
        for folder in every:
            above = None if folder.parent_id is None else shown_under[folder.parent_id]
            shown_under[folder.id] = above
            if self._context.policy.may_folder(principal, Action.READ, folder):
                shown_under[folder.id] = folder.id
                seen.append(replace(folder, parent_id=above))
        return seen

    def dataset_counts(self, principal: Principal) -> dict[str, int]:
        """Return how many datasets that the principal may see lie in folders, by ids; none: left out."""
        counted = (
            sa.select(datasets.c.folder_id, sa.func.count())
            .where(self._context.policy.readable(principal))
            .where(datasets.c.organization_id == self._home(principal))
            .group_by(datasets.c.folder_id)
        )
        with self._context.engine.connect() as connection:
            return {folder_id: count for folder_id, count in connection.execute(counted)}  # noqa: C416 - rows

    def may_edit(self, principal: Principal, folder: FolderRecord) -> bool:
        return self._context.policy.may_folder(principal, Action.EDIT, folder)

    # --- changing ---------------------------------------------------------------------------

    def create(self, principal: Principal, parent_id: str, name: str) -> FolderRecord:
        """Make a folder in another. Raises NotFound, Forbidden, InvalidInput, Conflict for a taken name."""
        name = _checked(name)
        with self._context.changes.writing() as writer:
            connection = writer.connection
            parent = self._folder(connection, principal, parent_id, Action.EDIT)
            _require_depth(depth_of(connection, parent.id) + 1)
            with _each_name_once(writer, name):
                folder_id = insert_folder(connection, parent.organization_id, parent.id, name)
            writer.note("folder", "added", folder_id, parent.organization_id)
            return self._folder(connection, principal, folder_id, Action.EDIT)

    def update(
        self, principal: Principal, folder_id: str, patch: FolderPatch, expected: FolderPatch = _UNSAID
    ) -> FolderRecord:
        """Change a folder's name, its own teams and its metadata.

        Team managers add and take away teams that they manage; other teams stay. Raises NotFound,
        Forbidden, InvalidInput, Conflict for a taken name or where something is not as it was ``expected``.
        """
        with self._context.changes.writing() as writer:
            connection = writer.connection
            folder = self._folder(connection, principal, folder_id, Action.EDIT)
            require_as_expected(f"the folder {folder.name!r}", _said(expected), _said(folder))
            values = _differing(folder, patch)
            if values:
                with _each_name_once(writer, values.get("name", folder.name)):
                    connection.execute(sa.update(folders).where(folders.c.id == folder.id).values(values))
            allowed = folder.team_ids
            if patch.team_ids is not None:
                home = folder.organization_id
                allowed = teams_to_be(
                    connection, principal, home, current=folder.team_ids, wanted=patch.team_ids
                )
            if allowed != folder.team_ids:
                key = {"folder_id": folder.id}
                write_teams(connection, folder_teams, key, current=folder.team_ids, wanted=allowed)
                writer.note("dataset", "changed", None, folder.organization_id)  # others see them now
            if values or allowed != folder.team_ids:
                writer.note("folder", "changed", folder.id, folder.organization_id, before=folder)
            # Without asking again whether she may: she may have taken away the team by which she did.
            return find_folder(connection, folder.id) or folder

    def move(
        self, principal: Principal, folder_id: str, parent_id: str, *, preview: bool = False
    ) -> FolderMove:
        """Put a folder with all below it into another, and tell who sees it more and who less.

        ``preview``: it is told what would be, and nothing is done. Raises NotFound, Forbidden,
        InvalidInput for the root and for a place inside of the folder, Conflict for a taken name.
        """
        with self._context.changes.writing() as writer:
            connection = writer.connection
            folder = self._folder(connection, principal, folder_id, Action.EDIT)
            target = self._folder(connection, principal, parent_id, Action.EDIT)
            self._require_movable(connection, folder, target)
            moved = replace(
                folder,
                parent_id=target.id,
                cumulative_team_ids=folder.team_ids | target.cumulative_team_ids,
            )
            if not preview and folder.parent_id != target.id:
                with _each_name_once(writer, folder.name):
                    move_folder(connection, folder.id, target.id)
                writer.note("folder", "changed", folder.id, folder.organization_id, before=folder)
                writer.note("dataset", "changed", None, folder.organization_id)  # others see them now
            before, after = folder.cumulative_team_ids, moved.cumulative_team_ids
            return FolderMove(
                folder if preview else moved,
                gained=tuple(find_teams(connection, teams.c.id.in_(sorted(after - before)))),
                lost=tuple(find_teams(connection, teams.c.id.in_(sorted(before - after)))),
                dataset_count=count_datasets(connection, folder.id),
            )

    def delete(self, principal: Principal, folder_id: str) -> None:
        """Delete a folder in which nothing lies; what of it is in the trash comes back to the root.

        Raises NotFound, Forbidden, InvalidInput for the root, Conflict where something lies in it.
        """
        with self._context.changes.writing() as writer:
            connection = writer.connection
            folder = self._folder(connection, principal, folder_id, Action.EDIT)
            if folder.parent_id is None:
                raise InvalidInput(f"the folder {folder.name!r} is the root: it cannot be deleted.")
            inside = (count_folders(connection, folder.id), count_datasets(connection, folder.id))
            if any(inside):
                raise Conflict(
                    f"the folder {folder.name!r} is not empty: it has folders ({inside[0]}) or datasets "
                    f"({inside[1]}).",
                    hint="Move or delete them first.",
                )
            is_root = sa.and_(
                folders.c.organization_id == folder.organization_id, folders.c.parent_id.is_(None)
            )
            root_id = connection.execute(sa.select(folders.c.id).where(is_root)).scalar_one()
            in_it = sa.update(datasets).where(datasets.c.folder_id == folder.id)
            if connection.execute(in_it.values(folder_id=root_id)).rowcount:
                writer.note("dataset", "changed", None, folder.organization_id)
            connection.execute(sa.delete(folders).where(folders.c.id == folder.id))
            writer.note("folder", "removed", folder.id, folder.organization_id, before=folder)

    # --- shared -----------------------------------------------------------------------------

    def _home(self, principal: Principal) -> str:
        return principal.organization_id or self._context.home.id

    def _folder(
        self, connection: sa.Connection, principal: Principal, folder_id: str, action: Action
    ) -> FolderRecord:
        found = None if "\0" in folder_id else find_folder(connection, folder_id)
        if found is None:
            raise no_such_folder(folder_id)
        self._context.policy.require_folder(principal, action, found)
        return found

    @staticmethod
    def _require_movable(connection: sa.Connection, folder: FolderRecord, target: FolderRecord) -> None:
        """Raise InvalidInput where a folder has no place in another, Conflict where its name is taken."""
        if folder.parent_id is None:
            raise InvalidInput(f"the folder {folder.name!r} is the root: it cannot be moved.")
        if folder.organization_id != target.organization_id:
            raise InvalidInput("newParentId: folders stay in their organization.")
        depths: dict[str, int] = {}
        below: dict[str, int] = {}
        every = all_folders(connection, folder.organization_id)
        for each in every:
            depths[each.id] = depths.get(each.parent_id or "", 0) + 1
            if each.id == folder.id or each.parent_id in below:
                below[each.id] = depths[each.id]
        if target.id in below:
            raise InvalidInput(
                f"newParentId: the folder {folder.name!r} cannot be moved into itself or what is below it.",
                hint="Take a folder beside or above it.",
            )
        # What cannot be reached from the root has no depth: only a hand in the database makes that.
        height = max(below.values(), default=1) - depths.get(folder.id, 1) + 1
        _require_depth(depths.get(target.id, 1) + height)
        if any(
            each.parent_id == target.id and each.name == folder.name and each.id != folder.id
            for each in every
        ):
            raise _name_is_taken(folder.name)


def _said(about: FolderPatch | FolderRecord) -> dict[str, Any]:
    """Return what is said about a folder, to be compared, by the names that the wire has."""
    said = {
        "name": about.name,
        "allowedTeams": None if about.team_ids is None else sorted(about.team_ids),
        "metadata": None if about.metadata is None else [dict(entry) for entry in about.metadata],
    }
    return {name: value for name, value in said.items() if value is not None}


def _differing(folder: FolderRecord, patch: FolderPatch) -> dict[str, Any]:
    """Return the columns that a patch changes. Raises InvalidInput."""
    values: dict[str, Any] = {}
    if patch.name is not None:
        values["name"] = _checked(patch.name)
    if patch.metadata is not None:
        values["metadata"] = list(checked_metadata(patch.metadata))
    now = {"name": folder.name, "metadata": list(folder.metadata)}
    return {name: value for name, value in values.items() if value != now[name]}


def _checked(name: str) -> str:
    return checked_name(name, "name", refused="/")


def _require_depth(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise InvalidInput(
            f"the folder would be on level {depth} of the tree; there are at most {MAX_DEPTH}.",
            hint="Take a place nearer to the root.",
        )


@contextmanager
def _each_name_once(writer: Writer, name: str) -> Iterator[None]:
    """The database refuses two folders of one name in one folder, whoever else writes at the time."""
    try:
        with writer.connection.begin_nested():
            yield
    except IntegrityError:
        raise _name_is_taken(name) from None


def _name_is_taken(name: str) -> Conflict:
    return Conflict(f"there is a folder {name!r} already in this place.", hint="Take another name.")
