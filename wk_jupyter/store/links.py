"""Symbolic links in a dataset's folder that lead nowhere. Links that work are used like folders."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from wk_jupyter.datasource import DataSource


def broken_links(folder: Path, source: DataSource) -> list[str]:
    """Return a sentence for each link of a layer or a mag whose target is not there, or is itself.

    Looks at the dataset's folder, at those of its layers and at those in which its mags lie, no deeper.
    A link by which many of them go is named once.
    """
    sentences: list[str] = []
    for place in sorted(_places(source)):
        sentences += _broken_in(folder / place, place)
    return list(dict.fromkeys(sentences))


def broken_link(path: str | Path, name: str) -> str | None:
    """Return a sentence on ``path``, called ``name``, where it is a link that leads nowhere."""
    path = Path(path)
    try:
        target = path.readlink()
    except OSError:  # not a link, or gone
        return None
    try:
        path.stat()
    except FileNotFoundError:
        return f"the link {name} points to {target}, which is not there or not mounted."
    except OSError as error:
        return f"the link {name} points to {target}, which cannot be reached: {error.strerror}."
    return None


def _places(source: DataSource) -> set[str]:
    """Folders in which links may lie, relative to the dataset's."""
    places = {""}
    for layer in source.layers:
        places.add(layer.name)
        for mag in layer.mags:
            path = os.path.normpath(mag.path or "")
            if not path.startswith(("/", "..")) and "://" not in (mag.path or ""):
                places.update(parent.as_posix() for parent in Path(path).parents if parent.name)
    return places


def _broken_in(folder: Path, place: str) -> Iterable[str]:
    try:
        with os.scandir(folder) as entries:
            links = sorted(entry.name for entry in entries if entry.is_symlink())
    except (OSError, ValueError):  # a layer that lies elsewhere, or a link that was named one level up
        return []
    named = (broken_link(folder / name, f"{place}/{name}" if place else name) for name in links)
    return [sentence for sentence in named if sentence is not None]
