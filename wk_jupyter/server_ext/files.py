"""Opening files whose names come from a request: hostile until checked."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from wk_jupyter.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence


def open_below(folder: Path, rest: str, *, also_below: Sequence[Path] = ()) -> tuple[int, int]:
    """Open the regular file ``rest`` (pieces joined by ``/``) of a folder; return descriptor and size.

    ``folder`` may be reached through symbolic links. Links inside of it are followed as long as they
    end in it or in one of ``also_below``. An empty ``rest`` is the folder itself, where that is a file.
    Raises NotFound for whatever is not such a file, without telling why.
    """
    pieces = rest.split("/") if rest else []
    if any(piece in {"", ".", ".."} or "\0" in piece or "\\" in piece for piece in pieces):
        raise _not_here(rest)
    try:
        real = Path(os.path.realpath(folder.joinpath(*pieces), strict=True))
        allowed = [Path(os.path.realpath(parent)) for parent in (folder, *also_below)]
        if not any(real.is_relative_to(parent) for parent in allowed):
            raise _not_here(rest)
        # Not blocking: a named pipe would wait for its writer.
        descriptor = os.open(real, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except (OSError, ValueError):
        raise _not_here(rest) from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise _not_here(rest)
    return descriptor, status.st_size


def _not_here(rest: str) -> NotFound:
    return NotFound(f"There is no file {rest[:200]!r} here.")
