"""Where samples are put: the data directory of the server that serves them."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_core.paths import jupyter_data_dir

from wk_jupyter.errors import InvalidInput, WkError

if TYPE_CHECKING:
    from collections.abc import Iterator


def default_organization() -> str:
    """The organization that a server of this user serves: see ``WkJupyterApp.organization``."""
    return os.environ.get("WK_JUPYTER_ORGANIZATION") or "default"


def data_dir(given: str | os.PathLike[str] | None = None) -> Path:
    """The folder that a server of this user serves by default: see ``WkJupyterApp.data_dir``."""
    chosen = given or os.environ.get("WK_JUPYTER_DATA_DIR") or Path(jupyter_data_dir()) / "wk_jupyter"
    return Path(chosen).expanduser()


def dataset_folder(name: str, data_directory: Path, organization: str) -> Path:
    """``<data_dir>/binaryData/<organization>/<name>``. Raises InvalidInput for names that can't be."""
    for what, value in (("dataset", name), ("organization", organization)):
        if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", value):
            raise InvalidInput(
                f"{value!r} cannot be the name of the {what}.",
                hint="Use letters, digits, '_', '-' and '.', and no '.' at the start.",
                field=what,
            )
    return data_directory / "binaryData" / organization / name


def announce() -> None:
    """Let the server that this kernel belongs to look for the new dataset, where there is a server."""
    if "WK_JUPYTER_URL" not in os.environ:
        return
    from wk_jupyter.client.connection import current  # noqa: PLC0415 - httpx is slow to import

    # Without an answer the dataset is there all the same: the next scan finds it.
    with suppress(WkError):
        current().api("POST", "datasets/refresh")


@contextmanager
def arriving(folder: Path) -> Iterator[Path]:
    """A hidden folder beside ``folder`` to fill, which becomes ``folder`` at the end, or vanishes.

    A scan passes over hidden folders, so nobody ever sees half a dataset. At the end the server is told.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield unfinished
        unfinished.chmod(0o755)
        _settle(unfinished, folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    announce()


def _settle(unfinished: Path, folder: Path) -> None:
    if folder.exists():
        raise InvalidInput(f"{folder} is there already.", hint="Remove it or choose another name.")
    unfinished.rename(folder)
