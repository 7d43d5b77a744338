"""How much room a dataset takes."""

from __future__ import annotations

import os
from pathlib import Path


def used_storage_bytes(folder: Path) -> int:
    """Return the bytes of a dataset's files inside of mag folders. Walks the folder: slow.

    What is reached by links below the dataset's folder belongs to others and is not counted.
    """
    total = 0
    pending = [(str(folder), 0)]
    while pending:
        place, depth = pending.pop()
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append((entry.path, depth + 1))
                    elif depth >= 2 and not entry.is_symlink():
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:  # closed to us, or removed while we look
            continue
    return total
