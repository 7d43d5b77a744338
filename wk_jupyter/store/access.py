"""Who may do what: one rule, asked of one dataset or joined into a list's SQL statement."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, Protocol

import sqlalchemy as sa

from wk_jupyter.errors import DatasetNotFound, Forbidden
from wk_jupyter.store.catalog.tables import datasets

if TYPE_CHECKING:
    from sqlalchemy.sql import ColumnElement


class Action(Enum):
    READ = "read"
    EDIT = "edit"
    ADMINISTRATE = "administrate"  # refresh the list, see the server's own paths


@dataclass(frozen=True)
class Principal:
    """Whoever asks. ``owner`` administers the one organization; ``anonymous`` has not signed in."""

    name: str
    is_admin: bool = False


ANONYMOUS: Final = Principal("anonymous")


def owner(name: str) -> Principal:
    """Return the principal of the server's owner."""
    return Principal(name, is_admin=True)


class Guarded(Protocol):
    """What the rule looks at."""

    @property
    def id(self) -> str: ...
    @property
    def is_public(self) -> bool: ...


class AccessPolicy:
    """Admins may do all with the datasets of their organization; everybody may read public ones."""

    def may(self, principal: Principal, action: Action, dataset: Guarded) -> bool:
        return principal.is_admin or (action is Action.READ and dataset.is_public)

    def require(self, principal: Principal, action: Action, dataset: Guarded) -> None:
        """Raise DatasetNotFound for what may not be seen, Forbidden for what may not be done."""
        if self.may(principal, action, dataset):
            return
        if action is Action.READ or not self.may(principal, Action.READ, dataset):
            raise no_such_dataset(dataset.id)
        raise Forbidden(
            f"{principal.name} may not {action.value} the dataset {dataset.id}.",
            hint="Ask an admin of its organization.",
        )

    def readable(self, principal: Principal) -> ColumnElement[bool]:
        """Return the same rule as a condition on the table of datasets."""
        return sa.true() if principal.is_admin else datasets.c.is_public


def no_such_dataset(ref: str) -> DatasetNotFound:
    """Return the one answer for datasets that aren't there and for those that may not be seen."""
    return DatasetNotFound(
        f"there is no dataset {ref[:200]!r}, or you may not see it.",
        hint="See wk.datasets() for those you may see; sign in or use a sharing link for others.",
    )
