"""Folders as they go over the wire."""

from __future__ import annotations

from wk_jupyter.api.metadata import MetadataEntry
from wk_jupyter.api.people import Team
from wk_jupyter.api.wire import Wire


class FolderWithParent(Wire):
    """``parent`` is the nearest folder above that one may see; ``datasetCount`` is there on request."""

    id: str
    name: str
    parent: str | None = None
    is_editable: bool = False
    dataset_count: int | None = None


class Folder(Wire):
    """``allowedTeamsCumulative`` are its own teams and those of all folders above it."""

    id: str
    name: str
    allowed_teams: list[Team]
    allowed_teams_cumulative: list[Team]
    is_editable: bool
    metadata: list[MetadataEntry]


class FolderTreeQuery(Wire):
    """``includeDatasetCounts``: tell of each folder how many datasets that one may see lie in it."""

    include_dataset_counts: bool = False


class NewFolderQuery(Wire):
    parent_id: str
    name: str


class TeamReference(Wire):
    """A team as an object, of which the id counts."""

    id: str


class FolderState(Wire):
    """What a folder was when it was last seen; what is not given is not compared."""

    name: str | None = None
    allowed_teams: list[str | TeamReference] | None = None
    metadata: list[MetadataEntry] | None = None


class FolderUpdate(FolderState, kw_only=True):
    """What shall change; refused with 409 where the folder is not as it is ``expected`` to be."""

    expected: FolderState | None = None


class MoveQuery(Wire):
    """``preview``: nothing is done, and the answer says what would be."""

    new_parent_id: str
    preview: bool = False


class MovedFolder(Wire):
    """Which teams gain and lose sight of the folder and of the datasets below it, and how many these are."""

    id: str
    name: str
    preview: bool
    teams_gained: list[Team]
    teams_lost: list[Team]
    dataset_count: int
