"""Deliveries become datasets on somebody's behalf: at once where they are stored formats, else by a job.

What is being imported lies in ``<organization>/.importing/<dataset id>``: ``source`` is what was brought,
``work`` the conversion's. The dataset's row is there from the start, and says that it is being imported;
its folder comes to its place by one rename, inside of the transaction that says so. Whoever is killed in
between leaves what the next start finishes or puts right.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from wk_jupyter.errors import Conflict, Forbidden, NotFound, UnsupportedFormat, WkError
from wk_jupyter.store.access import Action, Principal, no_such_folder
from wk_jupyter.store.allowed_teams import teams_to_be, write_teams
from wk_jupyter.store.catalog.database import new_id, now_ms
from wk_jupyter.store.catalog.folders import find_folder
from wk_jupyter.store.catalog.organizations import all_organizations
from wk_jupyter.store.catalog.tables import SORT_LENGTH, dataset_teams, datasets, jobs
from wk_jupyter.store.catalog.text import dataset_text, fold
from wk_jupyter.store.changes import Writer
from wk_jupyter.store.context import Context
from wk_jupyter.store.imports.options import ImportOptions, parse_options
from wk_jupyter.store.imports.placing import IMPORTING, SOURCE, Placing, is_locked, locked
from wk_jupyter.store.imports.process import ImportProcess, Request, error_told
from wk_jupyter.store.imports.proposal import Inspection
from wk_jupyter.store.imports.stored import arrange
from wk_jupyter.store.jobs import Jobs
from wk_jupyter.store.names import checked_name
from wk_jupyter.store.records import DatasetRecord, JobRecord, OrganizationRecord

KIND: Final = "import"
_KEPT_SECONDS: Final = 14 * 86_400
_ID: Final = re.compile(r"[0-9a-f]{24}")


@dataclass(frozen=True)
class Delivery:
    """What somebody brings. ``folder``: its files, on the data directory's own disk; it is taken over.

    ``path``: files that stay where they are, instead; ``link``: a stored format there is linked, not copied.
    With a folder, ``link`` says that its links were checked, and may lead out of it.
    ``dataset_id``: chosen before, by whom may ask twice.
    """

    name: str
    folder: Path | None = None
    path: Path | None = None
    link: bool = False
    folder_id: str | None = None
    team_ids: tuple[str, ...] = ()
    options: ImportOptions = field(default_factory=ImportOptions)
    dataset_id: str | None = None


@dataclass(frozen=True)
class Taken:
    """The dataset that there will be, and the job that makes it; None: it is there."""

    dataset_id: str
    job_id: str | None


class Imports:
    """Takes deliveries. Thread-safe; blocks while folders are looked at."""

    def __init__(self, context: Context, job_list: Jobs, allowed_roots: tuple[Path, ...] = ()) -> None:
        self._context = context
        self._jobs = job_list
        self.placing = Placing(context, job_list)
        self._roots = tuple(Path(os.path.realpath(root)) for root in allowed_roots)

    def require_may_add(
        self, principal: Principal, *, name: str, folder_id: str | None = None, team_ids: tuple[str, ...] = ()
    ) -> None:
        """Raise what ``take`` would, before anything is sent: InvalidInput, Forbidden, NotFound."""
        with self._context.engine.connect() as connection:
            self._checked(connection, principal, Delivery(name, folder_id=folder_id, team_ids=team_ids))

    def take(self, principal: Principal, delivery: Delivery) -> Taken:
        """Make a dataset of a delivery. With a ``dataset_id`` it may be asked again, and answers the same.

        Stored formats are there when this returns; images become so by a job. Raises InvalidInput,
        Forbidden, NotFound, and WkError where a stored format cannot be used: then nothing is kept.
        """
        dataset_id = delivery.dataset_id or new_id()
        place = self.placing.root(self.organization_of(principal).name) / IMPORTING / dataset_id
        known = self._known(dataset_id)
        if known is not None:
            return known
        place.mkdir(parents=True, exist_ok=True)
        with locked(place):
            with self._context.changes.writing() as writer:
                record = self._insert(writer, principal, delivery, dataset_id)
                if delivery.folder is not None:
                    with contextlib.suppress(FileNotFoundError):  # moved before somebody was killed
                        delivery.folder.rename(place / SOURCE)
            if delivery.folder is not None and self._is_stored(place / SOURCE):
                try:
                    made = arrange(place / SOURCE, delivery.options, linked=delivery.link)
                    self.placing.put_in_place(record, made)
                except WkError:
                    self._drop(record)
                    raise
                return Taken(dataset_id, None)
            return Taken(dataset_id, self._start_job(principal, record, delivery))

    def take_path(self, principal: Principal, delivery: Delivery) -> Taken:
        """Make a dataset of files that stay where they are, by a job. Raises as ``take`` does."""
        assert delivery.path is not None
        self.require_path(principal, delivery.path)
        return self.take(principal, delivery)

    def inspect(self, principal: Principal, path: Path, hints: Mapping[str, Any]) -> Inspection:
        """Say what files are that the server can see, in a process of its own. Raises WkError."""
        self.require_path(principal, path)
        with tempfile.TemporaryDirectory() as folder:
            options = ImportOptions(hints=dict(hints))
            Request("", str(path), is_own=False, options=options, is_inspection=True).write(Path(folder))
            with ImportProcess(Path(folder)) as process:
                said = process.last_word()
        if "error" in said:
            raise error_told(said["error"])
        return msgspec.convert(said["inspection"], Inspection)

    def retry(self, principal: Principal, job_id: str, options: Mapping[str, Any]) -> JobRecord:
        """Have a failed import done again, with some options put right. Raises NotFound, Conflict."""
        job = self._jobs.get(principal, job_id)
        merged = {**job.request.get("options", {}), **options}
        parse_options(merged)
        return self._jobs.retry(principal, job_id, {"options": merged})

    def require_path(self, principal: Principal, path: Path) -> None:
        """Raise Forbidden where she may not have the server read a path, NotFound where nothing is there.

        Admins of the server's own organization may, within the allowed folders.
        """
        if not principal.administers(self._context.home.id):
            raise Forbidden(
                "only admins may import files by a path on the server.", hint="Upload them instead."
            )
        real = Path(os.path.realpath(path))
        if not path.is_absolute() or not any(real.is_relative_to(root) for root in self._roots):
            listed = ", ".join(map(str, self._roots)) or "nowhere"
            raise Forbidden(
                f"{path} is not in a folder from which may be imported ({listed}).",
                hint="WkJupyterApp.allowed_roots says from where.",
            )
        if not os.path.lexists(path):
            raise NotFound(f"there is nothing at {path}.", hint="Is it on a disk that is not mounted?")

    def organization_of(self, principal: Principal) -> OrganizationRecord:
        """Return where what she brings belongs."""
        if principal.organization_id in (None, self._context.home.id):
            return self._context.home
        known = all_organizations(self._context.engine)
        return next(each for each in known if each.id == principal.organization_id)

    def discard(self, principal: Principal, ref: str) -> None:
        """Give up an import, with all that was brought. Raises DatasetNotFound, Forbidden, Conflict."""
        with self._context.changes.writing() as writer:
            record = self._context.dataset(writer.connection, principal, ref, Action.EDIT)
            if record.status not in {"importing", "failed"}:
                raise Conflict(f"the dataset {record.name!r} is not being imported.", hint="Delete it.")
            is_on = sa.and_(
                jobs.c.dataset_id == record.id, jobs.c.state.in_(["pending", "running", "failed"])
            )
            for job_id in writer.connection.scalars(sa.select(jobs.c.id).where(is_on)).all():
                values = {"state": "cancelled", "finished": now_ms(), "runner": None}
                writer.connection.execute(sa.update(jobs).where(jobs.c.id == job_id).values(**values))
                writer.note("job", "changed", job_id, record.organization_id)
            self._delete_row(writer, record)
        self._remove_files(record)

    def recover(self, organization: OrganizationRecord) -> list[str]:
        """Settle what somebody who was killed left half done. Returns what was done, in words."""
        notices: list[str] = []
        unfinished: list[DatasetRecord] = []
        folder = self.placing.root(organization.name) / IMPORTING
        if not folder.is_dir():
            return notices
        doomed: list[Path] = []
        with self._context.changes.writing() as writer:
            for entry in sorted(folder.iterdir()):
                row = self._row(writer.connection, entry.name)
                if row is None and (entry / SOURCE).exists() and _is_young(entry):
                    continue  # brought by an upload that may be finished once more
                if row is None or row.status not in {"importing", "failed"}:
                    doomed += [] if is_locked(entry) else [entry]
                elif self.placing.finish_placed(writer, row):
                    self._end_jobs(writer, row)
                    notices.append(f"the import of {row.name} is finished.")
                    doomed.append(entry)
                elif row.status == "importing" and not is_locked(entry):
                    unfinished += [] if self._has_job(writer.connection, row.id) else [row]
        for record in unfinished:
            self._take_up(record)
            notices.append(f"the import of {record.name} goes on.")
        for path in doomed:
            shutil.rmtree(path, ignore_errors=True)
        return notices

    # --- rows -------------------------------------------------------------------------------

    def _checked(
        self, connection: sa.Connection, principal: Principal, delivery: Delivery
    ) -> tuple[OrganizationRecord, str, str, frozenset[str]]:
        """Return the organization, the name, the folder and the teams. Raises InvalidInput, Forbidden."""
        organization = self.organization_of(principal)
        may = principal.manages_something or principal.administers(organization.id)
        if not may:
            raise Forbidden(
                f"{principal.name} may not add datasets.",
                hint="Admins, dataset managers and managers of a team may.",
            )
        name = checked_name(delivery.name, "name")
        folder_id = delivery.folder_id or organization.root_folder_id
        folder = find_folder(connection, folder_id)
        if folder is None or folder.organization_id != organization.id:
            raise no_such_folder(folder_id)
        if delivery.folder_id is not None and folder.parent_id is not None:
            self._context.policy.require_folder(principal, Action.EDIT, folder)
        none: frozenset[str] = frozenset()
        teams = teams_to_be(connection, principal, organization.id, current=none, wanted=delivery.team_ids)
        return organization, name, folder_id, teams

    def _insert(
        self, writer: Writer, principal: Principal, delivery: Delivery, dataset_id: str
    ) -> DatasetRecord:
        organization, name, folder_id, teams = self._checked(writer.connection, principal, delivery)
        directory = f"{IMPORTING}/{dataset_id}"
        writer.connection.execute(
            sa.insert(datasets).values(
                id=dataset_id,
                organization_id=organization.id,
                folder_id=folder_id,
                directory_name=directory,
                name=name,
                owner_id=principal.user_id,
                created=now_ms(),
                status="importing",
                layers=[],
                disk_key="",
                sort_name=fold(name)[:SORT_LENGTH],
                search_text=dataset_text(name, name=name),
            )
        )
        key = {"dataset_id": dataset_id}
        write_teams(writer.connection, dataset_teams, key, current=frozenset(), wanted=teams)
        writer.note("dataset", "added", dataset_id, organization.id)
        return self._context.find(writer.connection, dataset_id)

    def _delete_row(self, writer: Writer, record: DatasetRecord) -> None:
        writer.note("dataset", "removed", record.id, record.organization_id, before=record)
        writer.connection.execute(sa.delete(datasets).where(datasets.c.id == record.id))

    def _drop(self, record: DatasetRecord) -> None:
        with self._context.changes.writing() as writer:
            self._delete_row(writer, record)
        self._remove_files(record)

    def _known(self, dataset_id: str) -> Taken | None:
        """Return what was answered before; None where the dataset is not there or has just begun to be."""
        with self._context.engine.connect() as connection:
            row = self._row(connection, dataset_id)
            if row is None:
                return None
            of_it = (
                sa.select(jobs.c.id).where(jobs.c.dataset_id == dataset_id).order_by(jobs.c.created.desc())
            )
            job_id = connection.scalar(of_it.limit(1))
        if row.status == "importing" and job_id is None:
            job_id = self._take_up(row)
        return Taken(dataset_id, None if row.is_active else job_id)

    def _row(self, connection: sa.Connection, dataset_id: str) -> DatasetRecord | None:
        if not _ID.fullmatch(dataset_id):
            return None
        try:
            return self._context.find(connection, dataset_id)
        except WkError:
            return None

    # --- jobs -------------------------------------------------------------------------------

    def _start_job(self, principal: Principal, record: DatasetRecord, delivery: Delivery) -> str:
        request: Mapping[str, Any] = {
            "options": msgspec.to_builtins(delivery.options),
            "path": None if delivery.path is None else str(delivery.path),
            "link": delivery.link,
        }
        with self._context.changes.writing() as writer:
            return self._jobs.add(writer, dataset_id=record.id, kind=KIND, owner=principal, request=request)

    def _take_up(self, record: DatasetRecord) -> str:
        """Have a job finish what was begun before somebody was killed."""
        owner = Principal("its owner", user_id=record.owner_id)
        return self._start_job(owner, record, Delivery(record.name))

    @staticmethod
    def _has_job(connection: sa.Connection, dataset_id: str) -> bool:
        of_it = sa.select(sa.func.count()).select_from(jobs).where(jobs.c.dataset_id == dataset_id)
        return bool(connection.scalar(of_it))

    def _end_jobs(self, writer: Writer, record: DatasetRecord) -> None:
        is_on = sa.and_(jobs.c.dataset_id == record.id, jobs.c.state.in_(["pending", "running"]))
        values = {"state": "succeeded", "progress": 1.0, "finished": now_ms(), "runner": None, "message": ""}
        writer.connection.execute(sa.update(jobs).where(is_on).values(**values))

    # --- folders ----------------------------------------------------------------------------

    @staticmethod
    def _is_stored(folder: Path) -> bool:
        from wk_jupyter.store.imports.inspection import inspect_stored  # noqa: PLC0415 - loads formats

        try:
            return inspect_stored(folder) is not None
        except UnsupportedFormat:
            return False
        except WkError:
            return True  # and broken: ``arrange`` says how

    def _remove_files(self, record: DatasetRecord) -> None:
        shutil.rmtree(self.placing.folder_of(record), ignore_errors=True)
        self._context.forget({record.id})


def _is_young(entry: Path) -> bool:
    """Whether a folder is not older than uploads are kept."""
    return time.time() - entry.stat().st_mtime < _KEPT_SECONDS
