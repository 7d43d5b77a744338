"""``wk.open``: a dataset by its name, id, address or folder."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from wk_jupyter.client.connection import Connection, connect, current
from wk_jupyter.client.dataset import Dataset, dataset_of_entry
from wk_jupyter.client.sources import LocalSource
from wk_jupyter.errors import DatasetNotFound, InvalidInput, NotFound

_ID: Final = re.compile(r"[0-9a-fA-F]{24}")
_PAGE: Final = re.compile(r"/datasets/(?:[^/]*-)?([0-9a-fA-F]{24})(?:/view)?/?$")
_OLD_PAGE: Final = re.compile(r"/datasets/([^/]+)/([^/]+)(?:/view)?/?$")
_SUGGESTED_AMONG: Final = 1000


def open_dataset(name: str | Path) -> Dataset:
    """Open a dataset: by name or id, by the address of its page, or by the path of a folder.

    A folder, with or without ``datasource-properties.json``, needs no server. What begins with ``.``,
    ``/`` or ``~`` is a path, and so is the name of a folder that no dataset has.
    Raises DatasetNotFound (with similar names), InvalidDataSource, UnsupportedFormat.
    """
    if isinstance(name, Path):
        return open_folder(name)
    if not isinstance(name, str) or not name.strip():
        raise InvalidInput(f"a dataset is opened by its name, id, address or folder, not by {name!r}.")
    text = name.strip()
    if re.match(r"https?://", text):
        return _open_page(text)
    if text.startswith((".", "~", os.sep)) or os.sep in text:
        return open_folder(Path(text))
    try:
        return _open_named(current(), text)
    except (NotFound, ConnectionError):
        if Path(text).is_dir():
            return open_folder(Path(text))
        raise


def open_folder(path: Path) -> Dataset:
    """Open a folder in this process. Raises DatasetNotFound, UnsupportedFormat, InvalidDataSource."""
    folder = path.expanduser().absolute()
    if folder.is_file():
        folder = folder.parent if folder.suffix == ".json" else folder
    if not folder.is_dir():
        raise DatasetNotFound(
            f"there is no folder {folder}.", hint="Check the path, or open a dataset by its name."
        )
    from wk_jupyter.client import local  # noqa: PLC0415 loads the stored formats

    found = local.open_folder(folder)
    voxels = LocalSource(folder, found.data_source)
    return Dataset(found.data_source, voxels, warnings=found.notices)


def _open_page(url: str) -> Dataset:
    parts = urlsplit(url)
    token = parse_qs(parts.query).get("token", [None])[0]
    found = _PAGE.search(parts.path)
    old = None if found else _OLD_PAGE.search(parts.path)
    if found is None and old is None:
        raise InvalidInput(
            f"{parts.scheme}://{parts.netloc}{parts.path} is not the address of a dataset.",
            hint="Such an address ends with /datasets/<name>-<id>.",
        )
    before = parts.path[: (found or old).start()]  # type: ignore[union-attr]
    connection = connect(f"{parts.scheme}://{parts.netloc}{before}", token)
    if found is not None:
        return _open_id(connection, found[1], token)
    organization, directory = (unquote(part) for part in old.groups())  # type: ignore[union-attr]
    identity = connection.get(f"datasets/disambiguate/{organization}/{directory}/toId")
    return _open_id(connection, identity["id"], token)


def _open_id(connection: Connection, dataset_id: str, token: str | None = None) -> Dataset:
    return dataset_of_entry(connection.get(f"datasets/{dataset_id}", sharingToken=token), connection)


def _open_named(connection: Connection, name: str) -> Dataset:
    if _ID.fullmatch(name):
        return _open_id(connection, name)
    found = [e for e in _entries(connection, name) if name in (e["name"], e.get("directoryName"))]
    if len(found) == 1:
        return _open_id(connection, found[0]["id"])
    if found:
        listed = ", ".join(f"{entry['name']} ({entry['id']})" for entry in found)
        raise InvalidInput(f"several datasets are called {name!r}: {listed}.", hint="Open one by its id.")
    names = [entry["name"] for entry in _entries(connection, None)]
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = (
        f"Did you mean {' or '.join(map(repr, near))}?"
        if near
        else "wk.datasets() lists those that there are."
    )
    raise DatasetNotFound(f"there is no dataset {name!r} on {connection.url}.", hint=hint)


def _entries(connection: Connection, search: str | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = connection.get("datasets", searchQuery=search, limit=_SUGGESTED_AMONG)
    return found
