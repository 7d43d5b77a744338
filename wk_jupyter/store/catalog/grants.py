"""Which teams may see what: of datasets and of folders, with all that comes down from folders above."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from wk_jupyter.store.catalog.tables import dataset_teams, folder_teams, folders

_IDS_AT_ONCE: Final = 500  # databases have limits


class Grants(NamedTuple):
    """Teams by id: those of the thing itself, and with those of all folders above it."""

    own: frozenset[str]
    cumulative: frozenset[str]


def dataset_grants(connection: sa.Connection, folder_of: Mapping[str, str]) -> dict[str, Grants]:
    """Return what is granted on datasets, which are given by id with the folder that each lies in."""
    own: dict[str, set[str]] = {}
    for dataset_id, team_id in _rows(connection, _of_datasets(), folder_of):
        own.setdefault(dataset_id, set()).add(team_id)
    above = {key: grants.cumulative for key, grants in folder_grants(connection, folder_of.values()).items()}
    return {
        dataset_id: Grants(frozenset(own.get(dataset_id, ())), above[folder_id] | own.get(dataset_id, set()))
        for dataset_id, folder_id in folder_of.items()
    }


def folder_grants(connection: sa.Connection, folder_ids: Iterable[str]) -> dict[str, Grants]:
    """Return what is granted on folders, by their ids."""
    wanted = sorted(set(folder_ids))
    own: dict[str, set[str]] = {}
    cumulative: dict[str, set[str]] = {}
    for folder_id, at, team_id in _rows(connection, _of_folders(), wanted):
        cumulative.setdefault(folder_id, set()).add(team_id)
        if at == folder_id:
            own.setdefault(folder_id, set()).add(team_id)
    return {
        folder_id: Grants(frozenset(own.get(folder_id, ())), frozenset(cumulative.get(folder_id, ())))
        for folder_id in wanted
    }


def chains_up(condition: sa.ColumnElement[bool]) -> sa.CTE:
    """Return (start, id): each folder that meets the condition with itself and all folders above it."""
    chain = (
        sa.select(folders.c.id.label("start"), folders.c.id, folders.c.parent_id)
        .where(condition)
        .cte("chain", recursive=True)
    )
    parent = folders.alias("parent")
    # UNION, not UNION ALL: it ends even if somebody made a circle by hand.
    return chain.union(
        sa.select(chain.c.start, parent.c.id, parent.c.parent_id).join(
            chain, parent.c.id == chain.c.parent_id
        )
    )


def subtree(condition: sa.ColumnElement[bool], name: str = "subtree") -> sa.CTE:
    """Return the ids of folders that meet the condition, and of all below them."""
    tree = sa.select(folders.c.id).where(condition).cte(name, recursive=True)
    child = folders.alias(f"{name}_child")
    return tree.union(sa.select(child.c.id).join(tree, child.c.parent_id == tree.c.id))


@cache  # to make a statement takes longer than to run it
def _of_datasets() -> sa.Select[Any]:
    columns = dataset_teams.c
    return sa.select(columns.dataset_id, columns.team_id).where(columns.dataset_id.in_(_ids()))


@cache
def _of_folders() -> sa.Select[Any]:
    chain = chains_up(folders.c.id.in_(_ids()))
    return sa.select(chain.c.start, chain.c.id, folder_teams.c.team_id).join(
        folder_teams, folder_teams.c.folder_id == chain.c.id
    )


def _ids() -> sa.BindParameter[Any]:
    return sa.bindparam("ids", expanding=True, type_=folders.c.id.type)


def _rows(
    connection: sa.Connection, statement: sa.Select[Any], ids: Iterable[str]
) -> Iterator[sa.Row[*tuple[Any, ...]]]:
    wanted = list(ids)
    for start in range(0, len(wanted), _IDS_AT_ONCE):
        yield from connection.execute(statement, {"ids": wanted[start : start + _IDS_AT_ONCE]}).all()
