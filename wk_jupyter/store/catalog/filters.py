"""What a query asks of a dataset, as conditions on the table of datasets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql import ColumnElement

from wk_jupyter.errors import InvalidInput
from wk_jupyter.store.catalog.grants import subtree
from wk_jupyter.store.catalog.tables import (
    dataset_tags,
    dataset_teams,
    datasets,
    folder_teams,
    folders,
    organizations,
)
from wk_jupyter.store.catalog.text import fold
from wk_jupyter.store.records import DatasetQuery

_MAX_WORDS: Final = 50
_MAX_SEARCH: Final = 1000
_MAX_TAGS: Final = 100
_LARGEST: Final = 2**63 - 1  # that databases count to


def filters(query: DatasetQuery, *, one_by_one: bool = False) -> list[ColumnElement[bool]]:
    """Return what must be true of a dataset. Raises InvalidInput for what no database can be asked.

    ``one_by_one``: the datasets that are asked about are fewer than those of a tag.
    """
    _check(query)
    columns = datasets.c
    found = [*_words(query.search), *_of_indexed_columns(query)]
    if len(query.tags) > _MAX_TAGS:
        raise InvalidInput(f"tags: {len(query.tags)} are more than {_MAX_TAGS}.")
    for tag in query.tags:
        tagged = sa.select(dataset_tags.c.dataset_id).where(dataset_tags.c.tag == tag)
        is_it = dataset_tags.c.dataset_id == columns.id
        found.append(tagged.where(is_it).exists() if one_by_one else columns.id.in_(tagged))
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
        yield columns.folder_id.in_(sa.select(subtree(folders.c.id == query.folder_id, "wanted").c.id))
    elif query.folder_id is not None:
        yield columns.folder_id == query.folder_id


def _allowed(team_id: str) -> ColumnElement[bool]:
    """Datasets that a team is allowed on, by themselves or by a folder above them."""
    direct = sa.select(dataset_teams.c.dataset_id).where(dataset_teams.c.team_id == team_id)
    granted = sa.select(folder_teams.c.folder_id).where(folder_teams.c.team_id == team_id)
    below = sa.select(subtree(folders.c.id.in_(granted), "allowed").c.id)
    return sa.or_(datasets.c.id.in_(direct), datasets.c.folder_id.in_(below))


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
    for field in fields(query):
        value: Any = getattr(query, field.name)
        if isinstance(value, int) and abs(value) > _LARGEST:
            raise InvalidInput(f"{field.name}: {value} is too large a number.")
        texts = value if isinstance(value, tuple) else (value,)
        if field.name != "search" and any(isinstance(text, str) and "\0" in text for text in texts):
            raise InvalidInput(f"{field.name}: {value!r} has a NUL character in it.")
    if query.offset < 0 or (query.limit is not None and query.limit < 0):
        raise InvalidInput("limit and offset: pages count from 0.")
