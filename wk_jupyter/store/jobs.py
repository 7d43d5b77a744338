"""What is done in the background: a row a job, from which whoever runs jobs takes the next.

A job belongs to whoever started it; those who manage the datasets of the organization see it too. A
process that works on one says so every few seconds: what nobody works on any more is taken up again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa

from wk_jupyter.errors import Conflict, NotFound
from wk_jupyter.store.access import Principal
from wk_jupyter.store.catalog.database import new_id, now_ms
from wk_jupyter.store.catalog.tables import datasets, jobs
from wk_jupyter.store.changes import Writer
from wk_jupyter.store.context import Context
from wk_jupyter.store.records import JobRecord, JobState, Status
from wk_jupyter.store.runner_names import is_gone

MOST_ATTEMPTS: Final = 3
ALIVE_MS: Final = 30_000  # after this long without a sign a runner is taken for dead
_MAX_LOG: Final = 2**16
_COLUMNS: Final = [column for column in jobs.c if column.name != "log"]
_AT_ONCE: Final = 200


class Jobs:
    """Jobs as people see them, and as those see them who run them. Thread-safe."""

    def __init__(self, context: Context) -> None:
        self._context = context

    # --- for people -------------------------------------------------------------------------

    def list(
        self, principal: Principal, *, state: JobState | None = None, dataset_id: str | None = None
    ) -> list[JobRecord]:
        """Return those of the newest jobs that she may see, the newest first."""
        rows = (
            sa.select(*_COLUMNS).where(_visible(principal)).order_by(jobs.c.created.desc(), jobs.c.id.desc())
        )
        if state is not None:
            rows = rows.where(jobs.c.state == state)
        if dataset_id is not None:
            rows = rows.where(jobs.c.dataset_id == dataset_id)
        with self._context.engine.connect() as connection:
            return [JobRecord(**row) for row in connection.execute(rows.limit(_AT_ONCE)).mappings()]

    def get(self, principal: Principal, job_id: str) -> JobRecord:
        """Return a job with its log. Raises NotFound, also for those that one may not see."""
        with self._context.engine.connect() as connection:
            return self._find(connection, principal, job_id)

    def cancel(self, principal: Principal, job_id: str) -> JobRecord:
        """Stop a job, or say that a failed one is not to be tried again. Raises NotFound, Conflict."""
        with self._context.changes.writing() as writer:
            job = self._find(writer.connection, principal, job_id)
            if job.state in {"succeeded", "cancelled"}:
                raise Conflict(f"the job is over: it is {job.state}.")
            self._set(writer, job, state="cancelled", finished=now_ms(), message="", runner=None)
            self._mark(writer, job, "importing", "failed", "The import was cancelled.")
            return self._find(writer.connection, principal, job_id)

    def retry(self, principal: Principal, job_id: str, request: Mapping[str, Any]) -> JobRecord:
        """Have a failed job done again, with what was asked for put right. Raises NotFound, Conflict."""
        with self._context.changes.writing() as writer:
            job = self._find(writer.connection, principal, job_id)
            if job.state not in {"failed", "cancelled"} or job.dataset_id is None:
                raise Conflict(f"only a job that failed can be tried again; this one is {job.state}.")
            values = {"state": "pending", "error": None, "finished": None, "attempts": 0, "message": ""}
            self._set(writer, job, **values, request={**job.request, **request}, progress=0.0)
            self._mark(writer, job, "failed", "importing", "")
            return self._find(writer.connection, principal, job_id)

    # --- for those who start and run them ---------------------------------------------------

    def add(
        self, writer: Writer, *, dataset_id: str, kind: str, owner: Principal, request: Mapping[str, Any]
    ) -> str:
        """Write a new job into a transaction that is open. Returns its id."""
        record = self._context.find(writer.connection, dataset_id)
        job_id = new_id()
        values = {"progress": 0.0, "message": "", "log": "", "attempts": 0, "created": now_ms()}
        writer.connection.execute(
            sa.insert(jobs).values(
                id=job_id,
                organization_id=record.organization_id,
                owner_id=owner.user_id,
                dataset_id=dataset_id,
                dataset_name=record.name,
                kind=kind,
                state="pending",
                request=dict(request),
                **values,
            )
        )
        writer.note("job", "added", job_id, record.organization_id)
        return job_id

    def claim(self, runner: str) -> JobRecord | None:
        """Take the next job that waits, or that a runner left behind; None where there is none.

        One that was left behind too often is failed: it may be what kills its runners.
        """
        now = now_ms()
        is_running = jobs.c.state == "running"
        with self._context.engine.connect() as connection:  # nearly always there is nothing: no lock for that
            runners = connection.scalars(sa.select(jobs.c.runner).where(is_running).distinct()).all()
            gone = [name for name in runners if name is not None and is_gone(name)]
            left = sa.and_(is_running, sa.or_(jobs.c.seen < now - ALIVE_MS, jobs.c.runner.in_(gone)))
            waiting = sa.select(jobs.c.id).where(sa.or_(jobs.c.state == "pending", left))
            if connection.scalar(waiting.limit(1)) is None:
                return None
        with self._context.changes.writing() as writer:
            for job_id in writer.connection.scalars(waiting.order_by(jobs.c.created, jobs.c.id)).all():
                job = _record(writer.connection, job_id)
                if job.attempts >= MOST_ATTEMPTS:
                    self._fail(writer, job, _left_behind(job))
                    continue
                values = {"state": "running", "runner": runner, "seen": now, "started": job.started or now}
                self._set(writer, job, **values, attempts=job.attempts + 1)
                return _record(writer.connection, job_id)
        return None

    def release(self, runner: str) -> None:
        """Let others take what this runner was working on: it stops, or it died and is back."""
        with self._context.changes.writing() as writer:
            is_its = sa.and_(jobs.c.state == "running", jobs.c.runner == runner)
            for job_id in writer.connection.scalars(sa.select(jobs.c.id).where(is_its)).all():
                job = _record(writer.connection, job_id)
                self._set(writer, job, state="pending", runner=None, attempts=max(0, job.attempts - 1))

    def put_back(self, job: JobRecord) -> bool:
        """Have a job done again whose process was killed. Returns False where it was tried often enough."""
        with self._context.changes.writing() as writer:
            now = _record(writer.connection, job.id)
            if now.state != "running" or now.runner != job.runner or now.attempts >= MOST_ATTEMPTS:
                return False
            self._set(writer, job, state="pending", runner=None)
            return True

    def report(self, job: JobRecord, progress: float, message: str) -> bool:
        """Note how far a job is, and that its runner is alive. Returns whether it shall go on."""
        is_it = sa.and_(jobs.c.id == job.id, jobs.c.state == "running", jobs.c.runner == job.runner)
        with self._context.changes.writing() as writer:
            values = {"progress": progress, "message": message[:_MAX_LOG], "seen": now_ms()}
            went_on = writer.connection.execute(sa.update(jobs).where(is_it).values(**values)).rowcount == 1
            if went_on:
                writer.note("job", "changed", job.id, job.organization_id)
        return went_on

    def succeed(self, writer: Writer, job: JobRecord, log: str = "") -> None:
        """End a job in the transaction that brings its result."""
        values = {"state": "succeeded", "progress": 1.0, "message": "", "finished": now_ms(), "runner": None}
        self._set(writer, job, **values, log=log[-_MAX_LOG:])

    def fail(self, job: JobRecord, error: Mapping[str, Any], log: str = "") -> bool:
        """End a job with what went wrong. Returns False where it was no longer to be done."""
        with self._context.changes.writing() as writer:
            now = _record(writer.connection, job.id)
            if now.state != "running" or now.runner != job.runner:
                return False
            self._fail(writer, job, error, log)
            return True

    # --- shared -----------------------------------------------------------------------------

    def _fail(self, writer: Writer, job: JobRecord, error: Mapping[str, Any], log: str = "") -> None:
        values = {"state": "failed", "finished": now_ms(), "runner": None, "error": dict(error)}
        self._set(writer, job, **values, log=log[-_MAX_LOG:])
        self._mark(writer, job, "importing", "failed", str(error.get("message", ""))[:_MAX_LOG])

    @staticmethod
    def _mark(writer: Writer, job: JobRecord, before: Status, after: Status, reason: str) -> None:
        """Say of the dataset that is being made what became of it."""
        if job.dataset_id is not None:
            is_it = sa.and_(datasets.c.id == job.dataset_id, datasets.c.status == before)
            marked = sa.update(datasets).where(is_it).values(status=after, status_reason=reason)
            writer.connection.execute(marked)
            writer.note("dataset", "changed", job.dataset_id, job.organization_id)

    def _find(self, connection: sa.Connection, principal: Principal, job_id: str) -> JobRecord:
        row = connection.execute(sa.select(*jobs.c).where(jobs.c.id == job_id, _visible(principal))).first()
        if row is None:
            raise NotFound(f"there is no job {job_id[:100]!r}, or you may not see it.", hint="See wk.jobs().")
        return JobRecord(**row._mapping)  # noqa: SLF001 - public in spite of its name

    @staticmethod
    def _set(writer: Writer, job: JobRecord, **values: Any) -> None:
        writer.connection.execute(sa.update(jobs).where(jobs.c.id == job.id).values(values))
        writer.note("job", "changed", job.id, job.organization_id)


def sees_job(principal: Principal, job: JobRecord) -> bool:
    """Whether one may see a job: her own, and all of an organization whose datasets she manages."""
    is_hers = principal.user_id is not None and principal.user_id == job.owner_id
    return is_hers or principal.manages_datasets(job.organization_id)


def find_jobs(connection: sa.Connection, ids: set[str]) -> list[JobRecord]:
    """Return jobs by their ids, without their logs, whoever asks."""
    rows = connection.execute(sa.select(*_COLUMNS).where(jobs.c.id.in_(ids)))
    return [JobRecord(**row) for row in rows.mappings()]


def _visible(principal: Principal) -> sa.ColumnElement[bool]:
    """The rule of ``sees_job`` as a condition."""
    if principal.organization_id is None:
        return sa.true() if principal.is_admin else sa.false()
    if principal.manages_datasets(principal.organization_id):
        return jobs.c.organization_id == principal.organization_id
    return jobs.c.owner_id == principal.user_id


def _record(connection: sa.Connection, job_id: str) -> JobRecord:
    row = connection.execute(sa.select(*jobs.c).where(jobs.c.id == job_id)).one()
    return JobRecord(**row._mapping)  # noqa: SLF001 - public in spite of its name


def _left_behind(job: JobRecord) -> dict[str, Any]:
    return {
        "code": "left_behind",
        "message": f"the server stopped {job.attempts} times while it worked on this.",
        "hint": "Did it run out of memory? Try again, or bring less at once.",
        "details": {},
    }
