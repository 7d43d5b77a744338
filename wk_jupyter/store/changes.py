"""Changes of the catalog: written with what they change, told when they hold.

Whoever changes people, folders or datasets does so in ``Changes.writing``: the change is noted in the
same transaction, and when that is through, listeners in this process are told at once. Other processes
on the same catalog read the notes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import sqlalchemy as sa

from wk_jupyter.store.catalog.database import now_ms, writing
from wk_jupyter.store.catalog.tables import changes
from wk_jupyter.store.records import DatasetRecord, FolderRecord, UserRecord

Noun: TypeAlias = Literal["dataset", "folder", "team", "user", "job"]
Kind: TypeAlias = Literal["added", "changed", "removed"]
Listener: TypeAlias = Callable[[], None]
_KEPT: Final = 10_000


class Change(NamedTuple):
    """``subject_id`` None: many of the noun. ``before``: who could see it, where that may have changed."""

    number: int
    time: int
    organization_id: str
    noun: Noun
    kind: Kind
    subject_id: str | None
    before: Mapping[str, Any] | None


@dataclass
class Writer:
    """An open transaction, and what it notes."""

    connection: sa.Connection
    notes: list[dict[str, Any]] = field(default_factory=list)

    def note(
        self,
        noun: Noun,
        kind: Kind,
        subject_id: str | None,
        organization_id: str,
        *,
        before: DatasetRecord | FolderRecord | UserRecord | None = None,
    ) -> None:
        """Note a change. ``before`` is the subject as it was, for those who lose or gain sight of it."""
        self.notes.append(
            {
                "time": now_ms(),
                "organization_id": organization_id,
                "noun": noun,
                "kind": kind,
                "subject_id": subject_id,
                "before": None if before is None else visibility(before),
            }
        )


class Changes:
    """The journal of one catalog. Thread-safe."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._listeners: list[Listener] = []

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """A transaction that may read first and write then; listeners are told after it has held."""
        with writing(self._engine) as connection:
            writer = Writer(connection)
            yield writer
            if writer.notes:
                connection.execute(sa.insert(changes), writer.notes)
                newest = connection.scalar(sa.select(sa.func.max(changes.c.number))) or 0
                connection.execute(sa.delete(changes).where(changes.c.number <= newest - _KEPT))
        if writer.notes:
            for listener in tuple(self._listeners):
                listener()

    def listen(self, listener: Listener) -> None:
        """Have a function called after each change, on the thread that made it: it must be quick."""
        self._listeners.append(listener)

    def newest(self) -> int:
        """Return the number of the last change, 0 where there is none."""
        with self._engine.connect() as connection:
            return connection.scalar(sa.select(sa.func.max(changes.c.number))) or 0

    def since(self, number: int, limit: int = 1000) -> list[Change]:
        """Return changes after a number, in their order."""
        rows = sa.select(*changes.c).where(changes.c.number > number).order_by(changes.c.number).limit(limit)
        with self._engine.connect() as connection:
            return [Change(*row) for row in connection.execute(rows)]


def visibility(subject: DatasetRecord | FolderRecord | UserRecord) -> dict[str, Any]:
    """Return what decides who may see something, as JSON."""
    if isinstance(subject, UserRecord):
        return {"team_ids": sorted(membership.team_id for membership in subject.memberships)}
    teams = {"team_ids": sorted(subject.cumulative_team_ids)}
    if isinstance(subject, FolderRecord):
        return {"parent_id": subject.parent_id, **teams}
    return {
        "is_public": subject.is_public,
        "owner_id": subject.owner_id,
        "trashed": subject.trashed,
        **teams,
    }
