"""Looks at files in a process of its own, which a damaged file may crash: not the kernel."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wk_jupyter.store.imports.options import ImportOptions
from wk_jupyter.store.imports.process import ImportProcess, Request, error_told


def inspected(path: Path, hints: Mapping[str, Any]) -> dict[str, Any]:
    """Return an inspection as the API tells it. Raises WkError."""
    with tempfile.TemporaryDirectory() as folder:
        options = ImportOptions(hints=dict(hints))
        Request("", str(path), is_own=False, options=options, is_inspection=True).write(Path(folder))
        with ImportProcess(Path(folder)) as process:
            said = process.last_word()
    if "error" in said:
        raise error_told(said["error"])
    found: dict[str, Any] = said["inspection"]
    return found
