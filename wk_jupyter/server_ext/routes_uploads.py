"""Routes of uploads, as clients of WEBKNOSSOS call them: until version 13, and since."""

from __future__ import annotations

from typing import Any, Final

from wk_jupyter.api.uploads import (
    AttachmentPath,
    AttachmentReservation,
    ChunkQuery,
    DatasetPaths,
    DatasetReservation,
    FinishedUpload,
    MagPath,
    MagReservation,
    OldReservation,
    OldUpload,
    ReservedPaths,
    UnfinishedUpload,
    UploadQuery,
)
from wk_jupyter.server_ext.handlers import upload_paths, uploads
from wk_jupyter.server_ext.handlers.base import WkHandler
from wk_jupyter.server_ext.operations import Access, Operation

_JSON: Final = "application/json"
_PLACE: Final = "datasets/upload/dataset"


def _row(method: Any, path: str, handler: type[WkHandler], summary: str, **more: Any) -> Operation:
    response = more.pop("response", _JSON)
    return Operation(method, "data", path, handler, Access.MANAGING, summary, response, **more)


def _into_dataset(domain: str, what: str, reserve: type[WkHandler], body: Any) -> tuple[Operation, ...]:
    """Uploads of what is added to a dataset; chunks are sent as those of datasets are."""
    place = f"datasets/upload/{domain}"
    return (
        _row("POST", f"{place}/reserveUpload", reserve, f"Begin the upload of {what}", body=body),
        _row("POST", place, uploads.ChunkHandler, f"A chunk of {what}, as a form"),
        _row("GET", place, uploads.ChunkHandler, f"Whether a chunk of {what} is there", query=ChunkQuery),
        _row(
            "POST", f"{place}/finishUpload", uploads.FinishHandler, f"Add {what} to its layer",
            query=UploadQuery, response=FinishedUpload,
        ),
        _row(
            "POST", f"{place}/cancelUpload", uploads.CancelHandler, f"Give up the upload of {what}",
            query=UploadQuery,
        ),
    )  # fmt: skip


def _by_path(action: str, handler: type[WkHandler], summary: str, body: Any) -> Operation:
    path = f"datasets/{{dataset}}/{action}"
    return Operation("POST", "api", path, handler, Access.VISIBLE, summary, _JSON, body=body)


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
    *_into_dataset("mag", "a mag", uploads.ReserveMagHandler, MagReservation),
    *_into_dataset("attachment", "an attachment", uploads.ReserveAttachmentHandler, AttachmentReservation),
    Operation(
        "POST", "api", "datasets/reserveUploadToPaths", upload_paths.ReserveDatasetHandler, Access.VISIBLE,
        "Where a dataset may be put by oneself", ReservedPaths, body=DatasetPaths,
    ),
    Operation(
        "POST", "api", "datasets/{dataset}/finishUploadToPaths", upload_paths.FinishDatasetHandler,
        Access.VISIBLE, "Add a dataset that was put there", _JSON,
    ),
    _by_path(
        "reserveMagUploadToPath", upload_paths.ReserveMagHandler, "Where a mag may be put by oneself", MagPath
    ),
    _by_path(
        "finishMagUploadToPath", upload_paths.FinishMagHandler, "Add a mag that was put there", MagPath
    ),
    _by_path(
        "reserveAttachmentUploadToPath", upload_paths.ReserveAttachmentHandler,
        "Where an attachment may be put by oneself", AttachmentPath,
    ),
    _by_path(
        "finishAttachmentUploadToPath", upload_paths.FinishAttachmentHandler,
        "Add an attachment that was put there", AttachmentPath,
    ),
)  # fmt: skip
