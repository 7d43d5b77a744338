"""Runs jobs, each in a process of its own, so that what kills a reader of files never kills the server."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from wk_jupyter.errors import WkError
from wk_jupyter.store.context import Context
from wk_jupyter.store.imports.imports import KIND, Imports
from wk_jupyter.store.imports.options import parse_options
from wk_jupyter.store.imports.placing import SOURCE
from wk_jupyter.store.imports.process import KILLED, ImportProcess, Request, read_log
from wk_jupyter.store.jobs import Jobs
from wk_jupyter.store.records import DatasetRecord, JobRecord
from wk_jupyter.store.runner_names import own_name

_POLL_SECONDS: Final = 10.0  # for jobs of other processes; those of this one wake the runner
_BEAT_SECONDS: Final = 5.0
_TELL_SECONDS: Final = 0.5
_log: Final = logging.getLogger(__name__)


class JobRunner:
    """Takes jobs as they come, ``at_once`` at a time. ``workers``: processes that convert one dataset."""

    def __init__(
        self,
        context: Context,
        jobs: Jobs,
        imports: Imports,
        *,
        at_once: int = 1,
        workers: int = 2,
        data_format: str = "zarr3",
    ) -> None:
        self._context = context
        self._jobs = jobs
        self._imports = imports
        self._workers = workers
        self._data_format = data_format
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._name = own_name()
        self._threads = [
            threading.Thread(target=self._work, args=(f"{self._name}:{number}",), daemon=True, name="wk_jobs")
            for number in range(at_once)
        ]

    def start(self) -> None:
        self._context.changes.listen(self._wake.set)
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop the processes and give back what they worked on: it goes on at the next start."""
        self._stopped.set()
        self._wake.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _work(self, runner: str) -> None:
        while not self._stopped.is_set():
            self._wake.clear()
            job = None
            try:
                job = self._jobs.claim(runner)
                if job is not None:
                    self._run(job)
                    continue
            except Exception:  # noqa: BLE001 - one job must not end the runner of all
                _log.exception("the job %s failed in a way that was not foreseen", job and job.id)
                if job is not None:
                    unknown = "this went wrong in a way that was not foreseen; see the server's log."
                    self._jobs.fail(job, _told("error", unknown))
                    continue
                self._stopped.wait(_POLL_SECONDS)
            self._wake.wait(_POLL_SECONDS)
        with contextlib.suppress(Exception):
            self._jobs.release(runner)

    def _run(self, job: JobRecord) -> None:
        record = self._dataset(job)
        if record is None or job.kind != KIND:
            self._jobs.fail(job, _told("not_found", "the dataset is gone.", "Bring it again."))
            return
        folder = self._imports.placing.folder_of(record)
        try:
            self._write_request(job, record, folder)
        except (WkError, OSError) as error:
            self._jobs.fail(job, _told("invalid_input", str(error)))
            return
        with ImportProcess(folder) as process:
            said = self._follow(job, process)
        self._end(job, record, folder, process.died() if said is None else said)

    def _dataset(self, job: JobRecord) -> DatasetRecord | None:
        if job.dataset_id is None:
            return None
        with self._context.engine.connect() as connection, contextlib.suppress(WkError):
            return self._context.find(connection, job.dataset_id)
        return None

    def _write_request(self, job: JobRecord, record: DatasetRecord, folder: Path) -> None:
        path = job.request.get("path")
        source = Path(path) if path else _staged(folder)
        request = Request(
            name=record.name,
            source=str(source),
            is_own=not path,
            link=bool(job.request.get("link")),
            options=parse_options(job.request.get("options")),
            data_format=self._data_format,
            workers=self._workers,
        )
        request.write(folder)

    def _follow(self, job: JobRecord, process: ImportProcess) -> Mapping[str, Any] | None:
        """Read what the process says, and pass on how far it is. Returns its last word; None: it has none.

        ``given_up``: the job is no longer to be done, or this runner stops.
        """
        told, progress, message = 0.0, 0.0, ""
        while True:
            line = process.next(_TELL_SECONDS)
            if line is None and process.is_over:
                return None
            if line is not None:
                if "progress" not in line:
                    return line
                progress, message = float(line["progress"]), str(line["message"])
            now = time.monotonic()
            is_due = now - told > (_TELL_SECONDS if line is not None else _BEAT_SECONDS)
            if self._stopped.is_set() or (is_due and not self._jobs.report(job, progress, message)):
                return {"given_up": True}
            told = now if is_due else told

    def _end(self, job: JobRecord, record: DatasetRecord, folder: Path, said: Mapping[str, Any]) -> None:
        log = read_log(folder)
        if "error" in said:
            if said["error"]["code"] == KILLED and self._jobs.put_back(job):
                return
            self._jobs.fail(job, said["error"], log)
        elif "made" in said:
            try:
                self._imports.placing.put_in_place(record, Path(said["made"]), job, log)
            except WkError as error:
                self._jobs.fail(job, _told(error.code, error.message, error.hint), log)


def _staged(folder: Path) -> Path:
    """Return what was brought: a file by itself, or a folder."""
    source = folder / SOURCE
    inside = list(source.iterdir()) if source.is_dir() else []
    is_single = len(inside) == 1 and inside[0].is_file()
    return inside[0] if is_single else source


def _told(code: str, message: str, hint: str = "") -> dict[str, Any]:
    return {"code": code, "message": message, "hint": hint, "details": {}}
