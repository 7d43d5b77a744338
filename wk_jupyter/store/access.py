"""Who may do what: one rule, asked of one thing that was loaded, or joined into a list's SQL statement.

A dataset may be seen by everybody where it is public; else, within its organization, by admins, dataset
managers, whoever brought it, and members of the teams that are allowed on it or on a folder above it.
It may be edited by admins, dataset managers, whoever brought it, and managers of one of those teams.
A sharing token makes one dataset visible, and nothing else. Folders follow the same rule without
"public" and "brought"; the root is the frame that every member of the organization sees.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeAlias

import sqlalchemy as sa
from sqlalchemy.sql import ColumnElement

from wk_jupyter.errors import DatasetNotFound, Forbidden, NotFound
from wk_jupyter.store.catalog.grants import filled_up, granted_folders
from wk_jupyter.store.catalog.listing import Listed, Unindexed
from wk_jupyter.store.catalog.tables import dataset_teams, datasets
from wk_jupyter.store.sharing import SharingTokens

if TYPE_CHECKING:
    from wk_jupyter.store.records import FolderRecord, UserRecord

_Teams: TypeAlias = frozenset[str] | sa.BindParameter[Any]


_REFERENCE: Final = re.compile(r"(?:.*-)?([0-9a-f]{24})", re.IGNORECASE | re.DOTALL)


class Action(Enum):
    READ = "read"
    EDIT = "edit"


@dataclass(frozen=True)
class Principal:
    """Whoever asks. Without an id she has not signed in; a sharing token may come with it.

    ``organization_id`` None with ``is_admin``: whoever holds the data directory itself, as the command
    line does, and administers every organization.
    """

    name: str
    user_id: str | None = None
    organization_id: str | None = None
    is_admin: bool = False
    is_dataset_manager: bool = False
    team_ids: frozenset[str] = frozenset()
    managed_team_ids: frozenset[str] = frozenset()
    sharing_token: str = field(default="", repr=False)
    until: int | None = None  # when the API token ends by which she came, in ms since 1970

    @property
    def is_signed_in(self) -> bool:
        return self.user_id is not None or self.is_admin

    @property
    def manages_something(self) -> bool:
        """Whether she may look after datasets at all: admins, dataset managers, team managers."""
        return self.is_admin or self.is_dataset_manager or bool(self.managed_team_ids)

    def administers(self, organization_id: str) -> bool:
        """Whether she may change people and roles of an organization."""
        return self.is_admin and self.organization_id in (None, organization_id)

    def manages_datasets(self, organization_id: str) -> bool:
        """Whether she sees and edits all datasets of an organization."""
        is_member = self.organization_id == organization_id and self.is_dataset_manager
        return is_member or self.administers(organization_id)

    def is_member_of(self, organization_id: str) -> bool:
        return self.organization_id == organization_id or self.administers(organization_id)


ANONYMOUS: Final = Principal("anonymous")


def owner(name: str) -> Principal:
    """Return the principal of whoever holds the data directory itself."""
    return Principal(name, is_admin=True)


def principal_of(user: UserRecord) -> Principal:
    """Return the principal of a user, who is nobody while she is not active."""
    if not user.is_active:
        return ANONYMOUS
    return Principal(
        user.name,
        user_id=user.id,
        organization_id=user.organization_id,
        is_admin=user.is_admin,
        is_dataset_manager=user.is_dataset_manager,
        team_ids=frozenset(membership.team_id for membership in user.memberships),
        managed_team_ids=frozenset(
            membership.team_id for membership in user.memberships if membership.is_manager
        ),
    )


class Guarded(Protocol):
    """What the rule looks at in a dataset."""

    @property
    def id(self) -> str: ...
    @property
    def organization_id(self) -> str: ...
    @property
    def is_public(self) -> bool: ...
    @property
    def owner_id(self) -> str | None: ...
    @property
    def cumulative_team_ids(self) -> frozenset[str]: ...
    @property
    def sharing_nonce(self) -> str | None: ...
    @property
    def trashed(self) -> int | None: ...


class AccessPolicy:
    """The rule of this module. ``sharing`` knows whether a token fits a dataset."""

    def __init__(self, sharing: SharingTokens) -> None:
        self._sharing = sharing

    # --- datasets ---------------------------------------------------------------------------

    def may(self, principal: Principal, action: Action, dataset: Guarded) -> bool:
        """Whether she may. What is in the trash is there for those alone who may edit it."""
        if action is Action.EDIT or dataset.trashed is not None:
            return self._may_edit(principal, dataset)
        return dataset.is_public or self._sees(principal, dataset) or self._is_shared(principal, dataset)

    def require(self, principal: Principal, action: Action, dataset: Guarded) -> None:
        """Raise DatasetNotFound for what may not be seen, Forbidden for what may not be done."""
        if self.may(principal, action, dataset):
            return
        if action is Action.READ or not self.may(principal, Action.READ, dataset):
            raise no_such_dataset(dataset.id)
        raise Forbidden(
            f"{principal.name} may not {action.value} the dataset {dataset.id}.",
            hint="An admin, a dataset manager or a manager of one of its teams may.",
        )

    def readable(self, principal: Principal) -> ColumnElement[bool]:
        """Return the same rule as a condition on the table of datasets, which are not in the trash.

        Sharing tokens are left out: what they open is not listed anywhere. It is asked of one row after
        the other; a list of its own, of which there may be many, begins with ``listed``.
        """
        return _made_of(_reasons(_standing(principal), _asking(principal))).test

    def listed(self, principal: Principal, *, trashed: bool = False) -> tuple[Listed, dict[str, Any]]:
        """Return which datasets lists are made of: those that she may see, or those in the trash.

        With it come the values of its parameters: it is the same for many principals.
        """
        if trashed:
            condition = sa.and_(datasets.c.trashed.is_not(None), self.editable(principal))
            return Listed(condition, (condition,)), {}
        return _listed(_standing(principal)), _asking(principal)

    def editable(self, principal: Principal) -> ColumnElement[bool]:
        """Return which datasets may be edited, as a condition, in the trash or not."""
        if principal.is_admin and principal.organization_id is None:
            return sa.true()
        if principal.organization_id is None:
            return sa.false()
        if principal.manages_datasets(principal.organization_id):
            return datasets.c.organization_id == principal.organization_id
        return datasets.c.id.in_(
            sa.union(
                sa.select(datasets.c.id).where(datasets.c.owner_id == principal.user_id),
                *_of_teams(principal.managed_team_ids),
            )
        )

    def _sees(self, principal: Principal, dataset: Guarded) -> bool:
        if principal.manages_datasets(dataset.organization_id) or self._brought(principal, dataset):
            return True
        return not principal.team_ids.isdisjoint(dataset.cumulative_team_ids)

    def _may_edit(self, principal: Principal, dataset: Guarded) -> bool:
        if principal.manages_datasets(dataset.organization_id) or self._brought(principal, dataset):
            return True
        return not principal.managed_team_ids.isdisjoint(dataset.cumulative_team_ids)

    def _is_shared(self, principal: Principal, dataset: Guarded) -> bool:
        if not principal.sharing_token or dataset.sharing_nonce is None:
            return False
        return self._sharing.fits(principal.sharing_token, dataset.id, dataset.sharing_nonce)

    @staticmethod
    def _brought(principal: Principal, dataset: Guarded) -> bool:
        return principal.user_id is not None and principal.user_id == dataset.owner_id

    # --- folders ----------------------------------------------------------------------------

    def may_folder(self, principal: Principal, action: Action, folder: FolderRecord) -> bool:
        if not principal.is_member_of(folder.organization_id):
            return False
        if principal.manages_datasets(folder.organization_id):
            return True
        if action is Action.EDIT:
            return not principal.managed_team_ids.isdisjoint(folder.cumulative_team_ids)
        return folder.parent_id is None or not principal.team_ids.isdisjoint(folder.cumulative_team_ids)

    def require_folder(self, principal: Principal, action: Action, folder: FolderRecord) -> None:
        """Raise NotFound for what may not be seen, Forbidden for what may not be done."""
        if self.may_folder(principal, action, folder):
            return
        if not self.may_folder(principal, Action.READ, folder):
            raise no_such_folder(folder.id)
        raise Forbidden(
            f"{principal.name} may not {action.value} the folder {folder.name!r}.",
            hint="An admin, a dataset manager or a manager of one of its teams may.",
        )


class _Reason(NamedTuple):
    """Why one may see a dataset; and the opposite, of which SQLite's planner shall not think as a way in."""

    condition: ColumnElement[bool]
    opposite: ColumnElement[bool]
    has_index_of_trashed: bool = True


class _Standing(Enum):
    """What decides which reasons there are."""

    HOLDER = "holder of the data directory"
    MANAGER = "sees all of her organization"
    MEMBER = "in teams"
    LONER = "in no team"
    STRANGER = "not signed in"


def _standing(principal: Principal) -> _Standing:
    if principal.organization_id is None:
        return _Standing.HOLDER if principal.is_admin else _Standing.STRANGER
    if principal.manages_datasets(principal.organization_id):
        return _Standing.MANAGER
    return _Standing.MEMBER if principal.team_ids else _Standing.LONER


def _asking(principal: Principal) -> dict[str, Any]:
    """Values of the parameters of conditions that are made once for all principals of a standing."""
    values: dict[_Standing, dict[str, Any]] = {
        _Standing.MANAGER: {"asking_organization": principal.organization_id},
        _Standing.MEMBER: {
            "asking_user": principal.user_id,
            "asking_teams": filled_up(sorted(principal.team_ids)),
        },
        _Standing.LONER: {"asking_user": principal.user_id},
    }
    return values.get(_standing(principal), {})


def _parameter(name: str, values: dict[str, Any] | None) -> sa.BindParameter[Any]:
    """Return a place for a value that comes with the statement, or the value where it is given."""
    kind, many = datasets.c.id.type, name == "asking_teams"
    if values is None:
        return sa.bindparam(name, type_=kind, expanding=many)
    return sa.bindparam(name, values[name], type_=kind, expanding=many, unique=True)


def _reasons(standing: _Standing, values: dict[str, Any] | None = None) -> list[_Reason]:
    """The rule of reading as conditions on the table of datasets. The first should hold for most."""
    columns = datasets.c
    if standing is _Standing.HOLDER:
        return [_Reason(sa.true(), sa.false())]
    public = _Reason(columns.is_public, Unindexed(columns.is_public).is_(sa.false()))
    if standing is _Standing.STRANGER:
        return [public]
    if standing is _Standing.MANAGER:
        own = _parameter("asking_organization", values)
        return [_Reason(columns.organization_id == own, columns.organization_id != own), public]
    she = _parameter("asking_user", values)
    hers = _Reason(
        columns.owner_id == she, columns.owner_id.is_distinct_from(she), has_index_of_trashed=False
    )
    if standing is _Standing.LONER:
        return [public, hers]
    teams = _parameter("asking_teams", values)
    granted, direct = sa.select(granted_folders(teams).cte("granted")), _directly_granted(teams)
    below, allowed = columns.folder_id, columns.id
    return [
        _Reason(below.in_(granted), below.not_in(granted), has_index_of_trashed=False),
        public,
        hers,
        _Reason(allowed.in_(direct), allowed.not_in(direct), has_index_of_trashed=False),
    ]


@cache
def _listed(standing: _Standing) -> Listed:
    return _made_of(_reasons(standing))


def _made_of(reasons: list[_Reason]) -> Listed:
    there = datasets.c.trashed.is_(None)
    parts: list[ColumnElement[bool]] = []
    excluded: list[ColumnElement[bool]] = []
    for reason in reasons:
        is_there = there if reason.has_index_of_trashed else Unindexed(datasets.c.trashed).is_(None)
        parts.append(sa.and_(is_there, reason.condition, *excluded))
        excluded.append(reason.opposite)
    # CASE hides the reasons from the planners too: one row at a time is what this form is for.
    test = sa.case(*((reason.condition, sa.true()) for reason in reasons), else_=sa.false())
    return Listed(sa.and_(there, test), tuple(parts))


def _of_teams(team_ids: frozenset[str]) -> list[sa.Select[tuple[str]]]:
    """Datasets that are open to one of the teams, by themselves or by a folder above them."""
    if not team_ids:
        return []
    return [
        _directly_granted(team_ids),
        sa.select(datasets.c.id).where(datasets.c.folder_id.in_(granted_folders(team_ids))),
    ]


def _directly_granted(team_ids: _Teams) -> sa.Select[tuple[str]]:
    return sa.select(dataset_teams.c.dataset_id).where(dataset_teams.c.team_id.in_(team_ids))


def id_in(ref: str) -> str:
    """Return the id in ``name-id``. Raises DatasetNotFound where there is none."""
    matched = _REFERENCE.fullmatch(ref)
    if matched is None:
        raise no_such_dataset(ref)
    return matched[1].lower()


def no_such_dataset(ref: str) -> DatasetNotFound:
    """Return the one answer for datasets that aren't there and for those that may not be seen."""
    return DatasetNotFound(
        f"there is no dataset {ref[:200]!r}, or you may not see it.",
        hint="See wk.datasets() for those you may see; sign in or use a sharing link for others.",
    )


def no_such_folder(ref: str) -> NotFound:
    """Return the one answer for folders that aren't there and for those that may not be seen."""
    return NotFound(
        f"there is no folder {ref[:200]!r}, or you may not see it.",
        hint="See wk.folders for those you may see.",
    )
