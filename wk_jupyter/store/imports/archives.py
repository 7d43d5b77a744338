"""A delivery that is one ZIP: unpacked first, then looked at as any other folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from wk_jupyter.store.imports.stored import undo_half_wrapped
from wk_jupyter.store.unpacking import is_archive, unpack

UNPACKED: Final = "unpacked"


def archive_of(source: Path) -> Path | None:
    """Return the ZIP that a delivery is, or that is alone in its folder; None: it is something else."""
    if not source.is_dir():
        return source if is_archive(source) else None
    visible = [path for path in source.iterdir() if not path.name.startswith(".")]
    return visible[0] if len(visible) == 1 and is_archive(visible[0]) else None


def unpacked(archive: Path, folder: Path, progress: Callable[[float], None] = lambda _: None) -> Path:
    """Return the folder within ``folder`` in which a ZIP lies unpacked, which is done unless it was before.

    Raises as ``unpack`` does.
    """
    target = folder / UNPACKED
    undo_half_wrapped(target)
    if not target.exists():
        unpack(archive, target, progress=progress)
    return target
