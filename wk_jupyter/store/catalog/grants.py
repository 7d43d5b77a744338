"""Which teams may see what: of datasets and of folders, with all that comes down from folders above."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cache
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from wk_jupyter.store.catalog.tables import dataset_teams, folder_ancestors, folder_teams

_IDS_AT_ONCE: Final = 512  # databases have limits


class Grants(NamedTuple):
    """Teams by id: those of the thing itself, and with those of all folders above it."""

    own: frozenset[str]
    cumulative: frozenset[str]


_NOTHING: Final = Grants(frozenset(), frozenset())


def dataset_grants(connection: sa.Connection, folder_of: Mapping[str, str]) -> dict[str, Grants]:
    """Return what is granted on datasets, which are given by id with the folder that each lies in."""
    found: dict[str, Grants] = {}
    every = list(folder_of.items())
    for start in range(0, len(every), _IDS_AT_ONCE):
        part = dict(every[start : start + _IDS_AT_ONCE])
        folder_ids = sorted(set(part.values()))
        asked = {"datasets": filled_up(part), "folders": filled_up(folder_ids)}
        rows = [tuple(row) for row in connection.execute(_of_datasets(), asked)]
        own = _granted([row for row in rows if row[1] is None], part)
        above = _granted([row for row in rows if row[1] is not None], folder_ids)
        for dataset_id, folder_id in part.items():
            direct = own[dataset_id].cumulative
            found[dataset_id] = Grants(direct, direct | above[folder_id].cumulative)
    return found


def folder_grants(connection: sa.Connection, folder_ids: Iterable[str]) -> dict[str, Grants]:
    """Return what is granted on folders, by their ids."""
    wanted = sorted(set(folder_ids))
    found: dict[str, Grants] = {}
    for start in range(0, len(wanted), _IDS_AT_ONCE):
        part = wanted[start : start + _IDS_AT_ONCE]
        rows = connection.execute(_of_folders(), {"folders": filled_up(part)})
        found |= _granted([tuple(row) for row in rows], part)
    return found


def filled_up(ids: Collection[str]) -> list[str]:
    """Return ids, some of them repeated, so that there are few different statements for databases to plan."""
    wanted = list(ids)
    size = 1
    while size < len(wanted):
        size *= 8
    return wanted + wanted[-1:] * (min(size, max(_IDS_AT_ONCE, len(wanted))) - len(wanted))


def folders_below(folder_id: str) -> sa.Select[tuple[str]]:
    """Return the ids of a folder and of all below it."""
    return sa.select(folder_ancestors.c.folder_id).where(folder_ancestors.c.ancestor_id == folder_id)


def granted_folders(team_ids: Collection[str] | sa.BindParameter[Any]) -> sa.Select[tuple[str]]:
    """Return the ids of folders that teams are allowed on, and of all below them; some more than once."""
    granted = folder_teams.join(folder_ancestors, folder_ancestors.c.ancestor_id == folder_teams.c.folder_id)
    return (
        sa.select(folder_ancestors.c.folder_id)
        .select_from(granted)
        .where(folder_teams.c.team_id.in_(team_ids))
    )


def _granted(rows: Iterable[tuple[Any, ...]], subjects: Iterable[str]) -> dict[str, Grants]:
    """Gather rows of (subject, where the team is allowed, team)."""
    own: dict[str, set[str]] = {}
    cumulative: dict[str, set[str]] = {}
    for subject, at, team_id in rows:
        cumulative.setdefault(subject, set()).add(team_id)
        if at == subject:
            own.setdefault(subject, set()).add(team_id)
    granted = {
        subject: Grants(frozenset(own.get(subject, ())), frozenset(teams))
        for subject, teams in cumulative.items()
    }
    return {subject: granted.get(subject, _NOTHING) for subject in subjects}


@cache  # to make a statement takes longer than to run it
def _of_datasets() -> sa.CompoundSelect[Any]:
    columns = dataset_teams.c
    own = sa.select(columns.dataset_id, sa.null().label("at"), columns.team_id)
    return own.where(columns.dataset_id.in_(_ids("datasets"))).union_all(_of_folders())


@cache
def _of_folders() -> sa.Select[Any]:
    columns = folder_ancestors.c
    return (
        sa.select(columns.folder_id, columns.ancestor_id, folder_teams.c.team_id)
        .join(folder_teams, folder_teams.c.folder_id == columns.ancestor_id)
        .where(columns.folder_id.in_(_ids("folders")))
    )


def _ids(name: str) -> sa.BindParameter[Any]:
    return sa.bindparam(name, expanding=True, type_=folder_ancestors.c.folder_id.type)
