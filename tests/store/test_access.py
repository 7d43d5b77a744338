"""Who may do what: the rule asked of one dataset, and the same rule in a list's SQL."""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path

import pytest
import sqlalchemy as sa

from wk_jupyter.errors import DatasetNotFound, Forbidden
from wk_jupyter.store import DatasetQuery, Store, StoreConfig
from wk_jupyter.store.access import ANONYMOUS, Action, Principal, owner
from wk_jupyter.store.catalog.tables import datasets

sys.path.insert(0, str(Path(__file__).parent))
from datasets_on_disk import write_dataset

ADA = owner("ada")
BOB = Principal("bob")  # signed in, but no admin
EVERYBODY = (ADA, BOB, ANONYMOUS)
MAY = {
    # action: (who may with a public dataset, who may with another)
    Action.READ: ({"ada", "bob", "anonymous"}, {"ada"}),
    Action.EDIT: ({"ada"}, {"ada"}),
}


@pytest.fixture
def store(tmp_path: Path, database_url: str):
    config = StoreConfig(tmp_path, "lab", owner_name="ada", database_url=database_url)
    for name in ("open", "closed"):
        write_dataset(tmp_path / "binaryData" / "lab", name)
    opened = Store(config)
    opened.scan()
    with opened._engine.begin() as connection:
        connection.execute(
            sa.update(datasets).where(datasets.c.directory_name == "open").values(is_public=True)
        )
    yield opened
    opened.close()


def test_every_action_is_in_the_table():
    assert set(MAY) == set(Action)


@pytest.mark.parametrize(("principal", "action"), list(product(EVERYBODY, Action)))
def test_the_rule(store, principal, action):
    policy = store.policy
    for name, allowed in zip(("open", "closed"), MAY[action], strict=True):
        record = store.dataset_in_folder(ADA, "lab", name)
        assert policy.may(principal, action, record) == (principal.name in allowed)
        if principal.name in allowed:
            policy.require(principal, action, record)
        else:
            sees = principal.name in MAY[Action.READ][name == "closed"]
            with pytest.raises(Forbidden if sees else DatasetNotFound):
                policy.require(principal, action, record)


@pytest.mark.parametrize("principal", EVERYBODY)
def test_lists_hold_exactly_what_the_rule_allows(store, principal):
    everything = store.list_datasets(ADA, DatasetQuery()).records
    page = store.list_datasets(principal, DatasetQuery())
    allowed = [record for record in everything if store.policy.may(principal, Action.READ, record)]
    assert page.records == allowed
    assert page.total == len(allowed)


def test_the_unseen_and_the_absent_are_told_in_the_same_words(store):
    closed = store.dataset_in_folder(ADA, "lab", "closed")
    with pytest.raises(DatasetNotFound) as unseen:
        store.policy.require(ANONYMOUS, Action.EDIT, closed)
    with pytest.raises(DatasetNotFound) as absent:
        store.dataset(ANONYMOUS, "0" * 24)
    assert str(unseen.value).replace(closed.id, "0" * 24) == str(absent.value)
