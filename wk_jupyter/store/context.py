"""What the parts of the store share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from wk_jupyter.datasource import DataSource
from wk_jupyter.store.access import AccessPolicy, Action, Principal, id_in, no_such_dataset
from wk_jupyter.store.catalog.listing import find_dataset
from wk_jupyter.store.catalog.tables import datasets
from wk_jupyter.store.changes import Changes
from wk_jupyter.store.data_dir import BINARY_DATA
from wk_jupyter.store.records import DatasetRecord, OrganizationRecord
from wk_jupyter.store.sharing import SharingTokens


@dataclass(frozen=True)
class Context:
    """``home`` is the server's own organization. ``forget`` drops what is remembered of datasets, by
    their ids, when their files have changed; ``look_again`` compares one with its folder.
    """

    engine: sa.Engine
    policy: AccessPolicy
    sharing: SharingTokens
    changes: Changes
    data_dir: Path
    home: OrganizationRecord
    forget: Callable[[set[str]], None]
    data_source: Callable[[DatasetRecord], DataSource]
    look_again: Callable[[DatasetRecord], DatasetRecord]

    def folder(self, record: DatasetRecord) -> Path:
        """Return where a dataset lies on disk, in the trash or not."""
        return self.data_dir / BINARY_DATA / record.organization / record.directory_name

    def dataset(
        self, connection: sa.Connection, principal: Principal, ref: str, action: Action
    ) -> DatasetRecord:
        """Return the dataset of an id or ``name-id`` as an open transaction sees it.

        Raises DatasetNotFound, Forbidden.
        """
        found = self.find(connection, id_in(ref))
        self.policy.require(principal, action, found)
        return found

    def find(self, connection: sa.Connection, dataset_id: str) -> DatasetRecord:
        """Return a dataset, whoever asks. Raises DatasetNotFound."""
        found = find_dataset(connection, datasets.c.id == dataset_id)
        if found is None:
            raise no_such_dataset(dataset_id)
        return found
