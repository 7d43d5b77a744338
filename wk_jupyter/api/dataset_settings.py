"""What is set about a dataset, as it goes over the wire. A field that is absent stays as it is."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType

from wk_jupyter.api.metadata import MetadataEntry
from wk_jupyter.api.wire import Wire


class LayerRenaming(Wire):
    old_name: str
    new_name: str


class AttachmentRenamingOfLayer(Wire):
    """``attachmentType`` as it stands in a layer's ``attachments``, or in addresses."""

    layer_name: str
    attachment_type: str
    old_name: str
    new_name: str


class DatasetUpdate(Wire):
    """``expected`` holds fields as the sender last saw them.

    Where one of them is another by now, nothing is changed.
    """

    name: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    tags: list[str] | UnsetType = UNSET
    metadata: list[MetadataEntry] | UnsetType | None = UNSET
    is_public: bool | UnsetType = UNSET
    folder_id: str | UnsetType = UNSET
    sorting_key: int | UnsetType | None = UNSET
    data_source: dict[str, Any] | UnsetType = UNSET
    layer_renamings: tuple[LayerRenaming, ...] = ()
    attachment_renamings: tuple[AttachmentRenamingOfLayer, ...] | UnsetType = UNSET
    expected: dict[str, Any] | None = None


class ComposedLayer(Wire):
    source_dataset_id: str
    source_layer_name: str
    target_layer_name: str


class ComposedMag(ComposedLayer, kw_only=True):
    source_mag: tuple[int, int, int]
    target_mag: tuple[int, int, int]


class ComposedAttachment(ComposedLayer, kw_only=True):
    """``attachmentType`` as it stands in a layer's ``attachments``, or in addresses."""

    attachment_type: str
    source_attachment_name: str
    target_attachment_name: str


class DeletionQuery(Wire):
    """``purge``: for good, not to the trash."""

    purge: bool = False


class AllowedTeamsUpdate(Wire):
    """``teams`` are ids; ``expected`` those that the sender last saw."""

    teams: list[str]
    expected: list[str] | None = None


class ViewUpdate(Wire):
    """Settings of one's own, which are put over those that there are, after ``forget`` has been forgotten.

    Its entries are paths, as ``["zoom"]`` or ``["layers", "color", "alpha"]``; ``[]``: all of them.
    """

    settings: dict[str, Any] = {}  # noqa: RUF012 - msgspec copies it
    forget: list[list[str]] = []  # noqa: RUF012


class SharingToken(Wire):
    sharing_token: str


class Access(Wire):
    """``reasons``: why a user may see or edit a dataset, or that she may not, in words."""

    user_id: str
    reasons: list[str]


class AccessQuery(Wire):
    user_id: str | None = None
