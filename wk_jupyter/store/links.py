"""Symbolic links in a dataset's folder that lead nowhere. Links that work are used like folders."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def broken_links(folder: Path, layer_names: Iterable[str]) -> list[str]:
    """Return a sentence for each link of a layer or a mag whose target is not there.

    Looks at the dataset's folder and at those of its layers, no deeper.
    """
    sentences = _broken_in(f"{folder}", "")
    for name in sorted(layer_names):
        sentences += _broken_in(f"{folder}/{name}", f"{name}/")
    return sentences


def _broken_in(folder: str, prefix: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            links = [entry for entry in entries if entry.is_symlink()]
    except OSError:  # a layer that lies elsewhere, or a link that was named one level up
        return []
    return [_sentence(entry, prefix) for entry in links if not _leads_somewhere(entry)]


def _leads_somewhere(entry: os.DirEntry[str]) -> bool:
    try:
        entry.stat()
    except OSError:  # also a loop of links
        return False
    return True


def _sentence(entry: os.DirEntry[str], prefix: str) -> str:
    target = Path(entry.path).readlink()
    return f"the link {prefix}{entry.name} points to {target}, which is not there or not reachable."
