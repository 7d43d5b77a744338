"""The table of datasets: fetched page by page, as far as it is looked at."""

from __future__ import annotations

import base64
import datetime as dt
import inspect
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from html import escape
from typing import TYPE_CHECKING, Any, Final, Unpack, overload

from wk_jupyter.client.bulk import BulkOperations, BulkResult
from wk_jupyter.client.connection import Connection, current
from wk_jupyter.client.dataset import Dataset, dataset_of_entry
from wk_jupyter.client.dataset_query import DatasetFilters, asked
from wk_jupyter.errors import DatasetNotFound, InvalidInput, WkError

if TYPE_CHECKING:
    import pandas as pd

_PAGE: Final = 100
_SHOWN: Final = 20
_THUMBNAIL: Final = 48


class DatasetTable(BulkOperations):
    """Datasets, page by page. ``len()`` is the count of all; ``table[0]`` or ``table["name"]`` opens one.

    What is done to a table is done to each of its datasets: ``wk.datasets(tags=["x"]).add_tags("y")``;
    a part of it is a table too: ``table[:5]``.
    """

    def __init__(
        self, connection: Connection, search: str | None = None, query: Mapping[str, Any] | None = None
    ) -> None:
        """``query`` is what else the server is asked, in its own words; see ``dataset_query``."""
        self.connection = connection
        self.search = search
        self._query = dict(query or {})
        self._pages: dict[int, list[dict[str, Any]]] = {}
        self._total: int | None = None
        self._is_part = False

    def __len__(self) -> int:
        if self._total is None:
            self._page(0)
        return self._total or 0

    def __iter__(self) -> Iterator[Dataset]:
        for number in range(len(self)):
            entry = self._entry(number)
            if "status" not in entry["dataSource"]:
                yield dataset_of_entry(entry, self.connection, in_trash=self._is_of_trash)

    def entries(self) -> Iterator[dict[str, Any]]:
        """Yield what the server tells of each dataset, usable or not."""
        return (self._entry(number) for number in range(len(self)))

    @overload
    def __getitem__(self, key: int | str) -> Dataset: ...
    @overload
    def __getitem__(self, key: slice) -> DatasetTable: ...
    def __getitem__(self, key: int | str | slice) -> Dataset | DatasetTable:
        if isinstance(key, slice):
            return self._part([self._entry(number) for number in range(len(self))[key]])
        if isinstance(key, int):
            if not -len(self) <= key < len(self):
                raise DatasetNotFound(f"there are {len(self)} datasets, none at {key}.")
            return self._open(self._entry(key % len(self)))
        for number in range(len(self)):
            entry = self._entry(number)
            if key in (entry["name"], entry["id"], entry["directoryName"]):
                return self._open(entry)
        raise DatasetNotFound(
            f"no dataset in this table is called {key!r}.", hint="wk.open(name) looks among all."
        )

    def to_dataframe(self) -> pd.DataFrame:
        """Return all datasets as a pandas DataFrame, one row each; lengths are in nanometers and voxels."""
        import pandas as pd  # noqa: PLC0415 loads slowly

        return pd.DataFrame(
            [_row(self._entry(number)) for number in range(len(self))], columns=list(_COLUMNS)
        )

    @property
    def df(self) -> pd.DataFrame:
        return self.to_dataframe()

    def _ipython_key_completions_(self) -> list[str]:
        return [self._entry(number)["name"] for number in range(min(len(self), _PAGE))]

    def __repr__(self) -> str:
        lines = [f"{len(self)} datasets on {self.connection.url}"]
        for number in range(min(len(self), _SHOWN)):
            row = _row(self._entry(number))
            lines.append(
                f"  {row['name']}  {row['status']}  {', '.join(row['layers'])}  {row['reason']}".rstrip()
            )
        return "\n".join(lines + self._rest())

    def _repr_html_(self) -> str:
        if len(self) == 0:
            return _empty(self.search, self._query)
        entries = [self._entry(number) for number in range(min(len(self), _SHOWN))]
        with ThreadPoolExecutor(4) as pool:
            pictures = list(pool.map(self._picture, entries))
        head = "".join(f"<th style='text-align:left'>{name}</th>" for name in ("", *_HEADINGS))
        rows = "".join(_html_row(entry, picture) for entry, picture in zip(entries, pictures, strict=True))
        rest = "".join(f"<div>{escape(line)}</div>" for line in self._rest())
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{rest}"

    def _rest(self) -> list[str]:
        more = len(self) - _SHOWN
        return (
            [f"… and {more} more: narrow them with wk.datasets(search=…), or see .to_dataframe()"]
            if more > 0
            else []
        )

    def _open(self, entry: dict[str, Any]) -> Dataset:
        told = self.connection.get(f"datasets/{entry['id']}")
        return dataset_of_entry(told, self.connection, in_trash=self._is_of_trash)

    def _part(self, entries: list[dict[str, Any]]) -> DatasetTable:
        part = DatasetTable(self.connection, self.search, self._query)
        part._is_part, part._total = True, len(entries)
        part._pages = {at // _PAGE: entries[at : at + _PAGE] for at in range(0, len(entries), _PAGE)}
        return part

    def purge(self) -> BulkResult:
        """Remove all of them for good: ``wk.datasets(trashed=True).purge()``."""
        if not self._is_of_trash:
            raise InvalidInput(
                "these datasets are not in the trash.",
                hint="wk.datasets(trashed=True) are; .delete() moves datasets there.",
            )
        return self._each("purge", self._caller("DELETE", purge=True))

    @property
    def _is_of_trash(self) -> bool:
        return bool(self._query.get("trashed"))

    def _forget(self) -> None:
        """What has been changed is asked anew; a part stays what it was picked to be."""
        if not self._is_part:
            self._pages.clear()
            self._total = None

    def _entry(self, number: int) -> dict[str, Any]:
        page, at = divmod(number, _PAGE)
        return self._page(page)[at]

    def _page(self, number: int) -> list[dict[str, Any]]:
        if number not in self._pages:
            entries, total = self.connection.listed(
                "datasets",
                searchQuery=self.search,
                limit=_PAGE,
                pageNumber=number,
                includeTotalCount=True,
                **self._query,
            )
            self._pages[number] = entries
            self._total = total
        return self._pages[number]

    def _picture(self, entry: dict[str, Any]) -> str:
        if not entry["isActive"]:
            return ""
        try:
            path = f"datasets/{entry['id']}/thumbnail.jpg"
            data = self.connection.data(path, width=2 * _THUMBNAIL, height=2 * _THUMBNAIL)
        except WkError:
            return "<span title='no picture could be made'>⚠</span>"
        code = base64.b64encode(data).decode()
        return f"<img alt='' width='{_THUMBNAIL}' height='{_THUMBNAIL}' src='data:image/jpeg;base64,{code}'>"


def datasets(search: str | None = None, **filters: Unpack[DatasetFilters]) -> DatasetTable:
    """Return the datasets that one may see, by name.

    All words of ``search`` must be found in the name, description, tags, metadata or names of layers.
    Filters are ``folder`` (with ``subfolders=True``: and below), ``tags``, ``team``, ``owner``,
    ``element_class``, ``created_after``, ``created_before``, ``larger_than`` and ``smaller_than`` (bytes),
    ``unusable``, ``trashed``; ``order`` is "name", "created" or "last used", with ``descending``.

    ``wk.datasets(folder="Lab/2026", tags=["em"]).move_to("Archive")`` changes all of them.
    """
    connection = current()
    return DatasetTable(connection, search, asked(connection, filters))


def refresh() -> DatasetTable:
    """Look at the data directory again, now, and return the datasets."""
    connection = current()
    connection.api("POST", "datasets/refresh")
    return DatasetTable(connection)


_COLUMNS: Final = ("name", "id", "status", "layers", "voxel_size_nm", "extent", "tags", "created", "reason")
_HEADINGS: Final = ("Name", "Layers", "Voxel size", "Extent (voxels)", "Status")


def _row(entry: dict[str, Any]) -> dict[str, Any]:
    source = entry["dataSource"]
    layers = source.get("dataLayers", [])
    row: dict[str, Any] = dict.fromkeys(_COLUMNS)
    row.update(
        name=entry["name"],
        id=entry["id"],
        status="not usable" if "status" in source else "active",
        layers=[layer["name"] for layer in layers],
        tags=entry["tags"],
        created=dt.datetime.fromtimestamp(entry["created"] / 1000, dt.UTC),
        reason=entry.get("statusReason") or source.get("status", ""),
    )
    if layers:
        from wk_jupyter.datasource import parse_data_source  # noqa: PLC0415

        parsed = parse_data_source(source, origin=entry["name"])
        row["voxel_size_nm"] = parsed.voxel_size.nanometers
        row["extent"] = tuple(parsed.bounding_box.size)
    return row


def _html_row(entry: dict[str, Any], picture: str) -> str:
    row = _row(entry)
    size = row["voxel_size_nm"]
    notes = [row["reason"]] if row["reason"] else entry.get("warnings", [])
    status = escape(row["status"]) + "".join(
        f"<div style='color:var(--jp-ui-font-color2,#616161);max-width:30em'>{escape(note)}</div>"
        for note in notes
    )
    cells = (
        f"<b>{escape(row['name'])}</b>",
        escape(", ".join(row["layers"])),
        _unbroken(" × ".join(f"{n:g}" for n in size) + " nm" if size else ""),
        _unbroken(" × ".join(f"{n:,}" for n in row["extent"]) if row["extent"] else ""),
        status,
    )
    return (
        "<tr>" + "".join(f"<td style='text-align:left'>{cell}</td>" for cell in (picture, *cells)) + "</tr>"
    )


def _unbroken(text: str) -> str:
    return f"<span style='white-space:nowrap'>{text}</span>"


def _empty(search: str | None, query: Mapping[str, Any]) -> str:
    if search:
        return f"<div>No dataset has “{escape(search)}” in its name, tags, description or layers.</div>"
    if query:
        place = " in this folder" if set(query) <= {"folderId", "includeSubfolders"} else " of this kind"
        return f"<div>There are no datasets{place}.</div>"
    return (
        "<div>There are no datasets yet. Put a folder into <code>binaryData/&lt;organization&gt;/</code> "
        "of the data directory and call <code>wk.refresh()</code>, or make one: "
        "<code>wk.samples.generate()</code>.</div>"
    )


_PARAMETERS = inspect.signature(datasets).parameters
datasets.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # told to who asks for help
    [
        _PARAMETERS["search"],
        *(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None)
            for name in DatasetFilters.__annotations__
        ),
    ],
    return_annotation="DatasetTable",
)
