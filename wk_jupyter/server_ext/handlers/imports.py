"""Jobs, and files that the server can see by themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wk_jupyter.api.imports import (
    Import,
    Job,
    JobError,
    JobsQuery,
    NewImport,
    NewInspection,
    Retry,
)
from wk_jupyter.server_ext.handlers.base import WkHandler

if TYPE_CHECKING:
    from wk_jupyter.store.records import JobRecord


class JobsHandler(WkHandler):
    async def get(self) -> None:
        store = await self.store()
        query = self.query(JobsQuery)
        found = await self.services.run(
            store.jobs.list, self.principal, state=query.state, dataset_id=query.dataset_id
        )
        self.send([job_document(job) for job in found])


class JobHandler(WkHandler):
    async def get(self, job: str) -> None:
        store = await self.store()
        self.send(job_document(await self.services.run(store.jobs.get, self.principal, job), with_log=True))


class JobCancelHandler(WkHandler):
    async def post(self, job: str) -> None:
        store = await self.store()
        self.send(job_document(await self.services.run(store.jobs.cancel, self.principal, job)))


class JobRetryHandler(WkHandler):
    async def post(self, job: str) -> None:
        store = await self.store()
        wanted: Retry = self.body(Retry)
        retry = store.imports.retry
        self.send(job_document(await self.services.run(retry, self.principal, job, wanted.options)))


class ImportsHandler(WkHandler):
    async def post(self) -> None:
        from wk_jupyter.store.imports.imports import Delivery  # noqa: PLC0415 - loads SQLAlchemy
        from wk_jupyter.store.imports.options import parse_options  # noqa: PLC0415 - the same

        store = await self.store()
        wanted: NewImport = self.body(NewImport)
        delivery = Delivery(
            name=wanted.name,
            path=Path(wanted.path),
            link=wanted.how == "link",
            folder_id=wanted.folder_id,
            team_ids=tuple(wanted.team_ids),
            options=parse_options(wanted.options),
        )
        taken = await self.services.run(store.imports.take_path, self.principal, delivery)
        self.send(Import(dataset_id=taken.dataset_id, job_id=taken.job_id))


class InspectionHandler(WkHandler):
    async def post(self) -> None:
        store = await self.store()
        wanted: NewInspection = self.body(NewInspection)
        inspect = store.imports.inspect
        self.send(await self.services.run(inspect, self.principal, Path(wanted.path), wanted.hints))


def job_document(job: JobRecord, *, with_log: bool = False) -> Job:
    error = job.error
    return Job(
        id=job.id,
        kind=job.kind,
        state=job.state,
        progress=job.progress,
        message=job.message,
        dataset_id=job.dataset_id,
        dataset_name=job.dataset_name,
        owner=job.owner_id,
        created=job.created,
        started=job.started,
        finished=job.finished,
        attempts=job.attempts,
        error=None
        if error is None
        else JobError(
            message=str(error.get("message", "")),
            hint=str(error.get("hint", "")),
            code=str(error.get("code", "error")),
            details=dict(error.get("details") or {}),
        ),
        log=job.log if with_log else None,
    )
