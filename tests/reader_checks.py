"""What tests of readers share beside the contract: the real files, and their truth."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contracts.reader_contract import read_whole, require_regions
from numpy.typing import NDArray
from real_files import SHARED_DATA

from wk_jupyter.store.readers import reader_for
from wk_jupyter.store.readers.base import Image, ImageFile


def open_file(path: Path, **hints: Any) -> ImageFile:
    """Open a file with the reader that its first bytes choose."""
    return reader_for(path).open([path], hints)


def the_image(path: Path, **hints: Any) -> Image:
    """Return the one image of a file, which stays open."""
    [image] = open_file(path, **hints).images
    return image


def checked_voxels(image: Image) -> NDArray[Any]:
    """Return all voxels (t, c, z, y, x) of an image; assert that parts of it are parts of them."""
    voxels = read_whole(image)
    require_regions(image, voxels, 8)
    return voxels


def sha256(voxels: NDArray[Any]) -> str:
    """Return the manifest's checksum of an array in the order of axes that it has."""
    data = np.ascontiguousarray(voxels)
    return hashlib.sha256(data.astype(data.dtype.newbyteorder("<"), copy=False).tobytes()).hexdigest()


def real_entries(*formats: str) -> list[Any]:
    """Return the manifest's entries of these formats as parameters of tests; one that skips where absent."""
    if not (SHARED_DATA / "manifest.json").exists():
        reason = f"the real sample files are not here ({SHARED_DATA})"
        return [pytest.param(None, marks=pytest.mark.skip(reason=reason), id="absent")]
    manifest = json.loads((SHARED_DATA / "manifest.json").read_text())
    documents = [*manifest["real"], *manifest["derived"]]
    return [pytest.param(each, id=each["id"]) for each in documents if each["format"] in formats]


def real_file(entry: Mapping[str, Any], *suffixes: str) -> Path:
    """Return the file of an entry that has one of the suffixes."""
    folder = SHARED_DATA / entry["path"]
    [found] = [path for path in sorted(folder.rglob("*")) if path.name.lower().endswith(suffixes)]
    return found


def truths(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    truth = entry["truth"]
    return truth["arrays"] if isinstance(truth, dict) else truth


def with_links(folder: Path, scratch: Path) -> Path:
    """Return a copy of a folder with links where a transport has left small files that name their targets."""
    copy = scratch / folder.name
    shutil.copytree(folder, copy, symlinks=True)
    for path in [path for path in copy.rglob("*") if path.is_file() and path.stat().st_size < 200]:
        text = path.read_bytes().decode("utf-8", "replace")
        if "\0" not in text and "\n" not in text and (path.parent / text).is_file():
            path.chmod(0o600)
            path.unlink()
            path.symlink_to(text)
    return copy
