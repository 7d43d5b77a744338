"""Runs jobs, each in a process of its own, so that what kills a reader of files never kills the server."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from wk_jupyter.errors import WkError
from wk_jupyter.store.context import Context
from wk_jupyter.store.imports.imports import KIND, SOURCE, Imports
from wk_jupyter.store.imports.options import parse_options
from wk_jupyter.store.jobs import Jobs
from wk_jupyter.store.records import DatasetRecord, JobRecord

_WORKER: Final = "wk_jupyter.store.imports.worker"
_LOG: Final = "log.txt"
_MAX_LOG: Final = 2**16
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
        self._name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
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
        folder = self._imports.folder_of(record)
        try:
            self._write_request(job, record, folder)
        except (WkError, OSError) as error:
            self._jobs.fail(job, _told("invalid_input", str(error)))
            return
        process = _start(folder)
        try:
            said = self._follow(job, process)
        finally:
            _kill(process)
        self._end(job, record, folder, said, process.returncode)

    def _dataset(self, job: JobRecord) -> DatasetRecord | None:
        if job.dataset_id is None:
            return None
        with self._context.engine.connect() as connection, contextlib.suppress(WkError):
            return self._context.find(connection, job.dataset_id)
        return None

    def _write_request(self, job: JobRecord, record: DatasetRecord, folder: Path) -> None:
        path = job.request.get("path")
        source = Path(path) if path else _staged(folder)
        request = {
            "name": record.name,
            "source": str(source),
            "is_own": not path,
            "link": bool(job.request.get("link")),
            "options": parse_options(job.request.get("options")),
            "data_format": self._data_format,
            "workers": self._workers,
        }
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / "request.json.part"
        part.write_bytes(msgspec.json.encode(request))
        part.replace(folder / "request.json")

    def _follow(self, job: JobRecord, process: subprocess.Popen[bytes]) -> Mapping[str, Any] | None:
        """Read what the process says, and pass on how far it is. Returns its last word; None: it has none.

        None as well where the job is given up or this runner stops: then the process is to be ended.
        """
        lines = _Lines(process.stdout)
        told, progress, message = 0.0, 0.0, ""
        while True:
            line = lines.next(_TELL_SECONDS)
            if line is None and lines.is_over:
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

    def _end(
        self, job: JobRecord, record: DatasetRecord, folder: Path, said: Mapping[str, Any] | None, code: int
    ) -> None:
        log = _read_log(folder)
        if said is None:
            self._jobs.fail(job, _died(code), log)
        elif "error" in said:
            self._jobs.fail(job, said["error"], log)
        elif "made" in said:
            try:
                self._imports.put_in_place(record, Path(said["made"]), job, log)
            except WkError as error:
                self._jobs.fail(job, _told(error.code, error.message, error.hint), log)


class _Lines:
    """Lines of JSON from a pipe, waited for with patience: a thread reads them."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        assert stream is not None
        self._stream = stream
        self._ready = threading.Condition()
        self._lines: list[dict[str, Any]] = []
        self.is_over = False
        threading.Thread(target=self._read, daemon=True).start()

    def next(self, seconds: float) -> dict[str, Any] | None:
        with self._ready:
            if not self._lines and not self.is_over:
                self._ready.wait(seconds)
            return self._lines.pop(0) if self._lines else None

    def _read(self) -> None:
        for raw in self._stream:
            with contextlib.suppress(msgspec.DecodeError):  # a library that prints is not listened to
                line = msgspec.json.decode(raw, type=dict[str, Any])
                with self._ready:
                    # Only the newest word on the progress is worth telling.
                    if self._lines and "progress" in self._lines[-1]:
                        self._lines.pop()
                    self._lines.append(line)
                    self._ready.notify()
        with self._ready:
            self.is_over = True
            self._ready.notify()


def _staged(folder: Path) -> Path:
    """Return what was brought: a file by itself, or a folder."""
    source = folder / SOURCE
    inside = list(source.iterdir()) if source.is_dir() else []
    is_single = len(inside) == 1 and inside[0].is_file()
    return inside[0] if is_single else source


def _start(folder: Path) -> subprocess.Popen[bytes]:
    with (folder / _LOG).open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - our own module, with a folder of our own
            [sys.executable, "-m", _WORKER, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the process and those that it started; wait for it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def _read_log(folder: Path) -> str:
    with contextlib.suppress(OSError), (folder / _LOG).open("rb") as stream:
        stream.seek(max(0, os.fstat(stream.fileno()).st_size - _MAX_LOG))
        return stream.read().decode("utf-8", "replace")
    return ""


def _died(code: int) -> dict[str, Any]:
    if code == -signal.SIGKILL:
        return _told("killed", "the process that did this was killed.", "Did it run out of memory?")
    name = signal.Signals(-code).name if code < 0 else f"exit status {code}"
    return _told(
        "crashed",
        f"the process that read the files crashed ({name}): one of them is damaged, or a reader has a bug.",
        "Check the files with the program that wrote them, or bring them in another format.",
    )


def _told(code: str, message: str, hint: str = "") -> dict[str, Any]:
    return {"code": code, "message": message, "hint": hint, "details": {}}
