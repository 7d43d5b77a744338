"""What the tests of all readers share: the real files' truth, whole images, windows, and damaged files."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from real_files import SHARED_DATA

from wk_jupyter.errors import WkError
from wk_jupyter.store.readers import reader_for, reader_named
from wk_jupyter.store.readers.base import Image, ImageFile, Region


def open_file(path: Path, **hints: Any) -> ImageFile:
    """Open a file with the reader that its first bytes choose."""
    return reader_for(path).open([path], hints)


def the_image(path: Path, **hints: Any) -> Image:
    """Return the one image of a file, which stays open."""
    [image] = open_file(path, **hints).images
    return image


def whole(image: Image) -> NDArray[Any]:
    """Return all voxels (t, c, z, y, x) of an image."""
    size = image.info.size
    parts = [image.read(Region(t, (0, size.c), (0, size.z), (0, size.y), (0, size.x))) for t in range(size.t)]
    return np.stack(parts)


def check_windows(image: Image, count: int = 12) -> NDArray[Any]:
    """Assert that parts, read by several threads, are those of the whole, which is returned."""
    voxels = whole(image)
    size = image.info.size
    assert voxels.shape == tuple(size)
    assert voxels.dtype == image.info.dtype
    random = np.random.default_rng(0)

    def look(_: int) -> None:
        starts = [int(random.integers(0, n)) for n in size[1:]]
        ends = [int(random.integers(a + 1, n + 1)) for a, n in zip(starts, size[1:], strict=True)]
        t = int(random.integers(0, size.t))
        c, z, y, x = zip(starts, ends, strict=True)
        found = image.read(Region(t, c, z, y, x))
        assert found.flags.c_contiguous
        assert found.dtype.isnative
        parts = tuple(slice(*part) for part in (c, z, y, x))
        np.testing.assert_array_equal(found, voxels[t][parts])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(look, range(count)))
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


def damaged(data: bytes, count: int, seed: int = 0) -> Iterator[bytes]:
    """Yield copies of a file that are cut, or have some bytes changed."""
    random = np.random.default_rng(seed)
    for number in range(count):
        copy = bytearray(data)
        reach = min(len(data), 700) if number % 2 else len(data)  # headers are where it matters most
        for _ in range(int(random.integers(1, 5))):
            copy[int(random.integers(0, reach))] = int(random.choice([0, 1, 0x7F, 0x80, 0xFF, 0x20]))
        yield bytes(copy[: int(random.integers(0, len(copy)))] if number % 5 == 0 else copy)


def check_damaged(path: Path, reader: str, count: int = 150, **hints: Any) -> None:
    """Assert that copies of a file with wrong bytes are read, or refused in words that name the file."""
    data = path.read_bytes()
    for wrong in damaged(data, count):
        path.write_bytes(wrong)
        _read_or_refuse(path, reader, hints)


def _read_or_refuse(path: Path, reader: str, hints: Mapping[str, Any]) -> None:
    told = ""
    with contextlib.ExitStack() as stack:
        try:
            opened = reader_named(reader).open([path], hints)
            stack.callback(opened.close)
            for image in opened.images:
                size = image.info.size
                assert min(size) > 0
                image.read(Region(0, (0, 1), (0, 1), (0, min(size.y, 64)), (0, min(size.x, 64))))
        except WkError as error:
            told = str(error)
    assert not told or path.name in told
