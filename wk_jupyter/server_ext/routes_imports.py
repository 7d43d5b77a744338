"""Routes of jobs, and of imports of files that the server can see."""

from __future__ import annotations

from typing import Final

from wk_jupyter.api.imports import Import, Job, JobsQuery, NewImport, NewInspection, Retry
from wk_jupyter.server_ext.handlers import imports
from wk_jupyter.server_ext.operations import Access, Operation
from wk_jupyter.store.imports.proposal import Inspection

_SIGNED_IN, _MANAGING = Access.SIGNED_IN, Access.MANAGING

IMPORTS: Final = (
    Operation(
        "GET", "api", "jobs", imports.JobsHandler, _SIGNED_IN, "Jobs, the newest first", list[Job],
        query=JobsQuery,
    ),
    Operation("GET", "api", "jobs/{job}", imports.JobHandler, _SIGNED_IN, "A job with its log", Job),
    Operation(
        "POST", "api", "jobs/{job}/cancel", imports.JobCancelHandler, _SIGNED_IN, "Stop a job", Job
    ),
    Operation(
        "POST", "api", "jobs/{job}/retry", imports.JobRetryHandler, _SIGNED_IN,
        "Do a failed job again, with what was wrong put right", Job, body=Retry,
    ),
    Operation(
        "POST", "api", "imports", imports.ImportsHandler, _MANAGING,
        "Make a dataset of files that the server can see", Import, body=NewImport,
    ),
    Operation(
        "POST", "api", "imports/inspect", imports.InspectionHandler, _MANAGING,
        "What files are that the server can see, and what would come of them", Inspection, body=NewInspection,
    ),
)  # fmt: skip
