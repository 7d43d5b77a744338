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
from typing import TYPE_CHECKING, Final, Protocol

import sqlalchemy as sa

from wk_jupyter.errors import DatasetNotFound, Forbidden, NotFound
from wk_jupyter.store.catalog.grants import subtree
from wk_jupyter.store.catalog.tables import dataset_teams, datasets, folder_teams, folders
from wk_jupyter.store.sharing import SharingTokens

if TYPE_CHECKING:
    from sqlalchemy.sql import ColumnElement

    from wk_jupyter.store.records import FolderRecord, UserRecord


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

        Sharing tokens are left out: what they open is not listed anywhere.
        """
        return sa.and_(datasets.c.trashed.is_(None), self._readable(principal))

    def _readable(self, principal: Principal) -> ColumnElement[bool]:
        if principal.is_admin and principal.organization_id is None:
            return sa.true()
        if principal.organization_id is None:
            return datasets.c.is_public
        if principal.manages_datasets(principal.organization_id):
            return sa.or_(datasets.c.is_public, datasets.c.organization_id == principal.organization_id)
        # A union of ids is several times faster than the same as OR: each part has its index.
        return datasets.c.id.in_(
            sa.union(
                sa.select(datasets.c.id).where(datasets.c.is_public),
                sa.select(datasets.c.id).where(datasets.c.owner_id == principal.user_id),
                *_of_teams(principal.team_ids),
            )
        )

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

    def readable_folders(self, principal: Principal) -> ColumnElement[bool]:
        """Return the same rule as a condition on the table of folders."""
        if principal.is_admin and principal.organization_id is None:
            return sa.true()
        own = folders.c.organization_id == principal.organization_id
        if principal.organization_id is None or principal.manages_datasets(principal.organization_id):
            return own if principal.organization_id is not None else sa.false()
        granted = _granted_folders(principal.team_ids, "readable_folders")
        return sa.and_(own, sa.or_(folders.c.parent_id.is_(None), folders.c.id.in_(granted)))


def _of_teams(team_ids: frozenset[str]) -> list[sa.Select[tuple[str]]]:
    """Datasets that are open to one of the teams, by themselves or by a folder above them."""
    if not team_ids:
        return []
    return [
        sa.select(dataset_teams.c.dataset_id).where(dataset_teams.c.team_id.in_(sorted(team_ids))),
        sa.select(datasets.c.id).where(datasets.c.folder_id.in_(_granted_folders(team_ids, "granted"))),
    ]


def _granted_folders(team_ids: frozenset[str], name: str) -> sa.Select[tuple[str]]:
    granted = sa.select(folder_teams.c.folder_id).where(folder_teams.c.team_id.in_(sorted(team_ids)))
    return sa.select(subtree(folders.c.id.in_(granted), name).c.id)


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
