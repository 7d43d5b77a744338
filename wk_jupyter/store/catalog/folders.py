"""Folders in the catalog: rows of a tree, with the teams that may see what is in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import sqlalchemy as sa

from wk_jupyter.store.catalog.database import new_id
from wk_jupyter.store.catalog.grants import folder_grants, folders_below
from wk_jupyter.store.catalog.tables import datasets, folder_ancestors, folder_teams, folders
from wk_jupyter.store.catalog.text import fold
from wk_jupyter.store.records import FolderRecord


def find_folder(connection: sa.Connection, folder_id: str) -> FolderRecord | None:
    """Return a folder by its id."""
    row = connection.execute(sa.select(*folders.c).where(folders.c.id == folder_id)).first()
    if row is None:
        return None
    own, cumulative = folder_grants(connection, [row.id])[row.id]
    return FolderRecord(
        row.id, row.organization_id, row.name, row.parent_id, tuple(row.metadata), own, cumulative
    )


def all_folders(connection: sa.Connection, organization_id: str) -> list[FolderRecord]:
    """Return an organization's folders: the root first, each before those in it, these by name."""
    is_own = folders.c.organization_id == organization_id
    rows = connection.execute(sa.select(*folders.c).where(is_own)).all()
    granted = sa.select(folder_teams.c.folder_id, folder_teams.c.team_id)
    own: dict[str, set[str]] = {}
    for folder_id, team_id in connection.execute(granted.join(folders).where(is_own)):
        own.setdefault(folder_id, set()).add(team_id)
    children: dict[str | None, list[FolderRecord]] = {}
    for row in rows:
        teams = frozenset(own.get(row.id, ()))
        record = FolderRecord(row.id, organization_id, row.name, row.parent_id, tuple(row.metadata), teams)
        children.setdefault(row.parent_id, []).append(record)
    return list(_walk(children))


def _walk(children: dict[str | None, list[FolderRecord]]) -> Iterator[FolderRecord]:
    """Each folder before those in it, with the teams that come down to it."""
    waiting = [(root, root.team_ids) for root in children.get(None, ())]
    while waiting:
        record, cumulative = waiting.pop()
        yield replace(record, cumulative_team_ids=cumulative)
        inside = sorted(children.get(record.id, ()), key=lambda each: (fold(each.name), each.name))
        waiting += [(each, cumulative | each.team_ids) for each in reversed(inside)]


def depth_of(connection: sa.Connection, folder_id: str) -> int:
    """Return on which level of the tree a folder is; the root is on the first."""
    above = sa.select(sa.func.count()).where(folder_ancestors.c.folder_id == folder_id)
    return connection.execute(above).scalar_one()


def count_folders(connection: sa.Connection, parent_id: str) -> int:
    """Return how many folders lie in one."""
    inside = sa.select(sa.func.count()).select_from(folders).where(folders.c.parent_id == parent_id)
    return connection.execute(inside).scalar_one()


def count_datasets(connection: sa.Connection, folder_id: str) -> int:
    """Return how many datasets lie in a folder and those below it, but for the trash."""
    inside = datasets.c.folder_id.in_(folders_below(folder_id))
    there = sa.select(sa.func.count()).select_from(datasets).where(inside, datasets.c.trashed.is_(None))
    return connection.execute(there).scalar_one()


def insert_folder(connection: sa.Connection, organization_id: str, parent_id: str | None, name: str) -> str:
    """Write a new folder without teams of its own; None: the root. Returns its id. Raises IntegrityError."""
    folder_id = new_id()
    place = {"organization_id": organization_id, "parent_id": parent_id}
    connection.execute(sa.insert(folders).values(id=folder_id, name=name, metadata=[], **place))
    itself = {"folder_id": folder_id, "ancestor_id": folder_id}
    connection.execute(sa.insert(folder_ancestors).values(itself))
    if parent_id is not None:
        _put_below(connection, folder_id, parent_id)
    return folder_id


def move_folder(connection: sa.Connection, folder_id: str, parent_id: str) -> None:
    """Write a folder's new place, which is not below it. Raises IntegrityError."""
    connection.execute(sa.update(folders).where(folders.c.id == folder_id).values(parent_id=parent_id))
    inside = folders_below(folder_id)
    from_inside_to_above = sa.and_(
        folder_ancestors.c.folder_id.in_(inside), folder_ancestors.c.ancestor_id.not_in(inside)
    )
    connection.execute(sa.delete(folder_ancestors).where(from_inside_to_above))
    _put_below(connection, folder_id, parent_id)


def _put_below(connection: sa.Connection, folder_id: str, parent_id: str) -> None:
    """Note all that is above the parent as above the folder, and above all that is below it."""
    inside, above = folder_ancestors.alias("inside"), folder_ancestors.alias("above")
    each_with_each = inside.join(above, above.c.folder_id == parent_id)
    pairs = (
        sa.select(inside.c.folder_id, above.c.ancestor_id)
        .select_from(each_with_each)
        .where(inside.c.ancestor_id == folder_id)
    )
    connection.execute(sa.insert(folder_ancestors).from_select(["folder_id", "ancestor_id"], pairs))
