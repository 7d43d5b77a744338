"""Jobs and imports as they go over the wire. Times are milliseconds since 1970."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from wk_jupyter.api.wire import Wire


class JobError(Wire):
    """Why a job failed. ``details`` may name what is ``missing``, such as ``voxelSize``."""

    message: str
    hint: str = ""
    code: str = "error"
    details: dict[str, Any] = msgspec.field(default_factory=dict)


class Job(Wire):
    """Something that is done in the background. ``progress`` is from 0 to 1; ``log``: of one job alone."""

    id: str
    kind: str
    state: Literal["pending", "running", "succeeded", "failed", "cancelled"]
    progress: float
    message: str
    dataset_id: str | None
    dataset_name: str
    owner: str | None
    created: int
    started: int | None
    finished: int | None
    attempts: int
    error: JobError | None
    log: str | None = None


class JobsQuery(Wire):
    state: Literal["pending", "running", "succeeded", "failed", "cancelled"] | None = None
    dataset_id: str | None = None


class Retry(Wire):
    """``options`` as in ``NewImport``: what was wrong with them is put right."""

    options: dict[str, Any] = msgspec.field(default_factory=dict)


class NewImport(Wire):
    """Files that the server can see. ``how``: stored formats are copied or linked; images are converted.

    ``options``: ``voxelSize``, ``unit``, ``dataFormat``, ``compression``, ``downsampling``, ``category``,
    ``layerName``, ``layers`` (corrections by number), ``hints`` (for RAW files).
    """

    path: str
    name: str
    folder_id: str | None = None
    team_ids: list[str] = msgspec.field(default_factory=list)
    how: Literal["copy", "link"] = "copy"
    options: dict[str, Any] = msgspec.field(default_factory=dict)


class Import(Wire):
    """``jobId`` null: the dataset is there."""

    dataset_id: str
    job_id: str | None


class NewInspection(Wire):
    path: str
    hints: dict[str, Any] = msgspec.field(default_factory=dict)
