"""The upload protocol of WEBKNOSSOS's clients, in its two generations (until version 13, and since)."""

from __future__ import annotations

from typing import Any

import msgspec

from wk_jupyter.api.wire import Wire


class ResumableUpload(Wire):
    """``totalFileCount`` may count empty files, which are never sent."""

    upload_id: str
    total_file_count: int
    total_file_size_in_bytes: int | None = None
    file_paths: list[str] | None = None


class LinkedLayer(Wire):
    dataset_id: str | None = None
    layer_name: str = ""
    new_layer_name: str | None = None


class DatasetReservation(Wire):
    """``options`` are those of ``NewImport``; WEBKNOSSOS's clients send none."""

    resumable_upload_info: ResumableUpload
    dataset_name: str
    organization_id: str | None = None
    initial_team_ids: list[str] = msgspec.field(default_factory=list)
    layers_to_link: list[LinkedLayer] | None = None
    folder_id: str | None = None
    options: dict[str, Any] = msgspec.field(default_factory=dict)


class OldReservation(Wire):
    """As clients of version 13 send it."""

    upload_id: str
    name: str
    total_file_count: int
    total_file_size_in_bytes: int | None = None
    organization: str | None = None
    initial_teams: list[str] = msgspec.field(default_factory=list)
    layers_to_link: list[LinkedLayer] | None = None
    folder_id: str | None = None
    options: dict[str, Any] = msgspec.field(default_factory=dict)


class MagOfUpload(Wire):
    mag: tuple[int, int, int]
    axis_order: dict[str, int] | None = None
    channel_index: int | None = None


class MagReservation(Wire):
    """What ``overwritePending`` asks for is always done: files that belong to no mag are put aside."""

    resumable_upload_info: ResumableUpload
    dataset_id: str
    layer_name: str
    mag: MagOfUpload
    overwrite_pending: bool = True


class AttachmentOfUpload(Wire):
    """``path`` is the client's own."""

    name: str
    data_format: str
    path: str = ""


class AttachmentReservation(Wire):
    resumable_upload_info: ResumableUpload
    dataset_id: str
    layer_name: str
    attachment_type: str
    attachment: AttachmentOfUpload
    overwrite_pending: bool = True


class DatasetPaths(Wire):
    """``dataSource`` as a properties file has it; ``pathPrefix``: null."""

    dataset_name: str
    data_source: dict[str, Any]
    initial_team_ids: list[str] = msgspec.field(default_factory=list)
    folder_id: str | None = None
    require_unique_name: bool = False
    layers_to_link: list[LinkedLayer] | None = None
    path_prefix: str | None = None


class ReservedPaths(Wire):
    """``dataSource`` with absolute paths, to which the files are to be put."""

    new_dataset_id: str
    data_source: dict[str, Any]


class MagPath(Wire):
    """``pathPrefix``: null; files go into the dataset's folder."""

    layer_name: str
    mag: tuple[int, int, int]
    axis_order: dict[str, int] | None = None
    channel_index: int | None = None
    path_prefix: str | None = None
    overwrite_pending: bool | None = None


class AttachmentPath(Wire):
    """``pathPrefix``: null; files go into the dataset's folder."""

    layer_name: str
    attachment_name: str
    attachment_type: str
    attachment_dataformat: str
    path_prefix: str | None = None
    overwrite_pending: bool | None = None


class UploadQuery(Wire):
    upload_id: str


class OldUpload(Wire):
    upload_id: str


class ChunkQuery(Wire):
    """``resumableIdentifier`` is ``<upload id>/<path>``; chunks count from 1."""

    resumable_identifier: str
    resumable_chunk_number: int


class FinishedUpload(Wire):
    """``jobId``: what makes the dataset; null: it is there. ``newDatasetId`` is for clients of version 13."""

    dataset_id: str
    new_dataset_id: str
    job_id: str | None


class UnfinishedUpload(Wire):
    """``filePaths``: files of which something is there. ``created`` in ms since 1970."""

    upload_id: str
    dataset_name: str
    created: int
    folder_id: str | None
    file_paths: list[str]
    bytes_there: int
    total_file_size_in_bytes: int | None
    total_file_count: int
