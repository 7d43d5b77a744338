"""What a query asks of a dataset, as conditions on the table of datasets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql import ColumnElement

from wk_jupyter.errors import InvalidInput
from wk_jupyter.store.catalog.grants import folders_below, granted_folders
from wk_jupyter.store.catalog.tables import (
    dataset_tags,
    dataset_teams,
    datasets,
    organizations,
)
from wk_jupyter.store.catalog.text import fold
from wk_jupyter.store.records import DatasetQuery

_MAX_WORDS: Final = 50
_MAX_SEARCH: Final = 1000
_MAX_TAGS: Final = 100
_LARGEST: Final = 2**63 - 1  # that databases count to


def filters(query: DatasetQuery) -> list[ColumnElement[bool]]:
    """Return what must be true of a dataset, but for its tags.

    Raises InvalidInput for what no database can be asked.
    """
    _check(query)
    columns = datasets.c
    found = [*_words(query.search), *_of_indexed_columns(query)]
    if query.team_id is not None:
        found.append(_allowed(query.team_id))
    if query.owner_id is not None:
        found.append(columns.owner_id == query.owner_id)
    if query.element_class is not None:
        found.append(columns.element_classes.contains(f" {query.element_class} ", autoescape=True))
    ranges = (
        (columns.created, query.created_from, query.created_to),
        (columns.used_storage_bytes, query.bytes_from, query.bytes_to),
    )
    for column, least, most in ranges:
        found += [column >= least] if least is not None else []
        found += [column <= most] if most is not None else []
    return found


def of_tags(query: DatasetQuery, dataset_id: ColumnElement[str]) -> list[ColumnElement[bool]]:
    """Return what the query's tags ask of the dataset that has an id."""
    tagged = sa.select(dataset_tags.c.dataset_id)
    return [dataset_id.in_(tagged.where(dataset_tags.c.tag == tag)) for tag in query.tags]


def are_indexed(query: DatasetQuery) -> bool:
    """Whether the indexes of lists hold all that the query asks for, so that no row has to be read."""
    plain = DatasetQuery(
        is_active=query.is_active,
        organization=query.organization,
        organization_id=query.organization_id,
        folder_id=query.folder_id,
        include_subfolders=query.include_subfolders,
        order=query.order,
        descending=query.descending,
        limit=query.limit,
        offset=query.offset,
    )
    return query == plain and query.order != "lastUsed"


def _of_indexed_columns(query: DatasetQuery) -> Iterable[ColumnElement[bool]]:
    columns = datasets.c
    if query.organization is not None:
        wanted = sa.select(organizations.c.id).where(organizations.c.name == query.organization)
        yield columns.organization_id == wanted.scalar_subquery()
    if query.organization_id is not None:
        yield columns.organization_id == query.organization_id
    if query.is_active is not None:
        is_active = columns.status == "active"
        yield is_active if query.is_active else sa.not_(is_active)
    if query.folder_id is not None and query.include_subfolders:
        yield columns.folder_id.in_(folders_below(query.folder_id))
    elif query.folder_id is not None:
        yield columns.folder_id == query.folder_id


def _allowed(team_id: str) -> ColumnElement[bool]:
    """Datasets that a team is allowed on, by themselves or by a folder above them."""
    direct = sa.select(dataset_teams.c.dataset_id).where(dataset_teams.c.team_id == team_id)
    return sa.or_(datasets.c.id.in_(direct), datasets.c.folder_id.in_(granted_folders([team_id])))


def _words(search: str) -> list[ColumnElement[bool]]:
    words = fold(search.replace("\0", " ")).split()
    if len(words) > _MAX_WORDS or len(search) > _MAX_SEARCH:
        raise InvalidInput(
            f"search: it has {len(words)} words and {len(search)} characters; "
            f"at most {_MAX_WORDS} and {_MAX_SEARCH} are looked for."
        )
    searched = (datasets.c.search_text, datasets.c.layer_text)
    return [sa.or_(*(column.contains(word, autoescape=True) for column in searched)) for word in words]


def _check(query: DatasetQuery) -> None:
    if len(query.tags) > _MAX_TAGS:
        raise InvalidInput(f"tags: {len(query.tags)} are more than {_MAX_TAGS}.")
    for field in fields(query):
        value: Any = getattr(query, field.name)
        if isinstance(value, int) and abs(value) > _LARGEST:
            raise InvalidInput(f"{field.name}: {value} is too large a number.")
        texts = value if isinstance(value, tuple) else (value,)
        if field.name != "search" and any(isinstance(text, str) and "\0" in text for text in texts):
            raise InvalidInput(f"{field.name}: {value!r} has a NUL character in it.")
    if query.offset < 0 or (query.limit is not None and query.limit < 0):
        raise InvalidInput("limit and offset: pages count from 0.")
