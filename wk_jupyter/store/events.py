"""Changes as one principal may learn of them: what she sees now, and what she saw before the change.

Who gains sight of something is told that it was added, who loses it that it was removed, whatever
happened to it for others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias, cast

import sqlalchemy as sa

from wk_jupyter.store.access import Action, Principal
from wk_jupyter.store.catalog.folders import find_folder
from wk_jupyter.store.catalog.listing import find_datasets
from wk_jupyter.store.catalog.tables import changes, datasets, teams, users
from wk_jupyter.store.catalog.teams import find_teams
from wk_jupyter.store.catalog.users import find_users
from wk_jupyter.store.changes import Change, Kind, Noun
from wk_jupyter.store.context import Context
from wk_jupyter.store.jobs import find_jobs, sees_job
from wk_jupyter.store.people import sees_team, sees_user, team_ids_of
from wk_jupyter.store.records import DatasetRecord, FolderRecord, JobRecord, TeamRecord, UserRecord

_AT_ONCE: Final = 500  # changes, and ids in a statement
Subject: TypeAlias = DatasetRecord | FolderRecord | JobRecord | TeamRecord | UserRecord


class Event(NamedTuple):
    """``number``: that of the change. ``id`` None: many of the noun, of which one may see some."""

    number: int
    noun: Noun
    kind: Kind
    id: str | None


class Happened(NamedTuple):
    """A change with what it is about, as that is now; None: it is gone, or the change is about many."""

    change: Change
    subject: Subject | None


class Report(NamedTuple):
    """What happened after a number, as far as ``newest``.

    ``has_gap``: the journal does not reach back to that number, or never came to it.
    """

    happened: list[Happened]
    newest: int
    has_gap: bool = False


class Events:
    """Reads the journal on somebody's behalf. Thread-safe."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def read(self, number: int) -> Report:
        """Return the next changes after a number for everybody, to be told by ``told``."""
        with self._context.engine.connect() as connection:
            ends = sa.select(sa.func.min(changes.c.number), sa.func.max(changes.c.number))
            oldest, newest = connection.execute(ends).one()
            if newest is None or not oldest - 1 <= number <= newest:
                return Report([], newest or 0, has_gap=number != (newest or 0))
            if number == newest:
                return Report([], newest)
            rows = sa.select(*changes.c).where(changes.c.number > number)
            found = [
                Change(*row)
                for row in connection.execute(rows.order_by(changes.c.number).limit(_AT_ONCE)).all()
            ]
            subjects = _subjects(connection, found)
        happened = [Happened(each, subjects.get((each.noun, each.subject_id))) for each in found]
        return Report(happened, found[-1].number)

    def told(self, principal: Principal, happened: Sequence[Happened]) -> list[Event]:
        """Return what one principal may learn of what happened. Asks nothing of the database."""
        events = []
        for change, subject in happened:
            kind = self._kind(principal, change, subject)
            if kind is not None:
                events.append(Event(change.number, change.noun, kind, change.subject_id))
        return events

    def _kind(self, principal: Principal, change: Change, subject: Subject | None) -> Kind | None:
        """What a change is to a principal; None: nothing that she may learn of."""
        if change.subject_id is None or (change.noun == "team" and change.kind == "removed"):
            # Many, or an id that leads nowhere any more: to whom it mattered is not known.
            return change.kind if principal.is_member_of(change.organization_id) else None
        sees = subject is not None and self._sees(principal, subject)
        if change.before is None:
            return change.kind if sees else None
        saw = self._saw(principal, change, change.before)
        if not sees or change.kind == "removed":
            return "removed" if saw or sees else None
        return change.kind if saw else "added"

    def _sees(self, principal: Principal, subject: Subject) -> bool:
        if isinstance(subject, FolderRecord):
            return self._context.policy.may_folder(principal, Action.READ, subject)
        if isinstance(subject, UserRecord):
            return sees_user(principal, subject.organization_id, subject.id, team_ids_of(subject))
        if isinstance(subject, JobRecord):
            return sees_job(principal, subject)
        if isinstance(subject, TeamRecord):
            return sees_team(principal, subject)
        return self._context.policy.may(principal, Action.READ, subject)

    def _saw(self, principal: Principal, change: Change, before: Mapping[str, Any]) -> bool:
        subject_id, organization_id = cast("str", change.subject_id), change.organization_id
        team_ids = frozenset(before["team_ids"])
        if change.noun == "user":
            return sees_user(principal, organization_id, subject_id, team_ids)
        if change.noun == "folder":
            folder = FolderRecord(
                subject_id, organization_id, "", before["parent_id"], cumulative_team_ids=team_ids
            )
            return self._context.policy.may_folder(principal, Action.READ, folder)
        dataset = _DatasetBefore(
            id=subject_id,
            organization_id=organization_id,
            is_public=before["is_public"],
            owner_id=before["owner_id"],
            cumulative_team_ids=team_ids,
            trashed=before["trashed"],
        )
        return self._context.policy.may(principal, Action.READ, dataset)


@dataclass(frozen=True)
class _DatasetBefore:
    """What the rule of access asks of a dataset, as it was. Its sharing token is not remembered."""

    id: str
    organization_id: str
    is_public: bool
    owner_id: str | None
    cumulative_team_ids: frozenset[str]
    trashed: int | None
    sharing_nonce: str | None = None


def _subjects(
    connection: sa.Connection, happened: Sequence[Change]
) -> dict[tuple[Noun, str | None], Subject]:
    """Return what changes are about, as far as it is still there. At most ``_AT_ONCE`` changes."""
    ids: dict[Noun, set[str]] = {
        "dataset": set(),
        "folder": set(),
        "team": set(),
        "user": set(),
        "job": set(),
    }
    for change in happened:
        if change.subject_id is not None:
            ids[change.noun].add(change.subject_id)
    found: dict[tuple[Noun, str | None], Subject] = {}
    for dataset in find_datasets(connection, datasets.c.id.in_(ids["dataset"])) if ids["dataset"] else ():
        found["dataset", dataset.id] = dataset
    for user in find_users(connection, users.c.id.in_(ids["user"])) if ids["user"] else ():
        found["user", user.id] = user
    for team in find_teams(connection, teams.c.id.in_(ids["team"])) if ids["team"] else ():
        found["team", team.id] = team
    for job in find_jobs(connection, ids["job"]) if ids["job"] else ():
        found["job", job.id] = job
    for folder_id in ids["folder"]:
        folder = find_folder(connection, folder_id)
        if folder is not None:
            found["folder", folder_id] = folder
    return found
