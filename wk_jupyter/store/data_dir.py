"""The data directory: made when it is first used, and known again by an id of its own."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from pathlib import Path
from typing import Final

from wk_jupyter.errors import InvalidInput

ID_FILE: Final = ".wk_jupyter_id"
CATALOG_FILE: Final = "wk_jupyter.sqlite"
BINARY_DATA: Final = "binaryData"
_ID: Final = re.compile(r"[0-9a-f]{32}")
_HINT: Final = "Set WkJupyterApp.data_dir or WK_JUPYTER_DATA_DIR to a folder that you may write to."


def prepare(data_dir: Path, organization: str) -> Path:
    """Make the organization's folder and return it. Raises InvalidInput where that cannot be.

    A new data directory is its owner's and the group's alone.
    """
    if not organization or organization[0] == "." or set(organization) & set("/\\\0"):
        raise InvalidInput(
            f"{organization!r} cannot be an organization's name.", hint="It becomes a folder's name."
        )
    folder = data_dir / BINARY_DATA / organization
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o750)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(
            f"the data directory {data_dir} cannot be used: {error.strerror}.", hint=_HINT
        ) from None
    return folder


def read_or_make_id(data_dir: Path) -> str:
    """Return the data directory's random id, by which a client on the same machine knows it again.

    Raises InvalidInput where it cannot be written.
    """
    path = data_dir / ID_FILE
    try:
        found = _read(path)
        if found is None:
            # Written aside and put in place whole: of two servers that start at once, one gives way.
            fresh = data_dir / f"{ID_FILE}-{secrets.token_hex(4)}"
            fresh.write_text(secrets.token_hex(16) + "\n")
            try:
                _put_in_place(fresh, path)
            finally:
                fresh.unlink(missing_ok=True)
            found = _read(path)
    except OSError as error:
        raise InvalidInput(
            f"the data directory {data_dir} cannot be written to: {error.strerror}.", hint=_HINT
        ) from None
    if found is None:
        raise InvalidInput(f"{path} is not the id that belongs there.", hint="Remove it: it is made anew.")
    return found


def _read(path: Path) -> str | None:
    """Return the id, or None where there is none or where it was never written whole."""
    try:
        found = path.read_bytes()[:64].decode("ascii", "replace").strip()
    except FileNotFoundError:
        return None
    return found if _ID.fullmatch(found) else None


def _put_in_place(fresh: Path, path: Path) -> None:
    if path.exists():
        if _read(path) is None:  # empty or damaged; else another server was quicker by a hair
            fresh.replace(path)
        return
    with contextlib.suppress(FileExistsError):
        try:
            os.link(fresh, path)
        except PermissionError:  # a disk that knows no links
            fresh.replace(path)
