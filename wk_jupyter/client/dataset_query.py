"""Which datasets to list, as a cell says it and as the server is asked."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypedDict

from wk_jupyter.client.allowed_teams import several, team_ids
from wk_jupyter.client.connection import Connection
from wk_jupyter.client.dataset_settings import user_id
from wk_jupyter.errors import InvalidInput, UnknownOption

if TYPE_CHECKING:
    from wk_jupyter.client.folders import Folder

_ORDERS: Final = {"name": "name", "created": "created", "last used": "lastUsed"}


class DatasetFilters(TypedDict, total=False):
    """All that are given must be met."""

    folder: Folder | str
    """The folder that they lie in: its path, its id or itself."""
    subfolders: bool
    """Whether those in the folders below count as well."""
    tags: Iterable[str]
    """All of them must be there."""
    team: Any
    """One that may see them, by name, id or as a team; also because it may see a folder above."""
    owner: Any
    """Who brought them, by name, id or as a user."""
    element_class: str
    """Of at least one layer, such as ``"uint16"``."""
    created_after: dt.datetime | dt.date | str
    created_before: dt.datetime | dt.date | str
    """When the catalog first had them: a date, or text such as ``"2026-11-23"``. Both ends count."""
    larger_than: int
    smaller_than: int
    """Bytes on disk. Both ends count."""
    unusable: bool
    """True: those alone that cannot be read; False: all others."""
    trashed: bool
    """True: those in the trash that one may restore."""
    order: str
    """``"name"``, ``"created"`` or ``"last used"``."""
    descending: bool


def asked(connection: Connection, filters: Mapping[str, Any]) -> dict[str, Any]:
    """Return filters as the server takes them. Raises InvalidInput, UnknownOption, NotFound."""
    query: dict[str, Any] = {}
    for name, value in filters.items():
        if name not in DatasetFilters.__annotations__:
            near = difflib.get_close_matches(name, DatasetFilters.__annotations__, n=2)
            hint = f"Did you mean {' or '.join(near)}?" if near else ", ".join(DatasetFilters.__annotations__)
            raise UnknownOption(f"datasets are not filtered by {name!r}.", hint=hint)
        if value is not None:
            query |= _SPECIAL[name](connection, value) if name in _SPECIAL else {_PLAIN[name]: value}
    return query


def _folder(connection: Connection, value: Any) -> dict[str, Any]:
    return {"folderId": _folder_id(connection, value)}


def _tags(_: Connection, value: Any) -> dict[str, Any]:
    return {"tag": several(value, "tags")}


def _team(connection: Connection, value: Any) -> dict[str, Any]:
    (team,) = team_ids(connection, [value], {"allowedTeamsCumulative": []})
    return {"team": team}


def _owner(connection: Connection, value: Any) -> dict[str, Any]:
    return {"uploader": user_id(connection, value)}


def _order(_: Connection, value: Any) -> dict[str, Any]:
    if value not in _ORDERS:
        raise InvalidInput(f"order: {value!r} is none.", hint=f"There are {', '.join(_ORDERS)}.")
    return {"order": _ORDERS[value]}


_SPECIAL: Final[dict[str, Callable[[Connection, Any], dict[str, Any]]]] = {
    "folder": _folder,
    "tags": _tags,
    "team": _team,
    "owner": _owner,
    "order": _order,
    "created_after": lambda _, value: {"createdFrom": _milliseconds(value, is_end=False)},
    "created_before": lambda _, value: {"createdTo": _milliseconds(value, is_end=True)},
    "descending": lambda _, value: {"direction": "descending" if value else "ascending"},
    "unusable": lambda _, value: {"isActive": not value},
}
_PLAIN: Final = {
    "subfolders": "includeSubfolders",
    "element_class": "elementClass",
    "larger_than": "bytesFrom",
    "smaller_than": "bytesTo",
    "trashed": "trashed",
}


def _folder_id(connection: Connection, folder: Folder | str) -> str:
    from wk_jupyter.client.folders import Folders  # noqa: PLC0415 folders list datasets

    return Folders(connection)[folder].id if isinstance(folder, str) else folder.id


def _milliseconds(value: Any, *, is_end: bool) -> int:
    """Return a moment in ms since 1970. A day counts from its first or to its last moment, here."""
    moment = value
    try:
        if isinstance(value, str):
            is_day = len(value) <= len("2026-11-23")
            moment = dt.date.fromisoformat(value) if is_day else dt.datetime.fromisoformat(value)
        if isinstance(moment, dt.date) and not isinstance(moment, dt.datetime):
            moment = dt.datetime.combine(moment, dt.time.max if is_end else dt.time.min)
        return int(moment.timestamp() * 1000)
    except (ValueError, AttributeError, OverflowError):
        name = "created_before" if is_end else "created_after"
        raise InvalidInput(f"{name}: {value!r} is no date.", hint='Write "2026-11-23".') from None
