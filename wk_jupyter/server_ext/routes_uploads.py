"""Routes of uploads, as clients of WEBKNOSSOS call them: until version 13, and since."""

from __future__ import annotations

from typing import Any, Final

from wk_jupyter.api.uploads import (
    ChunkQuery,
    DatasetReservation,
    FinishedUpload,
    OldReservation,
    OldUpload,
    UnfinishedUpload,
    UploadQuery,
)
from wk_jupyter.server_ext.handlers import uploads
from wk_jupyter.server_ext.handlers.base import WkHandler
from wk_jupyter.server_ext.operations import Access, Operation

_JSON: Final = "application/json"
_PLACE: Final = "datasets/upload/dataset"


def _row(method: Any, path: str, handler: type[WkHandler], summary: str, **more: Any) -> Operation:
    response = more.pop("response", _JSON)
    return Operation(method, "data", path, handler, Access.MANAGING, summary, response, **more)


UPLOADS: Final = (
    _row(
        "POST", f"{_PLACE}/reserveUpload", uploads.ReserveHandler, "Begin an upload",
        body=DatasetReservation,
    ),
    _row("POST", _PLACE, uploads.ChunkHandler, "A chunk, as a form"),
    _row("GET", _PLACE, uploads.ChunkHandler, "Whether a chunk is there: 200 or 204", query=ChunkQuery),
    _row(
        "POST", f"{_PLACE}/finishUpload", uploads.FinishHandler, "Make a dataset of an upload",
        query=UploadQuery, response=FinishedUpload,
    ),
    _row("POST", f"{_PLACE}/cancelUpload", uploads.CancelHandler, "Give up an upload", query=UploadQuery),
    _row(
        "GET", f"{_PLACE}/unfinishedUploads", uploads.UnfinishedHandler, "One's uploads that may go on",
        response=list[UnfinishedUpload],
    ),
    _row(
        "POST", "datasets/reserveUpload", uploads.OldReserveHandler, "Begin an upload (13)",
        body=OldReservation,
    ),
    _row("POST", "datasets", uploads.ChunkHandler, "A chunk, as a form (13)"),
    _row("GET", "datasets", uploads.ChunkHandler, "Whether a chunk is there (13)", query=ChunkQuery),
    _row(
        "POST", "datasets/finishUpload", uploads.OldFinishHandler, "Make a dataset of an upload (13)",
        body=OldUpload, response=FinishedUpload,
    ),
    _row("POST", "datasets/cancelUpload", uploads.OldCancelHandler, "Give up an upload (13)", body=OldUpload),
)  # fmt: skip
